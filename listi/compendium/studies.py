"""Studies beyond the paper, over a folder of samples; notebooks 11, 13 to 15, 18 and 20 to 24 show them.

`update("data/paper")` does them all and keeps the results in the folder's `studies.json`, beside those that are there.
Every study is a function of one sample that returns its rows; a row is a mapping of plain values. Rows are kept as they
come, so that a study that was stopped goes on.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from .. import files, parallel
from ..analysis import glasses, load, rules, sensitivity
from ..analysis.ensemble import distance_to_earlier
from ..analysis.follow import MOVED, FreshMap, follow, until_fractured
from ..analysis.prediction_goodness import first_events, goodness
from ..analysis.sample import Sample
from ..generation.generate import generate
from ..imaging import statistics
from ..imaging.accuracy import against_noise
from ..imaging.circle import relaxed_freely
from ..imaging.experimental import imaged_patch
from ..imaging.study import cut_patch, study
from ..mechanics.shear import deform
from ..network.network import Network
from ..probing.probe import probe, there_and_back
from ..probing.protocol import require_protocol
from . import bench, data_set, sample_files
from .provenance import code_version

FILE = "studies.json"
STUDIES = (
    *("load", "fresh_maps", "rules", "angles", "late", "glasses"),
    *("radius", "boundary", "probes", "moved", "events", "imaged", "noise", "scaling", "bench"),
)
N_SOME, N_PROBES = 20, 500  # samples probed in other ways, and random probes in each in other directions
N_TIMED = 200  # probes timed in each copy of a glass
N_LAMMPS = 100  # of these probes, and of the steps of a deformation, how many LAMMPS does too
N_RANKED = 100  # random probes that the first event is ranked among, for radius and boundary
N_WALKED, N_EVENTS = 200, 3  # probes of each sample walked step by step; samples sheared so
DISTANCES, AROUND = (0.1, 0.2, 0.4, 0.8), 0.4  # by how much probes are moved [Å]; where four are, all around
APART, FINE_STEP = 0.005, 2e-5  # relative difference of thresholds that are walked again, in steps of this strain
RADII = (5.0, 8.0, 11.0, 14.0, 17.0, 20.0)  # of the disc [Å]
BOUNDARIES = {"frozen": {}, "tether 10": {"tether": 10.0}, "tether 1": {"tether": 1.0}}
NAME = "both lattices"  # of the glass that `listi.generate` makes
IMAGED = {"Huang et al.": "cornell_A", "Lichtenstein et al.": "heyde"}
NETWORKS = ("listi", "listi_si", "gcn")  # whose maps are judged in patches, too
N_PATCHES, PATCH_SIZE = 10, 106.0  # cut from unseen samples to stand beside imaged ones; their edge [Å]
CIRCLES = (None, 19.0)  # radii of circles in patches [Å]: one as large as fits, and as many as fit
DOSES = (2000.0, 1000.0, 500.0, 200.0, 100.0, 50.0, 30.0)  # of images of imaged patches [counts/Å²]
LATE_SEEDS = tuple(range(3000, 3010))  # of the small glasses that are sheared far


def grid_of(sample: Sample) -> tuple[int, int]:
    """Grid on which a sample was probed."""
    return sample.probing.sizes["x"], sample.probing.sizes["y"]


def radius_of(sample: Sample) -> float:
    """Radius of the discs of a sample's map [Å], which must be of pure shear along x in a frozen surrounding."""
    return require_protocol(sample.probing, mode="pure shear", angle=0.0, tether=0.0)["r_free"]


def number_of(sample: Sample) -> int:
    """Number of a sample by its file's name."""
    return int(Path(sample.attrs["name"]).stem.split("_")[-1])


def load_rows(sample: Sample) -> list[dict]:
    """Return threshold against strain to failure, one row per event."""
    threshold, shear, cell = sample.probing.threshold, sample.shear, sample.network.cell
    rate = load.stress_rate(sample.network, grid_of(sample), radius_of(sample))
    strain = load.strain_to_failure(threshold, rate)
    told = load.strains_of_events(strain, shear, cell)
    told["goodness_threshold"] = goodness(threshold, shear.event_position, cell)
    told["goodness_strain"] = goodness(strain, shear.event_position, cell)
    told["distance"] = distance_to_earlier(shear, cell)
    told["spread"] = float(rate.std() / rate.mean())
    return _rows(told, sample)


