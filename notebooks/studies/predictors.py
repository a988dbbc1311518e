"""Maps from structure and mechanics compared: goodness of each, and what one adds to another.

    python notebooks/studies/predictors.py [--workers 2]

completes `predictors.csv` and `predictors_added.csv` in `data/paper/studies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from probe_choices import PREDICTED, samples

import listi
from listi import files
from listi.analysis import predictors
from listi.analysis.comparison import Case, contributions, rank_correlations
from listi.analysis.prediction_goodness import first_events
from listi.analysis.sample import Sample
from listi.compendium import data_set
from listi.compendium.studies import Study, command, grid_of, plain, radius_of, read


def case_of(sample: Sample) -> Case:
    """Maps of one sample: thresholds, probed and predicted, their strains to failure, and predictors."""
    grid, r_free = grid_of(sample), radius_of(sample)
    rate = listi.stress_rate(sample.network, grid, r_free)
    predictions = {} if sample.predictions is None else dict(sample.predictions.data_vars)
    thresholds = {"threshold": sample.probing.threshold, **predictions}
    strains = {
        "strain_to_failure" if name == "threshold" else f"{name}_strain_to_failure": listi.strain_to_failure(
            field, rate
        )
        for name, field in thresholds.items()
    }
    maps = xr.Dataset({**thresholds, **strains, **predictors.maps(sample.network, grid, r_free)})
    return Case(maps, first_events(sample.shear).event_position, sample.network.cell)


def map_rows(sample: Sample) -> list[dict]:
    """Rank correlation with the threshold and goodness of every event, one row per map."""
    return rows_of_case(case_of(sample))


def rows_of_case(case: Case) -> list[dict]:
    """Return the same for maps that are there."""
    correlation = rank_correlations(case)
    table = []
    for name, field in case.maps.items():
        goodness = listi.goodness(field, case.events, case.cell).values
        row = {"map": str(name), "correlation": plain(float(correlation.sel(map=name)))}
        table.append(row | {f"goodness_{n + 1}": plain(value) for n, value in enumerate(goodness)})
    return table


def added(cases: Sequence[Case], fitted: Sequence[bool]) -> pd.DataFrame:
    """What each map adds to the threshold and to each network's prediction: change of goodness, low, high, weight."""
    names = [str(name) for name in cases[0].maps]
    bases = [name for name in names if name not in predictors.PREDICTORS and not name.endswith("strain_to_failure")]
    tables = {base: contributions(cases, fitted, base).to_dataframe().rename_axis("map") for base in bases}
    return pd.concat(tables, names=["base"]).reset_index()


def added_rows(folder: str) -> list[dict]:
    """Return the rows of `added` for all samples of a folder; weights are chosen on those not called test."""
    unseen = {path for role in data_set.UNSEEN for path in data_set.read_split(folder)[role]}
    paths = samples(Path(folder))
    cases = [case_of(sample) for sample in data_set.load(paths)]
    table = added(cases, [path not in unseen for path in paths])
    return [{name: plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def compared(maps: pd.DataFrame, added: pd.DataFrame) -> dict:
    """Return goodness and correlations of all maps and what they add, as figures and tables need them."""
    goodness = maps.filter(regex=r"^goodness_\d$").to_numpy()
    of_map = {name: np.flatnonzero(maps["map"] == name) for name in maps["map"].unique()}
    return {
        "goodness": {name: [row[~np.isnan(row)] for row in goodness[where]] for name, where in of_map.items()},
        "correlation": {name: maps.correlation.to_numpy()[where].tolist() for name, where in of_map.items()},
        "added": {
            base: {
                column: dict(zip(rows["map"], rows[column], strict=True))
                for column in ("weight", "change", "low", "high")
            }
            for base, rows in added.groupby("base", sort=False)
        },
    }


def compare(samples: Sequence[Sample], fitted: Sequence[bool]) -> dict:
    """Return `compared` of a few samples; weights are chosen on those that are fitted."""
    cases = [case_of(sample) for sample in samples]
    maps = pd.DataFrame([{"sample": n, **row} for n, case in enumerate(cases) for row in rows_of_case(case)])
    return compared(maps, added(cases, fitted))


def shipped() -> dict:
    """Return `compared` of the tables that ship."""
    return compared(*(read(files.shipped(), name) for name in ("predictors", "predictors_added")))


STUDIES = {"predictors": Study(map_rows, samples, reads=PREDICTED)}

if __name__ == "__main__":
    command(STUDIES, __doc__)
    folder = files.shipped()
    table = pd.DataFrame(added_rows(str(folder)))
    files.write_bytes(folder / "studies" / "predictors_added.csv", table.to_csv(index=False).encode())
    files.write_checksums(folder)
