"""An interactive HTML viewer of one glass, in JupyterLab or saved, with a picture where no scripts run."""

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
from scipy.spatial import cKDTree

from ..analysis.follow import live_maps
from ..analysis.load import strain_to_failure, stress_rate
from ..analysis.sample import Sample
from ..compendium.sample_files import load_sample
from ..files import as_path, write_bytes
from ..imaging.mapped import MappedImage
from ..mechanics.load import make_load
from ..mechanics.quasistatic import FALLS
from ..mechanics.shear import deform, load_of
from ..network.geometry import grid_lines, grid_points, grid_product, wrap
from ..network.network import Network
from ..probing.curves import curves
from ..probing.motion import motion
from . import panels
from .plot import covers, map_of, sample_of
from .style import STRESS_LABEL, STRESS_SCALE, THRESHOLD_LABEL, THRESHOLD_MAP, look, styled

TEMPLATE = Path(__file__).with_name("explorer.html")
HEIGHT = 800  # of the page in a notebook [px]
R_FREE = 11.0  # of the discs that are drawn where none were probed [Å]
MOVED = 0.3  # share of the largest displacement of an event; less is not drawn
OTHER_KINDS = {"probed": "probed", "map": "map"}  # of maps among the predictions; all others are predicted
COLOURS = 96  # of the picture; it stands in a notebook three times
ALT = "The network of a sample over its map of probed thresholds with its events, and its stress-strain curve"
TINY = 1e-9  # Å; a disc without a threshold does not move
FRACTION = 65536  # positions are quantised to uint16, 1/65536 of the cell: 0.003 Å