def fresh_rows(sample: Sample, model: str | None = None) -> list[dict]:
    """Goodness of the next event by the stale map and by fresh ones, one row per event.

    `stale` is the undeformed sample's map; `carried` has its critical stresses less the stress of now, nothing probed;
    `fresh` is probed again where atoms strayed; `network` predicted, and `network_stale` for the undeformed sample, if
    a model is given. `whole` is probed everywhere, and `correlation` that of its map with the fresh one: where the
    states are kept. Other samples are sheared again; `same_events` says whether their events are those that are kept.
    """
    grid, has_states = grid_of(sample), "configuration" in sample.shear
    shear = sample.shear if has_states else _sheared_again(sample)
    ways = {"carried": np.inf, "fresh": MOVED} | ({"whole": 0.0} if has_states else {})
    found = {
        name: follow(sample.network, shear, FreshMap(grid, radius_of(sample), moved, sample.probing))
        for name, moved in ways.items()
    }
    told = found["fresh"][["stale", "strain", "probed"]]
    told.probed[0] = 1.0  # for the map that is kept
    told["same_events"] = bool(np.array_equal(shear.event_atom, sample.shear.event_atom))
    told = told.assign(whole=np.nan, correlation=np.nan).assign({name: one.fresh for name, one in found.items()})
    if has_states:
        told["correlation"] = xr.corr(found["fresh"].maps, found["whole"].maps, ["x", "y"])
    if model is not None:
        from ..learning.predict import predict  # TensorFlow takes seconds to import

        by_network = follow(sample.network, shear, lambda state: predict(state, model, grid).threshold)
        told = told.assign(network=by_network.fresh, network_stale=by_network.stale)
    return _rows(told, sample)


def _sheared_again(sample: Sample) -> xr.Dataset:
    """Return the events of a sample with its states, which are not kept.

    On another kind of processor rounding differs, and a fall may end in another minimum: from there on, other events.
    """
    how = {"strain_step": sample.shear.strain_step, "max_strain": sample.shear.attrs["parameters"]["max_strain"]}
    return deform(sample.network, n_events=sample.shear.sizes["event"], **how)


def rules_rows(sample: Sample) -> list[dict]:
    """Goodness of every event by either rule, one row per event, with how far the rules differ in this sample.

    For each network whose predictions the sample holds: their correlation with the thresholds by either rule.
    """
    maps, shear = rules.thresholds(sample.probing), sample.shear
    names = dict(zip(("irreversible", "drop"), rules.RULES, strict=True))
    told = xr.Dataset(
        {key: goodness(maps.sel(rule=rule), shear.event_position, sample.network.cell) for key, rule in names.items()}
    )
    told = told.assign(rules.difference(sample.probing))
    for name, predicted in ({} if sample.predictions is None else sample.predictions).items():
        told = told.assign(
            {f"{name}_{key}": xr.corr(maps.sel(rule=rule, drop=True), predicted) for key, rule in names.items()}
        )
    return _rows(told, sample)


def angle_rows(sample: Sample, n_probes: int = N_PROBES) -> list[dict]:
    """Goodness by the threshold along the shear and by the weakest direction, one row per event."""
    position = sample.shear.event_position.transpose("event", "xy").values
    told = rules.over_angles(sample.network, position, n_probes, number_of(sample), grid_of(sample), workers=1)
    return _rows(told, sample)


def first_event_rows(sample: Sample, variants: Mapping[str, Mapping]) -> list[dict]:
    """Goodness of the first event by probes of several kinds, see `sensitivity.first_event_goodness`."""
    found = sensitivity.first_event_goodness([sample], variants, N_RANKED, grid=grid_of(sample), workers=1)
    return [{label: float(found.sel(variant=label)[0]) for label in variants}]


def radius_rows(sample: Sample) -> list[dict]:
    """Goodness of the first event by discs of several radii."""
    return first_event_rows(sample, {f"{r:g}": {"r_free": r} for r in RADII})


def boundary_rows(sample: Sample) -> list[dict]:
    """Goodness of the first event by discs in frozen and in softer surroundings."""
    return first_event_rows(sample, BOUNDARIES)


