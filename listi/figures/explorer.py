"""One sample to look at and touch: a page of its own, in JupyterLab or saved, with a picture where no scripts run."""

from __future__ import annotations

import base64
import html
import io
import json
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from ..analysis.follow import live_maps
from ..analysis.load import strain_to_failure, stress_rate
from ..analysis.sample import Sample
from ..compendium.sample_files import load_sample
from ..files import write_bytes
from ..mechanics.shear import deform
from ..network.geometry import wrap
from ..network.network import Network
from ..probing.curves import curves
from . import panels
from .style import STRESS_LABEL, STRESS_SCALE, THRESHOLD_LABEL, THRESHOLD_MAP, look, styled

TEMPLATE = Path(__file__).with_name("explorer.html")
HEIGHT = 800  # of the page in a notebook [px]
MOVED = 0.3  # share of the largest displacement of an event; less is not drawn
COLOURS = 96  # of the picture; it stands in a notebook three times
ALT = "The network of a sample over its map of probed thresholds with its events, and its stress-strain curve"
FRACTION = 65536  # positions are kept as whole numbers of 1/65536 of the cell: 0.003 Å


class Explorer:
    """A page that shows one sample; JupyterLab shows it in place, `save` writes it.

    Attributes
    ----------
    page : str
        The page as HTML, with all its data; it needs no server and no network.
    picture : bytes
        What is shown where no scripts run, as PNG.
    """

    def __init__(self, page: str, picture: bytes) -> None:
        self.page, self.picture = page, picture

    def save(self, path: str | Path) -> Path:
        """Write the page as one HTML file and return its path."""
        path = Path(path)
        write_bytes(path, self.page.encode())
        return path

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        """The page in a frame over the picture, which stays where frames are taken out: in untrusted notebooks."""
        framed = (
            f'<div style="display: grid"><img src="data:image/png;base64,{_text(self.picture)}" alt="{ALT}"'
            f' style="grid-area: 1 / 1; max-width: 100%"><iframe srcdoc="{html.escape(self.page)}"'
            ' sandbox="allow-scripts" title="Explorer of a sample" style="grid-area: 1 / 1; width: 100%;'
            f' height: {HEIGHT}px; border: 0; background: white"></iframe></div>'
        )
        return {"text/html": framed, "image/png": self.picture, "text/plain": "Explorer of a sample"}


def explore(sample: Sample | xr.DataTree | str | Path, full: bool = False) -> Explorer:
    """Show a sample: its network over its threshold map, along its events; a click shows the disc probed there.

    The maps are those that the sample holds, and the strain to failure (`listi.strain_to_failure`). States after events
    are drawn where they are stored; between events the last one is stretched with the cell.

    Parameters
    ----------
    sample : Sample, DataTree or path
        A sample with events and a probed map: a file, or what was read from one.
    full : bool
        Compute what files do not hold, in one to three minutes on two cores: the stress-strain curve of every disc, the
        states after events, and the map probed anew in each. Without, the first and last point of each curve are shown.

    Returns
    -------
    Explorer
        Shown by JupyterLab as a cell's last line; ``save("page.html")`` writes it.

    Raises
    ------
    ValueError
        If the sample has no events, no probed map, or no bonds.
    DataError
        If the file is not whole.

    Examples
    --------
    >>> import listi
    >>> page = listi.explore(listi.open_sample(5))
    >>> file = page.save("sample_5.html")
    """
    sample = _read(sample)
    _check(sample)
    if full:
        sample = _with_states(sample)
    maps = _maps(sample)
    data = _data(sample, maps)
    if full:
        grid, r_free = tuple(data["grid"]), data["r_free"]
        data["live"] = [_pack(live * STRESS_SCALE) for live in live_maps(sample.network, sample.shear, grid, r_free)]
        walked = curves(sample.network, sample.probing)
        data["curves"] = {"parts": walked.sizes["part"], "stress": _pack(walked.stress * STRESS_SCALE)}
    picture = _png(static(sample.network, sample.shear, sample.probing))
    return Explorer(_page(data, picture), picture)


def _read(sample: Sample | xr.DataTree | str | Path) -> Sample:
    if isinstance(sample, Sample):
        return sample
    if not isinstance(sample, xr.DataTree):
        return load_sample(sample)
    if "network" not in sample:
        raise ValueError(f"sample: has no group network, only {', '.join(sample.children) or 'none'}")
    groups = {name: group.to_dataset() for name, group in sample.children.items()}
    held = (groups.get(name) for name in ("shear", "probing", "predictions"))
    return Sample(Network.from_xarray(groups["network"]), *held, attrs=dict(groups["network"].attrs))


def _check(sample: Sample) -> None:
    if sample.shear is None or sample.shear.sizes.get("event", 0) == 0:
        raise ValueError("sample: has no events to step through; listi.deform makes them")
    if sample.probing is None or set(sample.probing.threshold.dims) != {"x", "y"}:
        raise ValueError("sample: has no map of probed thresholds over (x, y); listi.probe makes it")
    if len(sample.network.bonds) == 0:
        raise ValueError("sample: its network has no bonds to draw")


def _with_states(sample: Sample) -> Sample:
    """Return the sample with its states after events; one that was stored without them is sheared once more."""
    shear = sample.shear
    if "configuration" in shear:
        return sample
    last = float(shear.strain[-1])
    again = deform(sample.network, shear.attrs["strain_step"], last, shear.sizes["event"], min_strain=last)
    return replace(sample, shear=again)


