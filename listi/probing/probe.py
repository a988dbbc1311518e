"""Local probing: strain a disc cut from the sample until its first instability; map the stress it took.

The disc of radius ``r_free`` is relaxed inside a frozen ring as wide as the cutoff that follows the affine
deformation (Patinet, Vandembroucq, Falk, Phys. Rev. Lett. 117, 045501 (2016)). Strain grows in steps of
``strain_step``; the critical state is the last step at which the minimum that began as the undeformed disc still
exists. `listi.probing.branch` follows it and says how an instability is distinguished from noise.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from .. import parallel
from ..mechanics.disc import apply_affine, descend
from ..mechanics.forms import SILICA
from ..mechanics.load import Load
from ..mechanics.potential import Potential
from ..mechanics.system import system_of
from ..mechanics.tolerances import REVERSIBILITY_TOLERANCE, TOLERANCE
from ..network.geometry import as_array, grid_lines, grid_points, wrap
from ..network.network import Network, check_network
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from .branch import EMPTY, INSTABILITY, TOO_STRONG, UNCONVERGED, WALKED
from .cutout import Atoms, Settings, stress_within
from .many import ProbeResults, empty_results, follow_one, probe_many
from .plain_step import LONGEST_MOVE, NEWTON_STEPS, PARTS
from .protocol import check_protocol, protocol_attrs, variable

BLOCK = 50  # probes in one task
STATUS = ("instability", "instability_by_plain_walk", "no_free_atom", "no_instability", "not_converged")


def probe(
    network: Network,
    grid: tuple[int, int] = (50, 50),
    points: np.ndarray | None = None,
    *,
    r_free: float = 11.0,
    mode: str = "pure shear",
    angle: float = 0.0,
    strain_step: float = 1e-4,
    max_strain: float = 1.0,
    tether: float | None = None,
    every_step: bool = False,
    tolerance: float = TOLERANCE,
    scheduler: str | None = None,
    workers: int | None = None,
    potential: Potential = SILICA,
    held: np.ndarray | None = None,
) -> xr.Dataset:
    """Map of the local stress threshold.

    Parameters
    ----------
    network : Network
        A sample at its energy minimum.
    grid : (int, int)
        Number of probes along x and y, at i L / n; the paper's is 50 x 50.
    points : ndarray, shape (n, 2), optional
        Probe here [Å] instead of on a grid.
    r_free : float
        Radius of the disc that is relaxed [Å]; the paper's is 11.
    mode : str
        "pure shear" (x grows by 1 + d per step, y shrinks by it), "simple shear" or "uniaxial tension" (y fixed).
        Strain is the elongation, in simple shear the shear angle; stress is (sigma_xx - sigma_yy)/2, sigma_xy or
        sigma_xx in the frame of the load.
    angle : float
        Direction of the load against x, anticlockwise [degrees].
    strain_step : float
        Resolution of the critical state in strain; smooth parts of the path are followed in longer increments.
    max_strain : float
        Strain by which an instability must have come.
    tether : float, optional
        Soft matrix: the atoms around the disc are not frozen to the affine deformation but tethered to it by springs
        of this stiffness [energy/Å²], with constant forces that balance the undeformed state.
    every_step : bool
        Take every step by the plain protocol, to the minimum downhill, until a step that cannot be undone, instead
        of longer increments: slow, for checks.
    tolerance : float
        Largest force component at a minimum [the potential's force_scale; energy/Å in silica].
    scheduler, workers
        See `listi.parallel.run`; the result does not depend on them.
    held : ndarray of bool, shape (n_atoms,), optional
        Atoms that are fixed from outside, such as those at the edges of a patch under tension: the forces on them
        need not vanish. A disc that would relax one of them is not probed.
    potential : Potential
        Of the pairs, with which the sample was relaxed.

    Returns
    -------
    xarray.Dataset
        Over (x, y) or (point,): ``initial_stress``, ``critical_stress`` (at the last step before the first
        instability), their difference ``threshold``, ``critical_strain``, and ``peak_stress`` (at the first maximum,
        reversible or not: the first stress drop, read literally). The stress is that of the load: for pure shear
        (sigma_xx - sigma_yy)/2 in the rotated frame, from the virial of the free atoms (pairs with a frozen atom count
        half) over pi r_free². ``initial_tensor`` and ``critical_tensor`` hold all its components (xx, xy, yy) in the
        cell's frame. ``status`` says how each probe ended, a number in `STATUS`: a probe that cannot be followed is
        repeated by the plain protocol. NaN where no atom is free (outside a patch with free edges) or one is held, and,
        with one warning that counts them, where no instability came up to `max_strain` or the forces did not vanish.

    Raises
    ------
    ValueError
        If a parameter makes no sense or the sample is not at a minimum.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> probed = listi.probe(glass, grid=(4, 4))
    >>> float(probed.threshold.min().round(5)), probed.threshold.units
    (0.00168, 'reduced energy/angstrom^2')

    A picture with x to the right:

    >>> picture = probed.threshold.plot(x="x")
    """
    check_network(network)
    protocol: dict[str, Any] = {"mode": mode, "angle": angle, "strain_step": strain_step, "r_free": r_free}
    protocol |= {"max_strain": max_strain, "tether": tether, "tolerance": tolerance}
    load, settings = check_protocol(network.cell, potential, **protocol)
    centres = _centres(network, grid, points)
    if held is not None and (np.asarray(held).dtype != bool or np.shape(held) != (network.n_atoms,)):
        raise ValueError(f"held: {held!r} is not true or false for each of {network.n_atoms} atoms")
    held = None if held is None else np.asarray(held)
    system_of(network, potential, None if held is None else ~held)
    probed = np.arange(len(centres)) if held is None else _clear_of(network, held, centres, r_free)
    blocks = [
        (network, centres[probed[k : k + BLOCK]], load, settings, every_step, potential)
        for k in range(0, len(probed), BLOCK)
    ]
    parts = parallel.run(_probe_block, blocks, scheduler, workers, label="probing")
    results = empty_results(len(centres))
    for values, of_blocks in zip(results, zip(*parts, strict=True), strict=True):
        values[probed] = np.concatenate(of_blocks)
    _warn(results.status, centres, max_strain)
    dataset = _dataset(results, load, network.cell, grid, None if points is None else centres)
    recorded = protocol_attrs(network.cell, potential, every_step, **protocol)
    dataset.threshold.attrs |= {name: recorded[name] for name in ("mode", "angle", "r_free")}  # for strain_to_failure
    return dataset.assign_attrs(recorded)


def yield_stress(
    network: Network,
    grid: tuple[int, int] = (50, 50),
    points: np.ndarray | None = None,
    direction: float = 0.0,
    angles: Sequence[float] = tuple(range(-40, 41, 10)),
    **settings,
) -> xr.Dataset:
    """Local yield stress in a direction of pure shear: the smallest projected threshold over directions of probing.

    A remote shear along `direction` loads the disc along `direction` + a by the share cos(2a); it yields where
    threshold(a) / cos(2a) is smallest, |a| < 45 degrees (Barbot, Lerbinger, Hernandez-Garcia, Garcia-Garcia, Falk,
    Vandembroucq and Patinet, Phys. Rev. E 97, 033001 (2018)).

    Parameters
    ----------
    network, grid, points
        As for `probe`.
    direction : float
        Of the remote shear against x, anticlockwise [degrees].
    angles : sequence of float
        Directions of probing against `direction`, each between -45 and 45, ends excluded [degrees].
    **settings
        Further parameters of `probe`.

    Returns
    -------
    xarray.Dataset
        ``threshold`` over angle and (x, y) or (point,); over the latter ``yield_stress`` and ``weakest_angle``.

    Raises
    ------
    ValueError
        If `angles` is empty or one is out of range, or as `probe`.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> local = listi.yield_stress(glass, points=[[20.0, 20.0]])
    >>> float(local.yield_stress[0].round(4)), float(local.weakest_angle[0])
    (0.0035, 0.0)
    """
    offsets = as_array("angles", angles)
    if offsets.ndim != 1 or offsets.size == 0 or not np.all(np.abs(offsets) < 45.0):
        raise ValueError(f"angles: {offsets.tolist()} are not angles between -45 and 45 degrees")
    unknown = {"mode", "angle"} & set(settings)
    if unknown:
        raise ValueError(f"{unknown.pop()}: is not allowed; yield_stress probes in pure shear along direction + angles")
    maps = [probe(network, grid, points, angle=direction + offset, **settings) for offset in offsets]
    angle = xr.Variable(*variable("angle", offsets, "degree", "direction of probing"))
    threshold = xr.concat([probed.threshold for probed in maps], dim=angle, combine_attrs="drop_conflicts")
    projected = threshold / np.cos(np.radians(2.0 * threshold.angle))
    empty = projected.isnull().all("angle")
    weakest = projected.fillna(np.inf).idxmin("angle").where(~empty)
    return xr.Dataset(
        {
            "threshold": threshold,
            "yield_stress": projected.min("angle").assign_attrs(units=STRESS_UNIT, long_name="local yield stress"),
            "weakest_angle": weakest.assign_attrs(units="degree", long_name="direction of probing that decides"),
        },
        attrs={name: value for name, value in maps[0].attrs.items() if name != "angle"} | {"direction": direction},
    )


def trace(
    network: Network,
    point: np.ndarray,
    r_free: float = 11.0,
    strain_step: float = 1e-4,
    max_strain: float = 1.0,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Local stress-strain curve of one probe under pure shear, up to just after its first instability.

    The disc takes every step by the plain protocol (`probe` with ``every_step``).

    Parameters
    ----------
    network, r_free, strain_step, max_strain, potential
        As for `probe`.
    point : ndarray, shape (2,)
        Centre of the disc [Å].

    Returns
    -------
    xarray.Dataset
        ``stress`` over ``strain``, the scalar ``critical_strain``; over ``atom`` the ``positions`` of the disc's
        atoms about its centre [Å], their ``species`` and whether they are ``free``.

    Raises
    ------
    ValueError
        If a parameter makes no sense, the sample is not at a minimum, or no atom lies in the disc.
    RuntimeError
        If no instability comes up to `max_strain`.

    Examples
    --------
    >>> import listi
    >>> glass = listi.generate(nx=10, ny=12)
    >>> curve = listi.trace(glass, [20.0, 20.0])
    >>> float(curve.critical_strain.round(4))
    0.0597
    """
    protocol: dict[str, Any] = {"r_free": r_free, "strain_step": strain_step, "max_strain": max_strain}
    load, settings, point = _check_disc(network, point, potential, protocol)
    disc, curve, status = follow_one(_atoms(network, potential), point, load, settings, True)
    if status != INSTABILITY:
        raise _unexpected_end(point, r_free, status, f"no instability up to max_strain = {max_strain}")
    strain = np.arange(len(curve)) * strain_step
    species = ", ".join(f"{number} = {symbol}" for number, symbol in enumerate(potential.symbols))
    title = "local shear stress (sigma_xx - sigma_yy)/2"
    return xr.Dataset(
        {
            "stress": variable("strain", stress_of(load, curve), STRESS_UNIT, title),
            "critical_strain": variable((), strain[-2], "1", "strain of the last step before the first instability"),
            "positions": variable(("atom", "xy"), disc.reference, LENGTH_UNIT, "position about the centre of the disc"),
            "species": variable("atom", disc.species, "1", f"species: {species}"),
            "free": variable("atom", disc.inside, "1", "whether the atom is relaxed"),
        },
        coords={"strain": variable("strain", strain, "1", "strain"), "xy": ["x", "y"]},
        attrs={"point": point, **protocol_attrs(network.cell, potential, every_step=True, **protocol)},
    )


def load_unload_step(
    network: Network,
    point: np.ndarray,
    strain: float,
    parts: int = PARTS,
    r_free: float = 11.0,
    strain_step: float = 1e-4,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Local stress over one strain step of one probe under pure shear, loaded in parts and then unloaded.

    Parameters
    ----------
    network, r_free, strain_step, potential
        As for `probe`.
    point : ndarray, shape (2,)
        Centre of the disc [Å].
    strain : float
        Where the step begins, a multiple of `strain_step`.
    parts : int
        Into which the step is divided, each to the minimum downhill.

    Returns
    -------
    xarray.Dataset
        ``stress`` over way (forth, back) and part (0 to 1, the share of the step), NaN where no minimum was found; the
        scalar ``returned``, whether all atoms are back where they began.

    Raises
    ------
    ValueError
        If a parameter makes no sense, the sample is not at a minimum, or no atom lies in the disc.
    RuntimeError
        If an instability comes before the step, or forces do not vanish.
    """
    if not isinstance(parts, int) or parts < 1:
        raise ValueError(f"parts: {parts!r} is not a whole number > 0")
    if not strain_step <= strain <= 5.0:
        raise ValueError(f"strain: {strain} is not in strain_step <= strain <= 5")
    protocol: dict[str, Any] = {"r_free": r_free, "strain_step": strain_step, "max_strain": strain}
    load, settings, point = _check_disc(network, point, potential, protocol)
    for every_step in (None, True):  # plain steps if the disc cannot be followed
        disc, _, status = follow_one(_atoms(network, potential), point, load, settings, every_step)
        if status != UNCONVERGED:
            break
    if status != TOO_STRONG:
        raise _unexpected_end(point, r_free, status, f"an instability comes before strain = {strain}")
    first = disc.r[: len(disc.forces)].copy()
    x, stress = first, [stress_within(disc, settings)]
    shares = np.minimum(np.arange(2 * parts + 1), 2 * parts - np.arange(2 * parts + 1)) / parts
    for begin, end in itertools.pairwise(settings.max_steps + shares):
        apply_affine(disc, x, load, begin, end)
        converged = descend(disc, settings.tolerance, LONGEST_MOVE, NEWTON_STEPS)
        x = disc.r[: len(first)].copy()
        stress.append(stress_within(disc, settings) if converged else np.full(3, np.nan))
    forth = stress_of(load, np.array(stress))
    ways = np.stack([forth[: parts + 1], forth[: parts - 1 : -1]])
    returned = np.max(np.abs(x - first)) < REVERSIBILITY_TOLERANCE
    return xr.Dataset(
        {
            "stress": variable(("way", "part"), ways, STRESS_UNIT, "local shear stress (sigma_xx - sigma_yy)/2"),
            "returned": variable((), returned, "1", "whether all atoms are back where they began"),
        },
        coords={
            "way": ["forth", "back"],
            "part": variable("part", np.linspace(0.0, 1.0, parts + 1), "1", "share of the strain step"),
        },
        attrs={"point": point, "strain": strain, **protocol_attrs(network.cell, potential, **protocol)},
    )


def _check_disc(
    network: Network, point: np.ndarray, potential: Potential, protocol: dict
) -> tuple[Load, Settings, np.ndarray]:
    """Load, settings and centre of one disc under pure shear."""
    check_network(network)
    load, settings = check_protocol(network.cell, potential, **protocol)
    system_of(network, potential)
    return load, settings, _centres(network, (1, 1), as_array("point", point)[None])[0]


def _unexpected_end(point: np.ndarray, r_free: float, status: int, why: str) -> Exception:
    """Error for a disc that ended otherwise than it should."""
    if status == EMPTY:
        return ValueError(f"point: no atom within {r_free} Å of {point.tolist()}")
    return RuntimeError(f"probe at {point.tolist()} Å: {'forces did not vanish' if status == UNCONVERGED else why}")


def _clear_of(network: Network, held: np.ndarray, centres: np.ndarray, r_free: float) -> np.ndarray:
    """Return the numbers of the centres that have no held atom within `r_free`."""
    atoms = cKDTree(wrap(network.positions[held], network.cell), boxsize=network.cell)
    clear = np.flatnonzero(atoms.query(wrap(centres, network.cell))[0] >= r_free)
    if not len(clear):
        raise ValueError(f"held: each of {len(centres)} discs of {r_free} Å would relax a held atom")
    return clear


def _probe_block(block: tuple) -> ProbeResults:
    """Probe a block of points; a disc that cannot be followed to an end is probed again by plain steps."""
    network, centres, load, settings, every_step, potential = block
    atoms, probe_discs = _atoms(network, potential), probe_many
    results = empty_results(len(centres))
    probe_discs(atoms, centres, load, settings, True if every_step else None, results)
    lost = np.flatnonzero(results.status == UNCONVERGED)
    if lost.size and not every_step:
        again = empty_results(len(lost))
        probe_discs(atoms, centres[lost], load, settings, True, again)
        again.status[again.status == INSTABILITY] = WALKED
        for values, repeated in zip(results, again, strict=True):
            values[lost] = repeated
    return results


def _atoms(network: Network, potential: Potential) -> Atoms:
    return Atoms(network.positions, network.species, network.cell, potential.table)


def _warn(status: np.ndarray, centres: np.ndarray, max_strain: float) -> None:
    """Say once how many probes have no threshold, and why."""
    for code, why in (
        (TOO_STRONG, f"met no instability up to max_strain = {max_strain}"),
        (UNCONVERGED, "did not converge"),
    ):
        n = np.count_nonzero(status == code)
        if n:
            where = centres[np.argmax(status == code)].tolist()
            warnings.warn(f"{n} of {len(status)} probes {why}; the first at {where} Å. They are NaN.", stacklevel=3)


def _centres(network: Network, grid: tuple[int, int], points: np.ndarray | None) -> np.ndarray:
    """Centres (n, 2) [Å] of all probes."""
    if points is None:
        return grid_points(network.cell, grid)
    points = as_array("points", points)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or not np.all(np.isfinite(points)):
        raise ValueError(f"points: shape {points.shape} is not (n, 2) of finite coordinates with n > 0")
    return points


def stress_of(load: Load, tensor: np.ndarray) -> np.ndarray:
    """Stress of the load (n,) of tensors (n, 3): a product of matrices would have other bits on other processors."""
    return load.weight[0] * tensor[:, 0] + load.weight[1] * tensor[:, 1] + load.weight[2] * tensor[:, 2]


def _dataset(
    results: ProbeResults, load: Load, cell: np.ndarray, grid: tuple[int, int], points: np.ndarray | None
) -> xr.Dataset:
    dims = ("x", "y") if points is None else ("point",)
    shape = tuple(grid) if points is None else (len(points),)
    lines = grid_lines(cell, grid) if points is None else points.T
    coords = {
        name: variable(name if points is None else "point", line, LENGTH_UNIT, f"{name} of the probe")
        for name, line in zip("xy", lines, strict=True)
    }
    ended = np.isin(results.status, (INSTABILITY, WALKED))
    tensors = {"initial": results.initial, "critical": np.where(ended[:, None], results.critical, np.nan)}
    initial, critical = (stress_of(load, tensor) for tensor in tensors.values())
    peak, strain = np.where(ended, [results.peak, results.steps * load.strain_step], np.nan)
    per_probe = {
        "initial_stress": (initial, STRESS_UNIT, "local shear stress, undeformed"),
        "critical_stress": (critical, STRESS_UNIT, "local shear stress at the first instability"),
        "threshold": (critical - initial, STRESS_UNIT, "local stress threshold"),
        "peak_stress": (peak, STRESS_UNIT, "local shear stress at its first maximum"),
        "critical_strain": (strain, "1", "strain of the last step before the first instability"),
        "status": (results.status.astype(np.int8), "1", "how the probe ended"),
    }
    variables = {name: variable(dims, values.reshape(shape), *about) for name, (values, *about) in per_probe.items()}
    variables["status"][2].update(flag_values=np.arange(len(STATUS), dtype=np.int8), flag_meanings=" ".join(STATUS))
    for state, tensor in tensors.items():
        title = f"components of the local stress, {state} state"
        variables[f"{state}_tensor"] = variable((*dims, "component"), tensor.reshape(*shape, 3), STRESS_UNIT, title)
    return xr.Dataset(variables, coords={**coords, "component": ["xx", "xy", "yy"]})