def probe_rows(sample: Sample, n_probes: int = N_WALKED) -> list[dict]:
    """Random probes as `listi.probe` finds them against the same walked step by step, in one row.

    `differ` of them have thresholds more than `APART` apart. These are walked again in finer steps: in `wrong` it is
    `listi.probe`, in `wrong_walked` the walk that gives another critical strain. `largest` is the largest relative
    difference of the others. `loops` tells of those of them that end in a step that can be undone as a whole: `x`,
    `y`, `strain`, and `open`, the share of the step in which stress forth and back differ.
    """
    points = sensitivity.random_points(sample.network, n_probes, number_of(sample))

    def walked(where: np.ndarray, **how) -> xr.Dataset:
        return probe(sample.network, points=where, every_step=True, workers=1, **how)

    found, plain = probe(sample.network, points=points, workers=1), walked(points)
    relative = np.abs(found.threshold.values / plain.threshold.values - 1.0)
    apart = relative > APART
    wrong = {"wrong": 0, "wrong_walked": 0}
    if apart.any():
        fine = walked(points[apart], strain_step=FINE_STEP).critical_strain.values
        for name, one in zip(wrong, (found, plain), strict=True):
            off = np.abs(one.critical_strain.values[apart] - fine)
            wrong[name] = int(np.count_nonzero(off > 2 * one.attrs["strain_step"]))
    largest = _short(relative[~apart].max(initial=0.0))
    ends = zip(points[~apart], plain.critical_strain.values[~apart], strict=True)
    loops = [_loop(sample.network, *end) for end in ends]
    row = {"sample": number_of(sample), "probes": n_probes, "differ": int(apart.sum()), **wrong, "largest": largest}
    return [row | {"loops": [loop for loop in loops if loop]}]


def _loop(network: Network, point: np.ndarray, strain: float) -> dict[str, float] | None:
    """Where and when the last step of a probe can be undone, and which share of it is open; None if it cannot."""
    if not there_and_back(network, point, strain, parts=1).returned:
        return None
    forth, back = there_and_back(network, point, strain).stress.values
    share = float(np.mean(np.abs(forth - back) > 1e-3 * np.abs(forth)))
    return {"x": float(point[0]), "y": float(point[1]), "strain": strain, "open": share}


def moved_rows(sample: Sample) -> list[dict]:
    """How well a map agrees with maps of moved points, and what is gained by the mean of five; one row.

    `correlation` of the map with those of moved points, by distance; `goodness` of every event by the map, and by the
    `mean` of five. For each network whose predictions the sample holds: their correlation with the map and with the
    mean.
    """
    threshold, cell = sample.probing.threshold, sample.network.cell
    r_free = radius_of(sample)
    told = sensitivity.moved_probes(sample.network, threshold, DISTANCES, AROUND, r_free=r_free, workers=1)
    r = xr.corr(told.moved, threshold, ["x", "y"])
    row = {"sample": number_of(sample), "correlation": {f"{d:g}": _short(float(r.sel(distance=d))) for d in DISTANCES}}
    for name, values in {"goodness": threshold, "mean": told["mean"]}.items():
        row[name] = [_short(one) for one in goodness(values, sample.shear.event_position, cell).values]
    for name, predicted in ({} if sample.predictions is None else sample.predictions).items():
        row[name] = [_short(float(xr.corr(predicted, one))) for one in (threshold, told["mean"])]
    return [row]


def event_rows(sample: Sample, n_events: int = 6) -> list[dict]:
    """Events as `listi.deform` finds them, and walked step by step, one row per event."""
    found = {
        end: deform(sample.network, n_events=n_events, every_step=walked)
        for end, walked in (("", False), ("_walked", True))
    }
    names = {"strain": "event_strain", "atom": "event_atom", "drop": "event_stress_drop"}
    rows = {f"{key}{end}": one[name].values.tolist() for end, one in found.items() for key, name in names.items()}
    rows |= {"sample": [number_of(sample)] * n_events, "event": list(range(1, n_events + 1))}
    return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]


def late_rows(
    seed: int, nx: int = 16, ny: int = 20, grid: tuple[int, int] = (20, 20), max_strain: float = 0.3
) -> list[dict]:
    """Return rows of every event of a small glass sheared until it is torn, or to `max_strain`."""
    network = generate(nx, ny, seed=seed)
    shear = until_fractured(deform(network, n_events=1000, max_strain=max_strain))
    return rows_far(network, shear, grid, seed)


def rows_far(network: Network, shear: xr.Dataset, grid: tuple[int, int], number: int) -> list[dict]:
    """Return goodness of every event of a long deformation by the stale and the fresh map, with the stress after it."""
    told = follow(network, shear, FreshMap(grid))[["stale", "fresh", "strain", "probed"]]
    told["stress"] = ("event", np.interp(shear.event_strain, shear.strain, shear.stress))
    told["peak"] = float(shear.stress.max())
    return [{"sample": number, **row} for row in _plain(told)]


