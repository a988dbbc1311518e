"""Every figure of the paper from stored data, nothing computed anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .. import figures, files
from ..analysis.prediction_goodness import first_events, goodness
from ..compendium import data_set, predicted, sample_files
from ..compendium.data_set import (
    NETWORKS,
    PATCH,
    TRACE,
    UNSEEN,
    compared,
    example,
    first_unseen,
    load_training,
    of_roles,
    pictured,
)
from ..imaging.circle import Circle
from ..imaging.picture import Imaged


def regenerate(data_dir: str | Path, figure_dir: str | Path) -> dict[str, str]:
    """Draw all figures that the data of a run, or of the paper, hold.

    Parameters
    ----------
    data_dir : path
        What the notebooks wrote, or "data/paper".
    figure_dir : path
        Where the PNG and PDF files go.

    Returns
    -------
    dict
        Every figure's name, with "" if it was drawn, else what is missing; the same is printed. Figures of networks
        that were not trained, or of a patch that was not made, are not in it.
    """
    found = {}
    for name, draw in FIGURES.items():
        absent = [file for file in NEEDS.get(name, ()) if not (Path(data_dir) / file).is_file()]
        if absent:
            print(f"{name}: needs {' and '.join(absent)}, not made in {Path(data_dir).name}")
            continue
        try:
            figures.save(draw(Path(data_dir)), figure_dir, name)
            found[name] = ""
        except (files.DataError, KeyError) as error:
            found[name] = str(error)
        print(f"{name}: {found[name] and 'not drawn: '}{found[name] or 'drawn'}")
    return found


def _fig1(folder: Path) -> Figure:
    kept, sample = files.read_json(folder / TRACE), pictured(folder)
    trace = xr.Dataset(
        {"stress": ("strain", kept["stress"]), "critical_strain": kept["critical_strain"]},
        coords={"strain": kept["strain"]},
    )
    point, r_free = np.array(kept["point"]), kept["r_free"]
    return figures.fig1(sample.network, sample.shear, sample.probing, trace, point, r_free)


def _fig2(folder: Path) -> Figure:
    sample = pictured(folder)
    return figures.fig2(sample.network, sample.shear, sample.probing)


def _fig3(folder: Path) -> Figure:
    samples = of_roles(folder, "train", "validation", "test")
    strain = xr.concat([first_events(sample.shear).event_strain for sample in samples], "sample", join="outer")
    return figures.fig3(data_set.goodness_of(samples), strain)


def _learning(folder: Path, name: str) -> Figure:
    return figures.learning(name, example(folder), load_training(folder, name))


def _fig9(folder: Path) -> Figure:
    sample = first_unseen(folder)
    maps = (data_set.threshold_of(sample, source) for source in ("probing", "listi"))
    return figures.fig9(sample.network, sample.shear, *maps, "listi")


def _fig10(folder: Path) -> Figure:
    patch = sample_files.load_sample(folder / PATCH)
    known, kept = patch.shear.attrs["parameters"], patch.predictions
    circle = Circle(np.array(known["free_centre"]), known["free_radius"])
    imaged = Imaged(patch.network, kept.silicon.values, known["scale"], np.zeros(2), {})
    value = float(goodness(kept.listi, patch.shear.event_position[:1], patch.network.cell)[0])
    pixels, network = kept.pixels.values, patch.network
    return figures.fig10(pixels, imaged, network, kept.listi, patch.shear, value, circle, known["shown"])


_PREDICTED = tuple(f"{predicted.FOLDER}/{name}.nc" for name in NETWORKS)
NEEDS = {  # files that not every folder of data holds
    "fig4": ("models/lstm.keras", "predictions/lstm.nc"),
    "fig5": ("models/cnn.keras", "predictions/cnn.nc"),
    "fig6": ("models/gcn.keras", "predictions/gcn.nc"),
    "fig7": _PREDICTED,
    "fig8": _PREDICTED,
    "fig9": ("predictions/listi.nc",),
    "fig10": (PATCH,),
}
FIGURES: dict[str, Callable[[Path], Figure]] = {
    "fig1": _fig1,
    "fig2": _fig2,
    "fig3": _fig3,
    "fig4": lambda folder: _learning(folder, "lstm"),
    "fig5": lambda folder: _learning(folder, "cnn"),
    "fig6": lambda folder: _learning(folder, "gcn"),
    "fig7": lambda folder: figures.fig7(compared(folder, "train", "validation")),
    "fig8": lambda folder: figures.fig8(compared(folder, *UNSEEN)),
    "fig9": _fig9,
    "fig10": _fig10,
}
