"""Every figure of the paper from stored data, nothing computed anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from . import figures, samples, store
from .goodness import goodness
from .inputs import Cutouts, cutouts
from .learning import history_of, model_file
from .provenance import PACKAGE
from .samples import UNSEEN

NETWORKS = ("lstm", "cnn", "gcn")
TRACE = "trace.json"  # stress-strain curve of the probe that Fig. 1 shows
PATCH = "patch.nc"  # the patch with free edges of Fig. 10


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
    learned = _has_networks(Path(data_dir))
    for name, draw in FIGURES.items():
        if name not in MECHANICAL and not learned:
            print(f"{name}: needs trained networks, of which {Path(data_dir).name} holds none")
            continue
        try:
            figures.save(draw(Path(data_dir)), figure_dir, name)
            found[name] = ""
        except (store.DataError, KeyError) as error:
            found[name] = str(error)
        print(f"{name}: {found[name] and 'not drawn: '}{found[name] or 'drawn'}")
    return found


def _has_networks(folder: Path) -> bool:
    """Whether data hold networks or their predictions, or are not whole enough to tell."""
    try:
        return (folder / "models").is_dir() or first_unseen(folder).predictions is not None
    except store.DataError:
        return True


def shipped() -> Path:
    """Folder of the data that ship: data/paper of the checkout, whatever folder one works in.

    Raises
    ------
    DataError
        If there is none here, above here, or beside the package.
    """
    for folder in (Path.cwd(), *Path.cwd().parents, PACKAGE.parent):
        if (folder / "data" / "paper" / samples.SPLIT).is_file():
            return folder / "data" / "paper"
    raise store.DataError(
        "data/paper: not found here, above here or beside the package; it comes with the repository"
    )


def pictured(folder: Path) -> store.Sample:
    """The sample whose displacement fields are kept: the first one."""
    return store.load_sample(samples.read_split(folder)["train"][0])


def first_unseen(folder: Path) -> store.Sample:
    """The first sample that no network saw."""
    return store.load_sample(samples.read_split(folder)["test"][0])


def of_roles(folder: Path, *roles: str) -> list[store.Sample]:
    """All samples of some roles."""
    split = samples.read_split(folder)
    return samples.load([path for role in roles for path in split[role]])


def write_trace(folder: str | Path, trace: xr.Dataset, point: np.ndarray, r_free: float) -> None:
    """Keep the stress-strain curve of the probe that Fig. 1 shows."""
    curve = {name: trace[name].values for name in ("strain", "stress", "critical_strain")}
    store.write_json(Path(folder) / TRACE, {**curve, "point": point, "r_free": r_free})


def _fig1(folder: Path) -> Figure:
    kept, sample = store.read_json(folder / TRACE), pictured(folder)
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
    return figures.fig3(samples.goodness_of(of_roles(folder, "train", "validation", "test")))


def example(folder: Path) -> Cutouts:
    """The cut-out that stands for all in the figures of the networks: in the middle of a sample."""
    sample = first_unseen(folder)
    return cutouts(sample.network, sample.network.cell[None] / 2)


def learning_data(folder: Path, name: str) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """History of a network, and its predictions beside the targets for seen and unseen samples."""
    seen = samples.points_of(of_roles(folder, "train"), name)
    unseen = samples.points_of(of_roles(folder, *UNSEEN), name)
    return history_of(model_file(folder, name)), seen, unseen


def _fig5(folder: Path) -> Figure:
    pixels = store.read_json(model_file(folder, "cnn").with_suffix(".json"))["made_from"]["sizes"]
    return figures.fig5(example(folder), *learning_data(folder, "cnn"), **pixels)


def compared(folder: Path, *roles: str) -> xr.DataArray:
    """Goodness over (model, sample, event) of probing and networks on samples of some roles."""
    chosen = of_roles(folder, *roles)
    names = ["probing", *NETWORKS]
    each = [samples.goodness_of(chosen, name) for name in names]
    return xr.concat(each, dim=xr.Variable("model", names))


def _fig9(folder: Path) -> Figure:
    sample = first_unseen(folder)
    maps = (samples.threshold_of(sample, source) for source in ("probing", "gcn"))
    return figures.fig9(sample.network, sample.shear, *maps, "gcn")


def _fig10(folder: Path) -> Figure:
    patch = store.load_sample(folder / PATCH)
    source = first_unseen(folder)
    known = patch.shear.attrs["parameters"]
    circle = np.array(known["free_centre"]), known["free_radius"]
    threshold = patch.predictions.gcn
    value = goodness_in_patch(threshold, patch.shear, patch.network.cell)
    return figures.fig10(source.network, patch.network, threshold, patch.shear, value, *circle)


def goodness_in_patch(threshold: xr.DataArray, shear: xr.Dataset, cell: np.ndarray) -> float:
    """Goodness of the first event on a map that is NaN outside the circle of free atoms."""
    inside = threshold.stack(point=("x", "y")).dropna("point")
    return float(goodness(inside, shear.event_position[:1], cell)[0])


MECHANICAL = ("fig1", "fig2", "fig3")  # drawn without networks
FIGURES: dict[str, Callable[[Path], Figure]] = {
    "fig1": _fig1,
    "fig2": _fig2,
    "fig3": _fig3,
    "fig4": lambda folder: figures.fig4(example(folder), *learning_data(folder, "lstm")),
    "fig5": _fig5,
    "fig6": lambda folder: figures.fig6(example(folder), *learning_data(folder, "gcn")),
    "fig7": lambda folder: figures.fig7(compared(folder, "train", "validation")),
    "fig8": lambda folder: figures.fig8(compared(folder, *UNSEEN)),
    "fig9": _fig9,
    "fig10": _fig10,
}
