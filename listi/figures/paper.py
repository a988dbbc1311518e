"""Every figure of the paper from stored data, nothing computed anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from .. import figures, files
from ..analysis.prediction_goodness import goodness
from ..compendium import data_set, sample_files
from ..compendium.data_set import (
    PATCH,
    TRACE,
    UNSEEN,
    compared,
    example,
    first_unseen,
    has_networks,
    learned,
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
        are not in it where the data hold no networks.
    """
    found = {}
    with_networks = has_networks(Path(data_dir))
    for name, draw in FIGURES.items():
        if name not in MECHANICAL and not with_networks:
            print(f"{name}: needs trained networks, of which {Path(data_dir).name} holds none")
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
    return figures.fig3(data_set.goodness_of(of_roles(folder, "train", "validation", "test")))


def _learning(folder: Path, name: str) -> Figure:
    return figures.learning(name, example(folder), learned(folder, name))


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


MECHANICAL = ("fig1", "fig2", "fig3")  # drawn without networks
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