def _maps(sample: Sample) -> dict[str, xr.DataArray]:
    """All maps of the undeformed sample by their name in the menu; thresholds in 1e-3."""
    threshold = sample.probing.threshold
    maps = {"Probed threshold": threshold * STRESS_SCALE}
    predictions = sample.predictions or {}
    for name in sorted(predictions, key=lambda name: name != "listi"):  # the default network first
        maps[f"Predicted by LISTI: {look(name)['label']}"] = predictions[name] * STRESS_SCALE
    rate = stress_rate(sample.network, threshold.transpose("x", "y").shape, float(sample.probing.attrs["r_free"]))
    return maps | {"Strain to failure": strain_to_failure(threshold.transpose("x", "y"), rate)}


def _data(sample: Sample, maps: dict[str, xr.DataArray]) -> dict:
    """All that the page shows, ready for JSON; stresses in 1e-3 reduced energy/Å², lengths in Å."""
    network, shear = sample.network, sample.shear
    silicon, oxygen = network.silicon, np.flatnonzero(network.species != 0)
    number = np.cumsum(network.species == 0) - 1
    states = [_fractions(network.positions[silicon], network.cell)]
    if "configuration" in shear:
        then = zip(shear.configuration.values, shear.event_cell.values, strict=True)
        states += [_fractions(positions[silicon], cell) for positions, cell in then]
    probing = sample.probing.transpose("x", "y", ...)
    scaled = {name: _pack(probing[name] * STRESS_SCALE) for name in ("initial_stress", "critical_stress", "peak_stress")
              if name in probing}  # fmt: skip
    return {
        "name": str(sample.attrs.get("name", "a sample")),
        "cell": network.cell.tolist(),
        "grid": list(probing.threshold.shape),
        "r_free": float(probing.attrs["r_free"]),
        "probe_step": float(probing.attrs["strain_step"]),
        "broken": panels.BROKEN,
        "colours": [matplotlib.colors.to_hex(colour) for colour in THRESHOLD_MAP(np.linspace(0, 1, 64))],
        "percentiles": panels.PERCENTILES,
        "states": states,
        "oxygen": _fractions(network.positions[oxygen], network.cell),
        "bonds": _pack(number[network.bonds], "<u2" if len(silicon) < FRACTION else "<u4"),
        "strain": shear.strain.values.round(6).tolist(),
        "stress": (shear.stress.values * STRESS_SCALE).round(5).tolist(),
        "events": [_event(shear.isel(event=i), network) for i in range(shear.sizes["event"])],
        "maps": [
            {"name": name, "strain": name == "Strain to failure", "values": _pack(field.transpose("x", "y"))}
            for name, field in maps.items()
        ],
        "probes": scaled | {"critical_strain": _pack(probing.critical_strain)},
    }


def _event(event: xr.Dataset, network: Network) -> dict:
    """Strain and place of one event, and the displacements of the atoms that moved most, where they are kept."""
    found = {
        "strain": round(float(event.event_strain), 6),
        "position": wrap(event.event_position.values, network.cell).round(3).tolist(),
    }
    if "non_affine" in event and "configuration" in event:
        size = np.linalg.norm(event.non_affine.values, axis=1)
        far = size > MOVED * size.max()
        end = np.mod(event.configuration.values[far] / event.event_cell.values, 1.0)
        moved = np.hstack([end, event.non_affine.values[far] / event.event_cell.values])
        found["moved"] = _pack(moved)  # where atoms ended, by how much they moved: fractions of the cell
    return found


def _fractions(positions: np.ndarray, cell: np.ndarray) -> str:
    return _pack(np.floor(wrap(positions, cell) / cell * FRACTION), "<u2")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _pack(values: object, kind: str = "<f4") -> str:
    """Numbers as base64 of little-endian `kind`."""
    return _text(np.asarray(values).astype(kind).tobytes())


def _page(data: dict, picture: bytes) -> str:
    page = TEMPLATE.read_text("utf-8")
    page = page.replace("{{picture}}", _text(picture)).replace("{{alt}}", ALT)
    return page.replace("{{data}}", json.dumps(data, separators=(",", ":")).replace("</", "<\\/"))


def _png(figure: Figure) -> bytes:
    room = io.BytesIO()
    figure.savefig(room, format="png", dpi=110, metadata={"Software": None})
    few, small = Image.open(room).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE), io.BytesIO()
    few.save(small, format="png", optimize=True)
    return small.getvalue()


@styled
def static(network: Network, shear: xr.Dataset, probing: xr.Dataset) -> Figure:
    """The first view of the explorer and the stress-strain curve, as a picture."""
    figure = Figure(figsize=(7.4, 3.6), layout="constrained")
    mapped, curve = figure.subplots(1, 2, width_ratios=[1.25, 1])
    mesh = panels.draw_map(mapped, probing.threshold, network.cell)
    panels.draw_bonds(mapped, network.positions, network.bonds, network.cell, linewidths=0.2, colors="0.25")
    panels.mark_events(mapped, shear.event_position.values, shear.event.values, network.cell)
    panels.colour_bar(mesh, [mapped], THRESHOLD_LABEL)
    panels.draw_curve(curve, shear)
    curve.set(xlabel="Strain $\\gamma$", ylabel=STRESS_LABEL)
    curve.legend()
    panels.letter(mapped, "a", "network over its threshold map, events")
    panels.letter(curve, "b", "the sample under shear")
    return figure