def patch_rows(named: tuple[str, Network]) -> list[dict]:
    """First events of circles in a patch, and the goodness of maps probed and predicted, one row per event."""
    name, patch = named
    maps = {network: partial(_predicted, network) for network in NETWORKS}
    rows = []
    for radius in CIRCLES:
        found = study({name: patch}, radius, maps=maps)
        rows += [{**row, "largest": radius is None} for row in _plain(found.drop_vars("centre"))]
    return rows


def _predicted(network: str, patch: Network, points: np.ndarray) -> xr.DataArray:
    from ..learning.predict import predict  # TensorFlow takes seconds to import

    with warnings.catch_warnings(action="ignore"):  # that a patch is unlike the samples is no news
        return predict(patch, network, points=points).threshold


def imaged_study(folder: Path, run: Callable) -> dict:
    """Imaged patches beside patches cut from unseen samples, and beside all samples: first events, structure.

    Returns
    -------
    dict
        ``cases``: columns of `patch_rows`; ``structure``: `imaging.statistics.compare` as a plain dictionary, of
        patches as imaged and relaxed with free edges.
    """
    samples, unseen = (data_set.of_roles(folder, *roles) for roles in (data_set.ROLES, data_set.UNSEEN))
    cut = {f"sample {number_of(one)}": cut_patch(one.network, PATCH_SIZE) for one in unseen[:N_PATCHES]}
    imaged = {name: imaged_patch(name) for name in IMAGED.values()}
    glasses = {told: [imaged[name]] for told, name in IMAGED.items()} | {"samples": [one.network for one in samples]}
    relaxed = {**{told: [imaged[name]] for told, name in IMAGED.items()}, "patches of samples": list(cut.values())}
    for told, patches in relaxed.items():
        glasses[f"{told}, relaxed"] = [relaxed_freely(patch).patch for patch in patches]
    return {
        "cases": _joined(run(patch_rows, [*imaged.items(), *cut.items()])),
        "structure": statistics.compare(glasses).to_dict(),
    }


def _rows(told: xr.Dataset, sample: Sample) -> list[dict]:
    return [{"sample": number_of(sample), **row} for row in _plain(told)]


