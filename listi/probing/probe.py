"""Local probing: strain a disc cut from the sample until its first instability; map the stress it took.

The disc of radius ``r_free`` is relaxed inside a frozen ring as wide as the cutoff that follows the affine
deformation (Patinet, Vandembroucq, Falk, Phys. Rev. Lett. 117, 045501 (2016)). Strain grows in steps of
``strain_step``; the critical state is the last step at which the minimum that began as the undeformed disc still
exists. `listi.instability` follows it and says how an
instability is told from noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from .. import parallel
from ..mechanics.disc import make, stress
from ..mechanics.potential import CUTOFF
from ..mechanics.shear import AT_MINIMUM, Walk
from ..mechanics.system import TOLERANCE, ConvergenceError, System
from ..network.geometry import grid_lines, minimum_image
from ..network.network import Network
from ..network.units import LENGTH_UNIT, STRESS_UNIT
from .branch import STUCK, TOO_STRONG, probe_block

MODES = ("pure shear", "simple shear", "uniaxial tension")
STIFFEST = 1e4  # tether [energy/Å²]: as good as frozen; rounding spoils the forces beyond
SKIN = 0.5  # extra reach of a disc's pair lists [Å]
BLOCK = 50  # probes in one task


def _velocity(mode: str, angle: float) -> tuple[int, np.ndarray, float]:
    """Number of the mode, its velocity gradient turned by `angle` [degrees], and the weight of stress : gradient."""
    gradient = {
        "pure shear": ([[1.0, 0.0], [0.0, -1.0]], 0.5),
        "simple shear": ([[0.0, 1.0], [0.0, 0.0]], 1.0),
        "uniaxial tension": ([[1.0, 0.0], [0.0, 0.0]], 1.0),
    }
    matrix, weight = gradient[mode]
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[c, -s], [s, c]]) if angle else np.eye(2)
    return MODES.index(mode), turn @ np.array(matrix) @ turn.T, weight


def probe(
    network: Network,
    grid: tuple[int, int] = (50, 50),
    points: np.ndarray | None = None,
    r_free: float = 11.0,
    mode: str = "pure shear",
    angle: float = 0.0,
    strain_step: float = 1e-4,
    max_strain: float = 1.0,
    tether: float | None = None,
    every_step: bool = False,
    tolerance: float = TOLERANCE,
    skin: float = SKIN,
    scheduler: str | None = None,
    workers: int | None = None,
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
        "pure shear" (x grows by 1 + d a step, y shrinks by it), "simple shear" or "uniaxial tension" (y fixed).
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
        Largest force component at a minimum [energy/Å].
    skin : float
        Extra reach of the pair lists [Å]; changes nothing but speed.
    scheduler, workers
        See `listi.tasks.run`; the result does not depend on them.

    Returns
    -------
    xarray.Dataset
        Over (x, y) or (point,): ``initial_stress``, ``critical_stress`` (at the last step before the first
        instability), their difference ``threshold``, and ``critical_strain``. The stress is that of the load: for
        pure shear (sigma_xx - sigma_yy)/2 in the turned frame, from the virial of the free atoms (pairs with a
        frozen atom count half) over pi r_free². ``initial_tensor`` and ``critical_tensor`` hold all its components
        (xx, xy, yy) in the cell's frame. NaN where no atom is free (outside a patch with free edges).

    Raises
    ------
    ValueError
        If a parameter makes no sense or the sample is not at a minimum.
    RuntimeError
        If a probe meets no instability up to `max_strain`.
    ConvergenceError
        If the forces of a probe do not vanish.
    """
    _check(network, grid, points, r_free, mode, angle, strain_step, max_strain)
    if tether is not None and not 0 < tether <= STIFFEST:
        raise ValueError(f"tether: {tether} is not in 0 < tether <= {STIFFEST:g} energy/Å²")
    if not 1e-13 <= tolerance <= 1e-4:
        raise ValueError(f"tolerance: {tolerance} is not in 1e-13 <= tolerance <= 1e-4 energy/Å")
    if not 0.05 <= skin <= 5.0:
        raise ValueError(f"skin: {skin} is not in 0.05 <= skin <= 5 Å")
    x, y = grid_lines(network.cell, grid)
    centres = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2) if points is None else np.asarray(points)
    number, velocity, weight = _velocity(mode, angle)
    max_steps = round(max_strain / strain_step)

    arguments = network.positions, network.species, network.cell
    load = r_free, float(tether or 0.0), number, velocity, strain_step, max_steps, float(tolerance), float(skin)
    walked = True if every_step else None
    blocks = [(*arguments, centres[k : k + BLOCK].astype(float), *load, walked) for k in range(0, len(centres), BLOCK)]
    results = parallel.run(_probe_block, blocks, scheduler, workers, label="probing")
    values = np.concatenate([r[0] for r in results])
    status = np.concatenate([r[1] for r in results])
    if np.any(status == TOO_STRONG):
        where = centres[np.argmax(status == TOO_STRONG)]
        raise RuntimeError(f"probe at {where.tolist()} Å: no instability up to max_strain = {max_strain}")
    if np.any(status == STUCK):
        first = int(np.argmax(status == STUCK))
        where, strain = centres[first].tolist(), values[first, 6]
        raise ConvergenceError(f"probe at {where} Å: forces did not vanish at strain {strain:.4g}")
    load_of = weight * np.array([velocity[0, 0], velocity[0, 1] + velocity[1, 0], velocity[1, 1]])
    found = _dataset(values, load_of, x, y, None if points is None else centres)
    return found.assign_attrs(cell=network.cell, r_free=r_free, mode=mode, angle=angle, strain_step=strain_step)


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
    """
    angles = np.asarray(angles, dtype=float)
    if angles.ndim != 1 or angles.size == 0 or not np.all(np.abs(angles) < 45.0):
        raise ValueError(f"angles: {angles.tolist()} are not angles between -45 and 45 degrees")
    unknown = {"mode", "angle"} & set(settings)
    if unknown:
        raise ValueError(f"{unknown.pop()}: is not allowed; yield_stress probes in pure shear along direction + angles")
    each = [probe(network, grid, points, angle=direction + a, **settings).threshold for a in angles]
    threshold = xr.concat(each, dim=xr.Variable("angle", angles, _attrs("degree", "direction of probing")))
    projected = threshold / np.cos(np.radians(2.0 * threshold.angle))
    empty = projected.isnull().all("angle")
    weakest = projected.fillna(np.inf).idxmin("angle").where(~empty)
    return xr.Dataset(
        {
            "threshold": threshold,
            "yield_stress": projected.min("angle").assign_attrs(_attrs(STRESS_UNIT, "local yield stress")),
            "weakest_angle": weakest.assign_attrs(_attrs("degree", "direction of probing that decides")),
        },
        attrs={"cell": network.cell, "direction": direction},
    )


def trace(
    network: Network, point: np.ndarray, r_free: float = 11.0, strain_step: float = 1e-4, max_strain: float = 1.0
) -> xr.Dataset:
    """Local stress-strain curve of one probe under pure shear, up to just after its first instability.

    Walks the plain protocol (`listi.deform` with ``every_step``) on the disc alone.

    Parameters
    ----------
    network, r_free, strain_step, max_strain
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
        If a parameter makes no sense or the sample is not at a minimum.
    RuntimeError
        If no instability comes up to `max_strain`.
    """
    point = np.asarray(point, dtype=float)
    _check(network, (1, 1), point[None], r_free, "pure shear", 0.0, strain_step, max_strain)
    vector = minimum_image(network.positions - point, network.cell)
    distance = np.linalg.norm(vector, axis=1)
    inside = distance < r_free + CUTOFF
    order = np.flatnonzero(inside)[np.argsort(distance[inside] >= r_free, kind="stable")]
    reference, species, free = vector[order], network.species[order], distance[order] < r_free
    middle = 2.0 * (r_free + CUTOFF)  # in an empty cell wide enough for the disc to see no image
    walk = Walk(System(reference + middle, species, np.full(2, 2.0 * middle), free), strain_step)
    curve = []
    event = None

    def shear() -> float:
        here = make(walk.system.positions, species, free, int(free.sum()), 0.0, np.eye(2), SKIN, np.zeros(2, np.int64))
        xx, _, yy = stress(here, np.pi * r_free**2)
        return 0.5 * (xx - yy)

    while event is None:
        curve.append(shear())
        if walk.step >= round(max_strain / strain_step):
            raise RuntimeError(f"probe at {point.tolist()} Å: no instability up to max_strain = {max_strain}")
        event = walk.plain_step()
    curve.append(shear())
    strain = np.arange(len(curve)) * strain_step
    return xr.Dataset(
        {
            "stress": ("strain", curve, _attrs(STRESS_UNIT, "local shear stress (sigma_xx - sigma_yy)/2")),
            "critical_strain": ((), strain[-2], _attrs("1", "strain of the last step before the first instability")),
            "positions": (("atom", "xy"), reference, _attrs(LENGTH_UNIT, "position about the centre of the disc")),
            "species": ("atom", species, _attrs("1", "species: 0 = Si, 1 = O")),
            "free": ("atom", free, _attrs("1", "whether the atom is relaxed")),
        },
        coords={"strain": ("strain", strain, _attrs("1", "strain")), "xy": ["x", "y"]},
        attrs={"point": point, "r_free": r_free, "strain_step": strain_step},
    )


def _probe_block(block: tuple) -> tuple[np.ndarray, np.ndarray]:
    out, status = np.empty((len(block[3]), 7)), np.empty(len(block[3]), dtype=np.int64)
    probe_block(*block, out, status)
    return out, status


def _check(network, grid, points, r_free, mode, angle, strain_step, max_strain) -> None:
    whole = [isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in grid]
    if len(whole) != 2 or not all(whole):
        raise ValueError(f"grid: {tuple(grid)} is not two whole numbers >= 1")
    if points is not None:
        points = np.asarray(points)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0 or not np.all(np.isfinite(points)):
            raise ValueError(f"points: shape {points.shape} is not (n, 2) of finite coordinates with n > 0")
    if not (np.isfinite(r_free) and r_free > 0):
        raise ValueError(f"r_free: {r_free} is not > 0 Å")
    largest = np.min(network.cell) / 2 - CUTOFF
    if r_free > largest:
        raise ValueError(f"r_free: {r_free} Å is more than half the cell minus the cutoff, {largest:.4g} Å")
    if mode not in MODES:
        raise ValueError(f"mode: {mode!r} is not one of {', '.join(MODES)}")
    if not np.isfinite(angle):
        raise ValueError(f"angle: {angle} is not a finite number of degrees")
    if not (np.isfinite(strain_step) and 0 < strain_step <= 0.01):
        raise ValueError(f"strain_step: {strain_step} is not in 0 < strain_step <= 0.01")
    if not (np.isfinite(max_strain) and strain_step <= max_strain <= 5.0):
        raise ValueError(f"max_strain: {max_strain} is not in strain_step <= max_strain <= 5")
    force = np.max(np.abs(System(network.positions, network.species, network.cell).energy_forces()[1]))
    if force > AT_MINIMUM:
        raise ValueError(
            f"network: largest force {force:.3g} > {AT_MINIMUM:g}, not at an energy minimum; "
            "relax it first with listi.relax(network)"
        )


def _dataset(values: np.ndarray, load_of: np.ndarray, x, y, points: np.ndarray | None) -> xr.Dataset:
    if points is None:
        dims, shape = ("x", "y"), (len(x), len(y))
        coords = {
            name: (name, line, _attrs(LENGTH_UNIT, f"{name} of the probe")) for name, line in (("x", x), ("y", y))
        }
    else:
        dims, shape = ("point",), (len(points),)
        coords = {
            name: ("point", points[:, c], _attrs(LENGTH_UNIT, f"{name} of the probe")) for c, name in enumerate("xy")
        }
    tensors = {"initial": values[:, :3], "critical": values[:, 3:6]}
    initial, critical = ((t @ load_of).reshape(shape) for t in tensors.values())
    of_load = {
        "initial_stress": (dims, initial, _attrs(STRESS_UNIT, "local shear stress, undeformed")),
        "critical_stress": (dims, critical, _attrs(STRESS_UNIT, "local shear stress at the first instability")),
        "threshold": (dims, critical - initial, _attrs(STRESS_UNIT, "local stress threshold")),
        "critical_strain": (
            dims,
            values[:, 6].reshape(shape),
            _attrs("1", "strain of the last step before the first instability"),
        ),
    }
    whole = {
        f"{when}_tensor": (
            (*dims, "component"),
            t.reshape(*shape, 3),
            _attrs(STRESS_UNIT, f"components of the local stress, {when} state"),
        )
        for when, t in tensors.items()
    }
    return xr.Dataset({**of_load, **whole}, coords={**coords, "component": ["xx", "xy", "yy"]})


def _attrs(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}
