"""Networks small and regular enough to reason about, for several test modules."""

import numpy as np
import xarray as xr

from listi.compendium import sample_files
from listi.network.geometry import grid_points, minimum_image
from listi.network.network import Network

BOND = 3.0  # Si-Si distance [Å]


def honeycomb(nx, ny, shift=(0.0, 0.0)):
    """Make a crystal of nx * ny rings with O on the bonds from its four-Si rectangular cell."""
    a, b = np.sqrt(3) * BOND, 3 * BOND
    basis = np.array([[0, 0], [a / 2, BOND / 2], [a / 2, 3 * BOND / 2], [0, 2 * BOND]])
    cells = np.array([[i * a, j * b] for j in range(ny // 2) for i in range(nx)])
    silicon = (cells[:, None] + basis[None]).reshape(-1, 2)
    cell = np.array([nx * a, ny // 2 * b])
    difference = minimum_image(silicon[:, None] - silicon[None], cell)
    distance = np.linalg.norm(difference, axis=2)
    bonds = np.argwhere(np.triu((distance > 0.1) & (distance < BOND + 0.1)))
    oxygen = silicon[bonds[:, 0]] - difference[bonds[:, 0], bonds[:, 1]] / 2
    positions = np.concatenate([silicon, oxygen]) + shift
    species = np.repeat([0, 1], [len(silicon), len(oxygen)])
    return Network(np.mod(positions, cell), species, bonds, cell)


def dataset(group, seed=0, shape=(5, 4)):
    """Make a group with the variables it must have."""
    numbers = np.random.default_rng(seed)
    attrs = {"units": "1", "long_name": "made up"}
    return xr.Dataset(
        {name: (("x", "y"), numbers.random(shape), attrs) for name in sample_files.GROUPS[group]},
        coords={"x": ("x", np.arange(shape[0]) * 2.0, {"units": "angstrom", "long_name": "x"})},
        attrs={"cell": [20.0, 24.0]},
    )


MADE_UP = {"units": "reduced energy/angstrom^2", "long_name": "made up"}


def save_made_up(path, number):
    """Write a sample file of a crystal with made-up thresholds, smooth in x, and two events, others for each number."""
    network = honeycomb(6, 6, (0.3 * number, 0.0))
    values = 5e-3 + 1e-3 * np.sin(grid_points(network.cell, (6, 5))[:, 0].reshape(6, 5) / 5 + number)
    coords = {name: np.arange(n) * edge / n for name, n, edge in zip("xy", (6, 5), network.cell, strict=True)}
    probing = xr.Dataset(dict.fromkeys(sample_files.GROUPS["probing"], (("x", "y"), values, MADE_UP)), coords)
    for name in "xy":
        probing[name].attrs = {"units": "angstrom", "long_name": name}
    at = [[1.0, 2.0], [20.0, 15.0]]
    shear = xr.Dataset(
        {
            "stress": ("strain", np.zeros(3), MADE_UP),
            "event_strain": ("event", [0.01, 0.02], MADE_UP),
            "event_position": (("event", "xy"), at, MADE_UP),
            "event_atom": ("event", [1, 2], MADE_UP),
        },
        {"strain": [0.0, 0.01, 0.02], "event": [1, 2]},
    )
    path.parent.mkdir(exist_ok=True)
    sample_files.save_sample(path, network, shear, probing.assign_attrs(parameters={"r_free": 7.0}))
