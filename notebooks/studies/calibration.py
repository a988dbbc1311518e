"""Calibrate `listi.weakest`: predictions beside probed thresholds, at the soft end of samples not learned from.

    python notebooks/studies/calibration.py

The maps are those of the training and validation samples of data/paper, each predicted by the network of the
cross-validation that did not learn from it. They are written beside the network `listi`.
"""

from __future__ import annotations

import xarray as xr

from listi import files
from listi.compendium import data_set
from listi.learning.weakest import write_calibration


def main() -> None:
    """Write the calibration of `listi`."""
    folder = files.shipped()
    samples = data_set.of_roles(folder, "train", "validation")
    maps = {
        sample.attrs["name"]: xr.Dataset(
            {"threshold": sample.probing.threshold, "predicted": sample.predictions["listi_folds"]}
        )
        for sample in samples
    }
    write_calibration(folder / "models" / "listi.keras", maps, samples[0].network.cell)
    files.write_checksums(folder)


if __name__ == "__main__":
    main()