def _plain(told: xr.Dataset) -> list[dict]:
    """One mapping per event, of rounded plain numbers."""
    table = told.reset_coords(drop=True).to_dataframe().reset_index(drop="case" in told.dims)
    return [
        {name: value if isinstance(value, (bool, int, str)) else _short(value) for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _short(value: float) -> float | None:
    """Six digits are enough for any figure; None where there is no number."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def begin(file: Path, names: Sequence[str], allowed: Sequence[str]) -> dict:
    """Return what a file keeps of studies done before, or nothing.

    Raises
    ------
    ValueError
        If one of the names is not allowed.
    """
    unknown = set(names) - set(allowed)
    if unknown:
        raise ValueError(f"names: {unknown.pop()!r} is not one of {', '.join(allowed)}")
    return files.read_json(file) if file.is_file() else {}


def update(
    folder: str | Path,
    names: Sequence[str] = STUDIES,
    workers: int | None = None,
    model: str | None = None,
    work: str | Path | None = None,
) -> None:
    """Do studies over all samples of a folder and keep what they find in its `studies.json`.

    Parameters
    ----------
    folder : path
        Of data, such as "data/paper".
    names : sequence of str
        Which of load, fresh_maps, rules (samples with
        `peak_stress`), angles (the first twenty), late (ten small glasses, made here), glasses (beside the
        imaged patches and the glasses that are compared already), radius and boundary (the first twenty),
        probes (walked step by step), moved (probes, a little), events (the first three), imaged (patches,
        beside ten cut from samples), noise (of images of them), scaling (times against the number of atoms, of
        glasses made here), bench (`listi bench`, with LAMMPS).
    workers : int, optional
        Local processes; all cores by default.
    model : str, optional
        Network that fresh maps are predicted with too.
    work : path, optional
        Where the rows of single samples are kept until a study is done; results/studies below the repository by
        default.

    Raises
    ------
    ValueError
        If there is no such study.
    """
    from .chain import RESULTS

    folder, work = Path(folder), Path(work) if work else files.repository() / RESULTS / "studies"
    kept = begin(folder / FILE, names, STUDIES)
    sets = data_set.read_split(folder)
    paths = [path for role in sets.values() for path in role if path.is_file()]
    for name in names:
        run = partial(parallel.run, workers=workers, processes=workers != 1, label=name)
        if name == "late":
            kept[name] = _joined(run(partial(_once, late_rows, work / name, None), LATE_SEEDS))
        elif name == "glasses":
            kept[name] = compare_glasses(folder, kept.get(name, {}))
        elif name == "imaged":
            kept[name] = imaged_study(folder, run)
        elif name == "noise":
            kept[name] = {patch: against_noise(imaged_patch(patch), DOSES).to_dict() for patch in IMAGED.values()}
        elif name == "bench":
            kept[name] = bench.run((), N_TIMED, N_LAMMPS, N_LAMMPS, work / name / "bench.json")
        elif name == "scaling":
            kept[name] = {}
            for rings in bench.RINGS:
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                    row = pool.submit(bench.measure_growth, rings).result()
                kept[name][str(row["atoms"])] = row
                files.write_json(folder / FILE, kept)
        else:
            one = partial(fresh_rows, model=model) if name == "fresh_maps" else _ROWS[name]
            chosen = paths[: _OF_SOME.get(name, len(paths))]
            kept[name] = _joined(run(partial(_once, partial(_of_file, one), work / name, model), chosen))
        files.write_json(folder / FILE, kept)
        shutil.rmtree(work / name, ignore_errors=True)
    if (folder / files.SUMS).is_file():
        files.write_checksums(folder)


_ROWS = {
    "load": load_rows,
    "fresh_maps": fresh_rows,
    "rules": rules_rows,
    "angles": angle_rows,
    "radius": radius_rows,
    "boundary": boundary_rows,
    "probes": probe_rows,
    "moved": moved_rows,
    "events": event_rows,
}
_OF_SOME = {"angles": N_SOME, "radius": N_SOME, "boundary": N_SOME, "events": N_EVENTS}


def compare_glasses(folder: Path, kept: Mapping) -> dict:
    """Compare the samples of a folder, in both boxes, with the imaged patches and with glasses compared earlier.

    Parameters
    ----------
    folder : Path
        Of data.
    kept : mapping
        What an earlier call returned, or nothing: rows of other glasses in it stay.

    Returns
    -------
    dict
        ``mechanics`` and ``structure``: Datasets over glass, as plain dictionaries, from `analysis.glasses.compare` and
        `imaging.statistics.compare`; whatever else was kept.
    """
    made = {NAME: data_set.of_roles(folder, *data_set.ROLES)}
    if (folder / "zero_pressure").is_dir():
        made[f"{NAME}, zero pressure"] = data_set.of_roles(folder / "zero_pressure", "train")
    networks = {name: [sample.network for sample in samples] for name, samples in made.items()}
    imaged = {name: [imaged_patch(patch)] for name, patch in IMAGED.items()}
    found = {"mechanics": glasses.compare(made), "structure": statistics.compare(networks | imaged)}
    return dict(kept) | {name: _with_others(one, kept.get(name)) for name, one in found.items()}


def _with_others(found: xr.Dataset, kept: Mapping | None) -> dict:
    """Add rows of other glasses, and return plain values."""
    if kept is not None:
        before = xr.Dataset.from_dict(kept)
        others = [name for name in before.glass.values if name not in found.glass.values]
        found = xr.concat([found, before.sel(glass=others)], "glass", data_vars="all", join="outer")
    return json.loads(json.dumps(found.to_dict(), default=float))


def _of_file(function: Callable[[Sample], object], path: Path) -> object:
    sample = sample_files.load_sample(path)
    return function(replace(sample, shear=first_events(sample.shear)))


def _once(function: Callable[[object], list[dict]], work: Path, model: str | None, item: Path | int) -> list[dict]:
    """Return the rows of a file or seed, from `work` if they were made from the same by this code and model."""
    content = files.sha256(item) if isinstance(item, Path) else str(item)
    file, made_from = work / f"{Path(str(item)).stem}.json", {**code_version(), "of": content, "model": model}
    if file.is_file() and (there := files.read_json(file))["made_from"] == made_from:
        return there["rows"]
    rows = function(item)
    files.write_json(file, {"made_from": made_from, "rows": rows})
    return rows


def _joined(parts: Sequence[Sequence[dict]]) -> dict[str, list]:
    """All rows as one list per column, which takes a third of the room."""
    rows = [row for part in parts for row in part]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
