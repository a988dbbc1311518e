"""Local probing: strain a disc cut from the sample until its first instability; map the stress it took.

The disc of radius ``r_free`` is relaxed inside a frozen ring as wide as the cutoff that follows the affine
deformation (Patinet, Vandembroucq, Falk, Phys. Rev. Lett. 117, 045501 (2016)). Strain grows in steps of
``strain_step``; the critical state is the last step at which the minimum that began as the undeformed disc still
exists. `listi.probing.branch` follows it and says how an
instability is told from noise.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from .. import parallel
from ..mechanics.forms import SILICA
from ..mechanics.load import Load
from ..mechanics.potential import Potential
from ..mechanics.system import system_of
from ..mechanics.tolerances import REVERSIBILITY_TOLERANCE, SKIN_DISC, TOLERANCE
from ..network.geometry import grid_lines, grid_points, wrap
from ..network.network import Network
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from .branch import EMPTY, INSTABILITY, TOO_STRONG, UNCONVERGED, WALKED
from .cutout import Atoms, Settings
from .many import Found, nothing_found, probe_many, step_in_parts, trace_one
from .plain_walk import PARTS
from .protocol import check_protocol, protocol_attrs

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
    skin: float = SKIN_DISC,
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
        Resolution of the critical state in strain; smooth stretches are not walked step by step.
    max_strain : float
        Strain by which an instability must have come.
    tether : float, optional
        Soft matrix: the atoms around the disc are not frozen to the affine deformation but tethered to it by springs
        of this stiffness [energy/Å²], with constant forces that hold them in place in the undeformed state.
    every_step : bool
        Walk every step by the plain protocol, each to the minimum downhill, until a step that undoing does not
        undo, instead of following smooth stretches: slow, for checks.
    tolerance : float
        Largest force component at a minimum [the potential's force_scale; energy/Å in silica].
    skin : float
        Extra reach of the pair lists [Å]; changes nothing but speed.
    scheduler, workers
        See `listi.parallel.run`; the result does not depend on them.
    held : ndarray of bool, shape (n_atoms,), optional
        Atoms that something outside holds in place, such as those at the edges of a patch under tension: the forces on
        them need not vanish. A disc that would relax one of them is not probed.
    potential : Potential
        Of the pairs; that the sample was relaxed with.

    Returns
    -------
    xarray.Dataset
        Over (x, y) or (point,): ``initial_stress``, ``critical_stress`` (at the last step before the first
        instability), their difference ``threshold``, ``critical_strain``, and ``peak_stress`` (at the first maximum,
        reversible or not: the first stress drop, read literally). The stress is that of the load: for pure shear
        (sigma_xx - sigma_yy)/2 in the turned frame, from the virial of the free atoms (pairs with a frozen atom count
        half) over pi r_free². ``initial_tensor`` and ``critical_tensor`` hold all its components (xx, xy, yy) in the
        cell's frame. ``status`` says how each probe ended, a number in `STATUS`: a probe that cannot be followed is
        walked by the plain protocol. NaN where no atom is free (outside a patch with free edges) or one is held, and,
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
    how: dict[str, Any] = {"mode": mode, "angle": angle, "strain_step": strain_step, "r_free": r_free}
    how |= {"max_strain": max_strain, "tether": tether, "tolerance": tolerance}
    load, settings = check_protocol(network.cell, potential, skin, **how)
    centres = _centres(network, grid, points)
    if held is not None and (np.asarray(held).dtype != bool or np.shape(held) != (network.n_atoms,)):
        raise ValueError(f"held: {held!r} is not true or false for each of {network.n_atoms} atoms")
    held = None if held is None else np.asarray(held)
    system_of(network, potential, None if held is None else ~held)
    chosen = np.arange(len(centres)) if held is None else _clear_of(network, held, centres, r_free)
    blocks = [
        (network, centres[chosen[k : k + BLOCK]], load, settings, every_step, potential)
        for k in range(0, len(chosen), BLOCK)
    ]
    parts = parallel.run(_probe_block, blocks, scheduler, workers, label="probing")
    found = nothing_found(len(centres))
    for whole, each in zip(found, zip(*parts, strict=True), strict=True):
        whole[chosen] = np.concatenate(each)
    _warn(found.status, centres, max_strain)
    dataset = _dataset(found, load, network.cell, grid, None if points is None else centres)
    protocol = protocol_attrs(network.cell, potential, every_step, **how)
    dataset.threshold.attrs |= {name: protocol[name] for name in ("mode", "angle", "r_free")}  # for strain_to_failure
    return dataset.assign_attrs(protocol)


def yield_stress(
    network: Network,
    grid: tuple[int, int] = (50, 50),
    points: np.ndarray | None = None,
    direction: float = 0.0,
    angles: Sequence[float] = tuple(range(-40, 41, 10)),
    **settings,
) -> xr.Dataset:
    """Local yield stress in a direction of pure shear: the smallest projected threshold over directions of probing.

    A remote shear along `direction` loads the disc along `direction` + a by the share cos(2a); it gives where
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
    each_angle = np.asarray(angles, dtype=float)
    if each_angle.ndim != 1 or each_angle.size == 0 or not np.all(np.abs(each_angle) < 45.0):
        raise ValueError(f"angles: {each_angle.tolist()} are not angles between -45 and 45 degrees")
    unknown = {"mode", "angle"} & set(settings)
    if unknown:
        raise ValueError(f"{unknown.pop()}: is not allowed; yield_stress probes in pure shear along direction + angles")
    maps = [probe(network, grid, points, angle=direction + a, **settings) for a in each_angle]
    threshold = xr.concat(
        [one.threshold for one in maps],
        dim=xr.Variable("angle", each_angle, _attrs("degree", "direction of probing")),
        combine_attrs="drop_conflicts",
    )
    projected = threshold / np.cos(np.radians(2.0 * threshold.angle))
    empty = projected.isnull().all("angle")
    weakest = projected.fillna(np.inf).idxmin("angle").where(~empty)
    return xr.Dataset(
        {
            "threshold": threshold,
            "yield_stress": projected.min("angle").assign_attrs(_attrs(STRESS_UNIT, "local yield stress")),
            "weakest_angle": weakest.assign_attrs(_attrs("degree", "direction of probing that decides")),
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

    The disc is walked by the plain protocol (`probe` with ``every_step``).

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
    how: dict[str, Any] = {"r_free": r_free, "strain_step": strain_step, "max_strain": max_strain}
    load, settings, point = _one(network, point, potential, **how)
    disc, curve, status = trace_one(_atoms(network, potential), point, load, settings)
    if status == EMPTY:
        raise ValueError(f"point: no atom within {r_free} Å of {point.tolist()}")
    if status != INSTABILITY:
        why = f"no instability up to max_strain = {max_strain}" if status == TOO_STRONG else "forces did not vanish"
        raise RuntimeError(f"probe at {point.tolist()} Å: {why}")
    strain = np.arange(len(curve)) * strain_step
    return xr.Dataset(
        {
            "stress": (
                "strain",
                stress_of(load, curve),
                _attrs(STRESS_UNIT, "local shear stress (sigma_xx - sigma_yy)/2"),
            ),
            "critical_strain": ((), strain[-2], _attrs("1", "strain of the last step before the first instability")),
            "positions": (("atom", "xy"), disc.reference, _attrs(LENGTH_UNIT, "position about the centre of the disc")),
            "species": ("atom", disc.species, _attrs("1", f"species: {_species(potential)}")),
            "free": ("atom", disc.inside, _attrs("1", "whether the atom is relaxed")),
        },
        coords={"strain": ("strain", strain, _attrs("1", "strain")), "xy": ["x", "y"]},
        attrs={"point": point, **protocol_attrs(network.cell, potential, every_step=True, **how)},
    )


def there_and_back(
    network: Network,
    point: np.ndarray,
    strain: float,
    parts: int = PARTS,
    r_free: float = 11.0,
    strain_step: float = 1e-4,
    potential: Potential = SILICA,
) -> xr.Dataset:
    """Local stress over one strain step of one probe under pure shear, taken in parts, forth and then back.

    Parameters
    ----------
    network, r_free, strain_step, potential
        As for `probe`.
    point : ndarray, shape (2,)
        Centre of the disc [Å].
    strain : float
        Where the step begins, a multiple of `strain_step`.
    parts : int
        In which the step is taken, each to the minimum downhill.

    Returns
    -------
    xarray.Dataset
        ``stress`` over way (forth, back) and part (0 to 1, the share of the step), NaN where no minimum was found; the
        scalar ``returned``, whether all atoms are where they began.

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
    how: dict[str, Any] = {"r_free": r_free, "strain_step": strain_step, "max_strain": strain}
    load, settings, point = _one(network, point, potential, **how)
    take = step_in_parts
    curve, away, status = take(_atoms(network, potential), point, load, settings, parts)
    if status == EMPTY:
        raise ValueError(f"point: no atom within {r_free} Å of {point.tolist()}")
    if status != TOO_STRONG:
        why = "forces did not vanish" if status == UNCONVERGED else f"an instability comes before strain = {strain}"
        raise RuntimeError(f"probe at {point.tolist()} Å: {why}")
    stress = stress_of(load, curve)
    ways = np.stack([stress[: parts + 1], stress[: parts - 1 : -1]])
    return xr.Dataset(
        {
            "stress": (("way", "part"), ways, _attrs(STRESS_UNIT, "local shear stress (sigma_xx - sigma_yy)/2")),
            "returned": ((), away < REVERSIBILITY_TOLERANCE, _attrs("1", "whether all atoms are where they began")),
        },
        coords={
            "way": ["forth", "back"],
            "part": ("part", np.linspace(0.0, 1.0, parts + 1), _attrs("1", "share of the strain step")),
        },
        attrs={"point": point, "strain": strain, **protocol_attrs(network.cell, potential, **how)},
    )


def _one(network: Network, point: np.ndarray, potential: Potential, **how) -> tuple[Load, Settings, np.ndarray]:
    """Load, settings and centre of one disc under pure shear, checked."""
    load, settings = check_protocol(network.cell, potential, **how)
    system_of(network, potential)
    return load, settings, _centres(network, (1, 1), np.asarray(point, dtype=float)[None])[0]


def _clear_of(network: Network, held: np.ndarray, centres: np.ndarray, r_free: float) -> np.ndarray:
    """Return the numbers of the centres that have no held atom within `r_free`."""
    atoms = cKDTree(wrap(network.positions[held], network.cell), boxsize=network.cell)
    clear = np.flatnonzero(atoms.query(wrap(centres, network.cell))[0] >= r_free)
    if not len(clear):
        raise ValueError(f"held: each of {len(centres)} discs of {r_free} Å would relax a held atom")
    return clear


def _probe_block(block: tuple) -> Found:
    """Probe a block of points; what cannot be followed to an end is walked."""
    network, centres, load, settings, every_step, potential = block
    atoms, probe_discs = _atoms(network, potential), probe_many
    found = nothing_found(len(centres))
    probe_discs(atoms, centres, load, settings, True if every_step else None, found)
    lost = np.flatnonzero(found.status == UNCONVERGED)
    if lost.size and not every_step:
        again = nothing_found(len(lost))
        probe_discs(atoms, centres[lost], load, settings, True, again)
        again.status[again.status == INSTABILITY] = WALKED
        for whole, part in zip(found, again, strict=True):
            whole[lost] = part
    return found


def _atoms(network: Network, potential: Potential) -> Atoms:
    return Atoms(network.positions, network.species, network.cell, potential.table)


def _species(potential: Potential) -> str:
    return ", ".join(f"{number} = {symbol}" for number, symbol in enumerate(potential.symbols))


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
    points = np.asarray(points, dtype=float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or not np.all(np.isfinite(points)):
        raise ValueError(f"points: shape {points.shape} is not (n, 2) of finite coordinates with n > 0")
    return points


def stress_of(load: Load, tensor: np.ndarray) -> np.ndarray:
    """Stress of the load (n,) of tensors (n, 3): a product of matrices would have other bits on other processors."""
    return load.weight[0] * tensor[:, 0] + load.weight[1] * tensor[:, 1] + load.weight[2] * tensor[:, 2]


def _dataset(
    found: Found, load: Load, cell: np.ndarray, grid: tuple[int, int], points: np.ndarray | None
) -> xr.Dataset:
    dims: tuple[str, ...]
    if points is None:
        dims, shape = ("x", "y"), tuple(grid)
        lines = zip("xy", grid_lines(cell, grid), strict=True)
        coords = {name: (name, line, _attrs(LENGTH_UNIT, f"{name} of the probe")) for name, line in lines}
    else:
        dims, shape = ("point",), (len(points),)
        coords = {
            name: ("point", points[:, c], _attrs(LENGTH_UNIT, f"{name} of the probe")) for c, name in enumerate("xy")
        }
    ended = np.isin(found.status, (INSTABILITY, WALKED))
    critical_tensor = np.where(ended[:, None], found.critical, np.nan)
    initial, critical = stress_of(load, found.initial), stress_of(load, critical_tensor)
    per_probe = {
        "initial_stress": (initial, STRESS_UNIT, "local shear stress, undeformed"),
        "critical_stress": (critical, STRESS_UNIT, "local shear stress at the first instability"),
        "threshold": (critical - initial, STRESS_UNIT, "local stress threshold"),
        "peak_stress": (np.where(ended, found.peak, np.nan), STRESS_UNIT, "local shear stress at its first maximum"),
        "critical_strain": (
            np.where(ended, found.steps * load.strain_step, np.nan),
            "1",
            "strain of the last step before the first instability",
        ),
    }
    variables: dict[str, tuple] = {
        name: (dims, values.reshape(shape), _attrs(units, text)) for name, (values, units, text) in per_probe.items()
    }
    for when, tensor in (("initial", found.initial), ("critical", critical_tensor)):
        text = f"components of the local stress, {when} state"
        variables[f"{when}_tensor"] = ((*dims, "component"), tensor.reshape(*shape, 3), _attrs(STRESS_UNIT, text))
    status = _attrs("1", "how the probe ended") | {
        "flag_values": np.arange(len(STATUS), dtype=np.int8),
        "flag_meanings": " ".join(STATUS),
    }
    variables["status"] = (dims, found.status.astype(np.int8).reshape(shape), status)
    return xr.Dataset(variables, coords={**coords, "component": ["xx", "xy", "yy"]})


def _attrs(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}