class Explorer:
    """An HTML page that shows one glass: JupyterLab shows it in a cell, `save` writes it.

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
        path = as_path(path)
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


def explore(
    sample: Sample | Network | MappedImage | xr.DataTree | str | Path,
    full: bool = False,
    map: xr.Dataset | xr.DataArray | None = None,
    events: xr.Dataset | None = None,
) -> Explorer:
    """Show a glass: its network over its threshold map, along its events; a click shows the disc at that spot.

    The maps are those of the sample, probed and predicted also side by side or as their difference, and where it is
    probed the strain to failure (`listi.strain_to_failure`). A glass without a map is shown with the prediction of the
    network that ships. States after events are drawn where they are stored; between events the last state is stretched
    with the cell. States in a tilted cell are not drawn.

    Parameters
    ----------
    sample : Sample, Network, result of an image, DataTree or path
        A glass with or without results: in memory, a file, or what was read from a file.
    full : bool
        Compute what files do not hold, in two to four minutes on two cores: the stress-strain curve of every disc and
        the motion of its atoms to the first instability, the states after events, and the map probed anew in each.
        Without, the first and last point of each curve are shown.
    map : Dataset or DataArray, optional
        What `listi.probe` or `listi.predict` returned, or another map of thresholds.
    events : Dataset, optional
        What `listi.deform` returned.

    Returns
    -------
    Explorer
        Shown by JupyterLab as a cell's last line; ``save("page.html")`` writes it.

    Raises
    ------
    ValueError
        If an argument is of another kind, the glass has no bonds, `full` lacks events or a probed map, or the stored
        events are not those that `listi.deform` finds.
    DataError
        If the file is damaged.

    Examples
    --------
    >>> import listi
    >>> page = listi.explore(listi.open_sample(5))
    >>> file = page.save("sample_5.html")

    A glass of your own, probed:

    >>> glass = listi.generate(nx=10, ny=12)
    >>> page = listi.explore(glass, map=listi.probe(glass, grid=(8, 8)))
    """
    sample = _with_results(_read(sample), map, events)
    _check(sample, full)
    if full:
        sample = _with_states(sample)
    maps = _maps(sample)
    data = _data(sample, maps)
    if full:
        grid, r_free = tuple(data["grid"]), data["r_free"]
        data["live"] = [_pack(live * STRESS_SCALE) for live in live_maps(sample.network, sample.shear, grid, r_free)]
        disc_curves = curves(sample.network, sample.probing)
        data["curves"] = {"parts": disc_curves.sizes["part"], "stress": _pack(disc_curves.stress * STRESS_SCALE)}
        data["motion"] = _motion_data(sample.network, sample.probing)
    picture = _png(static(sample.network, sample.shear, maps[0][2] / STRESS_SCALE))
    return Explorer(_page(data, picture), picture)


def _read(sample: Sample | Network | MappedImage | xr.DataTree | str | Path) -> Sample:
    if isinstance(sample, MappedImage):
        return Sample(sample.patch, predictions=xr.Dataset(sample.maps), attrs={"name": "patch of an image"})
    if isinstance(sample, str | Path):
        return load_sample(sample)
    if not isinstance(sample, xr.DataTree):
        return sample_of(sample)
    if "network" not in sample:
        raise ValueError(f"sample: has no group network, only {', '.join(sample.children) or 'none'}")
    groups = {name: group.to_dataset() for name, group in sample.children.items()}
    results = (groups.get(name) for name in ("shear", "probing", "predictions"))
    return Sample(Network.from_xarray(groups["network"]), *results, attrs=dict(groups["network"].attrs))


def _with_results(sample: Sample, map: xr.Dataset | xr.DataArray | None, events: xr.Dataset | None) -> Sample:
    """Return the sample with further results, and with a predicted map if it has none."""
    if events is not None:
        if not isinstance(events, xr.Dataset) or "event_position" not in events:
            raise ValueError(f"events: {type(events).__name__} is not a Dataset of listi.deform")
        sample = replace(sample, shear=events)
    cell, probing = sample.network.cell, sample.probing
    predictions = {} if sample.predictions is None else dict(sample.predictions.data_vars)
    if map is not None:
        values, probing, predictions = map_of(map), None, {}
        if isinstance(map, xr.Dataset) and "critical_strain" in map:
            probing = map
        else:
            predictions = {map.attrs.get("model") or "map": values}
    if probing is not None and not covers(map_of(probing), cell):  # points, or a part of the cell
        probing, predictions = None, {"probed": map_of(probing), **predictions}
    predictions = {
        name: over_cell(v, cell) for name, v in predictions.items() if set(v.dims) in ({"x", "y"}, {"point"})
    }
    if probing is None and not predictions and len(sample.network.bonds):
        from ..learning.predict import predict  # imports TensorFlow

        predictions = {"listi": predict(sample.network).threshold}
    return replace(sample, probing=probing, predictions=predictions)


def over_cell(values: xr.DataArray, cell: np.ndarray) -> xr.DataArray:
    """Return a map of a part of the cell, or of points, on a grid over the cell: values of near points, or NaN."""
    if covers(values, cell):
        return values
    is_grid = set(values.dims) == {"x", "y"}
    points = grid_product(values.x.values, values.y.values) if is_grid else np.column_stack([values.x, values.y])
    known = (values.transpose("x", "y") if is_grid else values).values.ravel()
    tree = cKDTree(wrap(points, cell), boxsize=cell)
    spacing = float(np.median(tree.query(tree.data, k=2)[0][:, 1])) if len(points) > 1 else float(cell.max())
    grid = tuple(np.maximum(1, np.round(cell / spacing)).astype(int).tolist())
    distance, nearest = tree.query(grid_points(cell, grid))
    near = np.where(distance < 0.75 * spacing, known[nearest], np.nan).reshape(grid)
    x, y = grid_lines(cell, grid)
    return xr.DataArray(near, {"x": x, "y": y}, ("x", "y"), attrs=values.attrs)


def _check(sample: Sample, full: bool) -> None:
    if len(sample.network.bonds) == 0:
        raise ValueError("sample: its network has no bonds to draw")
    has_events = sample.shear is not None and sample.shear.sizes.get("event", 0) > 0
    if full and not has_events:
        raise ValueError("sample: has no events to step through; listi.deform makes them")
    if full and sample.probing is None:
        raise ValueError("sample: has no map of probed thresholds over (x, y); listi.probe makes it")


def _with_states(sample: Sample) -> Sample:
    """Return the sample with its states after events; if they are not stored, it is sheared again."""
    shear = sample.shear
    if "configuration" in shear:
        return sample
    last, step = float(shear.strain[-1]), shear.attrs["strain_step"]
    for fall in FALLS:  # files do not say which was taken
        again = deform(sample.network, step, last, shear.sizes["event"], fall=fall, min_strain=last, **load_of(shear))
        if np.array_equal(again.event_atom, shear.event_atom):
            return replace(sample, shear=again)
    raise ValueError("sample: its events are not those that listi.deform finds; deform it again")


def _maps(sample: Sample) -> list[tuple[str, str, xr.DataArray]]:
    """Kind, name and values of all maps of the undeformed sample, on the same grid; thresholds in 1e-3."""
    maps = []
    if sample.probing is not None:
        maps.append(("probed", "mechanical probing", sample.probing.threshold * STRESS_SCALE))
    for name in sorted(sample.predictions, key=lambda name: name != "listi"):  # the default network first
        maps.append((OTHER_KINDS.get(name, "predicted"), look(name)["label"], sample.predictions[name] * STRESS_SCALE))
    maps = [(*about, field.transpose("x", "y")) for *about, field in maps if field.sizes == maps[0][2].sizes]
    if sample.probing is not None:
        threshold = sample.probing.threshold.transpose("x", "y")
        how = float(sample.probing.attrs["r_free"]), *load_of(sample.probing).values()
        rate = stress_rate(sample.network, threshold.shape, *how)
        maps.append(("strain", "strain to failure", strain_to_failure(threshold, rate)))
    return maps


def _data(sample: Sample, maps: list[tuple[str, str, xr.DataArray]]) -> dict:
    """All that the page shows, ready for JSON; stresses in 1e-3 reduced energy/Å², lengths in Å."""
    network = sample.network
    silicon, oxygen = network.silicon, np.flatnonzero(network.species != 0)
    loaded = next((result for result in (sample.shear, sample.probing) if result is not None), xr.Dataset())
    number = np.cumsum(network.species == 0) - 1
    return {
        "name": str(sample.attrs.get("name", "a glass")),
        "cell": network.cell.tolist(),
        "grid": list(maps[0][2].shape),
        "load": make_load(**load_of(loaded)).velocity.tolist(),
        "broken": panels.BROKEN,
        "colours": _colours(THRESHOLD_MAP),
        "difference_colours": _colours(matplotlib.colormaps["RdBu"]),
        "percentiles": panels.PERCENTILES,
        "oxygen": _fractions(network.positions[oxygen], network.cell),
        "bonds": _pack(number[network.bonds], "<u2" if len(silicon) < FRACTION else "<u4"),
        "maps": [{"kind": kind, "name": name, "values": _pack(field)} for kind, name, field in maps],
        **_shear_data(sample, silicon),
        **_probe_data(sample.probing),
    }


def _shear_data(sample: Sample, silicon: np.ndarray) -> dict:
    """States of the Si, the stress-strain curve and the events."""
    network, shear = sample.network, sample.shear
    states = [_fractions(network.positions[silicon], network.cell)]
    if shear is None:
        return {"states": states, "strain": [0.0], "stress": [0.0], "events": []}
    if "configuration" in shear and "event_tilt" not in shear:
        after_events = zip(shear.configuration.values, shear.event_cell.values, strict=True)
        states += [_fractions(positions[silicon], cell) for positions, cell in after_events]
    return {
        "states": states,
        "strain": shear.strain.values.round(6).tolist(),
        "stress": (shear.stress.values * STRESS_SCALE).round(5).tolist(),
        "events": [_event(shear.isel(event=i), network) for i in range(shear.sizes["event"])],
    }


def _probe_data(probing: xr.Dataset | None) -> dict:
    """Radius of the discs and, where they were probed, their stresses and strains."""
    if probing is None:
        return {"r_free": R_FREE, "probe_step": None, "probes": {}}
    probing = probing.transpose("x", "y", ...)
    stresses = ("initial_stress", "critical_stress", "peak_stress")
    return {
        "r_free": float(probing.attrs["r_free"]),
        "probe_step": float(probing.attrs["strain_step"]),
        "probes": {
            **{name: _pack(probing[name] * STRESS_SCALE) for name in stresses if name in probing},
            "critical_strain": _pack(probing.critical_strain),
        },
    }


def _motion_data(network: Network, probing: xr.Dataset) -> dict:
    """Non-affine displacements of the atoms in every disc at its first instability, and how they begin.

    Per disc: ``values``, the displacements of all atoms within it by the positions that the page has, Si first, in
    1/127 of ``largest`` [Å]; and ``begin``, their first rate over the mean rate.
    """
    moved = motion(network, probing).transpose("x", "y", "row", "xy")
    numbers = moved.atom.values.reshape(-1, moved.sizes["row"])
    response, displacement = (moved[name].values.reshape(*numbers.shape, 2) for name in ("response", "displacement"))
    response = response * probing.critical_strain.transpose("x", "y").values.reshape(-1, 1, 1)
    squared = np.nansum(displacement**2, axis=(1, 2))
    begin = np.nansum(response * displacement, axis=(1, 2)) / np.maximum(squared, TINY)
    drawn = np.concatenate([network.silicon, np.flatnonzero(network.species != 0)])
    at = np.floor(wrap(network.positions[drawn], network.cell) / network.cell * FRACTION) / FRACTION
    field, displacements = np.zeros((network.n_atoms, 2)), []
    nx, ny = probing.sizes["x"], probing.sizes["y"]
    for disc, own in enumerate(numbers):
        away = at - [disc // ny / nx, disc % ny / ny]
        x, y = ((away - np.round(away)) * network.cell).T
        field[own[own >= 0]] = np.nan_to_num(displacement[disc, own >= 0])
        displacements.append(field[drawn[x * x + y * y < probing.attrs["r_free"] ** 2]])
        field[own[own >= 0]] = 0.0
    rows = max(len(disc) for disc in displacements)
    padded = np.array([np.pad(disc, ((0, rows - len(disc)), (0, 0))) for disc in displacements])
    largest = np.abs(padded).max(axis=(1, 2), keepdims=True)
    values = _pack(np.rint(127 * padded / np.maximum(largest, TINY)), "i1")
    return {"rows": rows, "values": values, "largest": _pack(largest), "begin": _pack(begin)}


def _event(event: xr.Dataset, network: Network) -> dict:
    """Strain and position of one event, and the displacements of the atoms that moved most, where they are stored."""
    values = {
        "strain": round(float(event.event_strain), 6),
        "position": wrap(event.event_position.values, network.cell).round(3).tolist(),
    }
    if "non_affine" in event and "configuration" in event and "event_tilt" not in event:
        size = np.linalg.norm(event.non_affine.values, axis=1)
        far = size > MOVED * size.max()
        end = np.mod(event.configuration.values[far] / event.event_cell.values, 1.0)
        moved = np.hstack([end, event.non_affine.values[far] / event.event_cell.values])
        values["moved"] = _pack(moved)  # where atoms ended, by how much they moved: fractions of the cell
    return values


def _colours(colour_map: matplotlib.colors.Colormap) -> list[str]:
    return [matplotlib.colors.to_hex(colour) for colour in colour_map(np.linspace(0, 1, 64))]


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
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110, metadata={"Software": None})
    picture = Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


@styled
def static(network: Network, shear: xr.Dataset | None, threshold: xr.DataArray) -> Figure:
    """The first view of the explorer and the stress-strain curve, as a picture."""
    figure = Figure(figsize=(7.4 if shear is not None else 4.2, 3.6), layout="constrained")
    ratios = [1.25, 1] if shear is not None else [1]
    grid = figure.add_gridspec(1, len(ratios), width_ratios=ratios)
    mapped = figure.add_subplot(grid[0])
    mesh = panels.draw_map(mapped, threshold, network.cell)
    panels.draw_bonds(mapped, network.positions, network.bonds, network.cell, linewidths=0.2, colors="0.25")
    panels.colour_bar(mesh, [mapped], THRESHOLD_LABEL)
    if shear is None:
        mapped.set_title("network over its threshold map")
        return figure
    panels.mark_events(mapped, shear.event_position.values, shear.event.values, network.cell)
    curve = figure.add_subplot(grid[1])
    panels.draw_curve(curve, shear)
    curve.set(xlabel="Strain $\\gamma$", ylabel=STRESS_LABEL)
    curve.legend()
    panels.letter(mapped, "a", "network over its threshold map, events")
    panels.letter(curve, "b", "the sample under shear")
    return figure
