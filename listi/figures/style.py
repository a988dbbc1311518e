"""One look for every figure: readable in grey, by a colour-blind reader, and in print."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ..files import as_path, write_bytes
from ..learning import models
from ..network.units import STRESS_UNIT

# Red is soft and blue is hard as in the paper, but lightness only ever rises: soft spots are the
# dark ones in grey.
THRESHOLD_MAP = LinearSegmentedColormap.from_list(
    "threshold",
    [
        (0.00, "#4d0011"),
        (0.15, "#8e1226"),
        (0.30, "#c0353a"),
        (0.45, "#dc6f4e"),
        (0.58, "#e8a06c"),
        (0.68, "#dcbf9c"),
        (0.78, "#b3cfe2"),
        (0.90, "#acdbfb"),
        (1.00, "#d4f0ff"),
    ],
)

# One colour, marker, line and name for each network. The colours also differ in lightness, by 10 of 100 at least.
NETWORKS = {
    "probing": {"color": "black", "marker": "D", "linestyle": "-", "label": "mechanical probing"},
    **{record.name: {**record.look, "label": record.label} for record in models.records() if record.look},
}
OTHER = {"color": "#7b4fa3", "marker": "v", "linestyle": ":"}  # any other network or predictor

BLUE, RED, GREY, ORANGE = "#2f5f9e", "#b3202c", "#8c8c8c", "#e69f00"
STRESS_LABEL = "Shear stress $\\tau$\n($10^{-3}$ reduced energy/Å$^2$)"
THRESHOLD_LABEL = "Stress threshold $\\Delta\\tau$\n($10^{-3}$ reduced energy/Å$^2$)"
STRESS_SCALE = 1e3  # stored stresses are drawn in units of 1e-3
assert STRESS_UNIT == "reduced energy/angstrom^2"  # what the labels above say

STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "image.cmap": "gray",
    "pdf.fonttype": 42,  # text stays text
    "svg.hashsalt": "listi",
}


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Set matplotlib to its defaults and the settings of `STYLE`, whatever the reader's own settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # but not the backend
        matplotlib.rcParams.update(STYLE)
        yield


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw a figure in the house style."""

    @functools.wraps(draw)
    def in_style(*args, **kwargs) -> Figure:
        with house_style():
            return draw(*args, **kwargs)

    return in_style


def look(name: str) -> dict[str, str]:
    """Colour, marker, line style and label of a network; all others share a look, and are drawn in panels each."""
    return NETWORKS.get(name, {**OTHER, "label": name.replace("_", " ")})


def save(figure: Figure, folder: str | Path, name: str) -> list[Path]:
    """Write a figure as PNG and PDF, the same bytes whenever it is drawn from the same data.

    Parameters
    ----------
    figure : Figure
    folder : path
        Made if missing.
    name : str
        File name without ending, such as "fig3".

    Returns
    -------
    list of Path
        The two files.
    """
    paths = [as_path(folder) / f"{name}.{ending}" for ending in ("png", "pdf")]
    with house_style():
        for _ in range(2):  # the layout settles in the second pass, and is then kept
            figure.draw_without_rendering()
        figure.set_layout_engine("none")
        about = {"Software": None}, {"CreationDate": None, "Creator": None, "Producer": None}
        for path, metadata in zip(paths, about, strict=True):
            picture = io.BytesIO()
            figure.savefig(picture, format=path.suffix[1:], metadata=metadata)
            write_bytes(path, picture.getvalue())
    return paths
