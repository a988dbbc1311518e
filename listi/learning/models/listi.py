"""LISTI's own network: it reads the Si graph of the whole sample once, then every disc's Si, for their weakest link.

The Si of the sample exchange messages along their bonds. With e_ij what is known of the bond from i to its neighbour j,

    m_ij = ReLU(W_1 h_i + W_2 h_j + W_3 e_ij + b)
    h_i <- h_i + W_4 [h_i, sum_j m_ij, max_j m_ij] + c

so that after some rounds h_i describes the surroundings of i, also beyond the disc. Around a point, every Si of the
disc is then combined with its place in the disc, g_i: position, distance from the middle, and how many of the Si and O
on its bonds lie outside, where a probe holds them fixed, and in which direction. The Si of a disc exchange messages,

    u_i = ReLU(W_5 h_i + V_5 g_i + b_5)
    u_i <- u_i + W_8 ReLU(W_6 u_i + W_7 sum_j u_j + b_6) + b_8
    z_i = ReLU(W_9 u_i + b_9)

and the disc is judged by the mean, maximum and minimum of z_i over its Si, by its stress, and by its weakest link: a
soft minimum of a scalar, -ln(sum_i exp(-s w.z_i)) / s. A disc yields at its weakest Si.

The features of a bond are its vector, its length, the place of the O relative to the bond's middle, and both Si-O
lengths; the feature of a Si is its local stress. All follow from the structure, and are standardised over the training
samples. Thresholds under pure shear are the same for x and -x: training uses the four mirror images of a sample,
prediction averages over them. Vectors and tensors have their components along and across the load. With `load`, the
first features of every Si also depend on the share of dilation in the load, so that one network knows several modes.
"""

from __future__ import annotations

import numpy as np

from ...analysis.discs import stress_of_discs
from ...mechanics.system import System
from .. import structure
from ..cutouts import Cutouts
from ..encodings import Inputs
from . import Model

MIRRORED = {  # whether a feature changes its sign with that of x, of y
    "vector": ((1, 0), (0, 1)),
    "length": ((0, 0),),
    "oxygen": ((1, 0), (0, 1), (0, 0), (0, 0)),
    "stress": ((0, 0), (1, 1), (0, 0)),
}


def inputs(cut: Cutouts, metadata: dict) -> Inputs:
    """Return what the network reads: the graph of the sample, and the Si of every disc.

    Raises
    ------
    ValueError
        If the cut-outs are of several samples, a Si has more than three neighbours, or there is no O to be read.
    """
    if cut.network is None:
        raise ValueError("cut: holds cut-outs of several samples; this network reads one sample at a time")
    network, known = cut.network, {"oxygen": True, "stress": True, "beyond": True} | metadata
    to = structure.neighbours(network)
    graph = {"neighbours": to.astype(np.int32), "edges": _edges(network, to, known["oxygen"], cut.angle)}
    atoms = np.where(cut.mask, np.searchsorted(network.silicon, cut.atoms), -1).astype(np.int32)
    points = {"atoms": atoms, "place": (cut.positions / cut.r_free).astype(np.float32), "bonded": cut.adjacency}
    if known["stress"]:
        virial = System(network.positions, network.species, network.cell).virials()
        virial = structure.rotate_tensors(virial, -cut.angle)
        graph["stress"] = structure.local_stress(network, virial).astype(np.float32)
        of_discs = stress_of_discs(virial, network.positions, network.cell, cut.centers, cut.r_free)
        points["disc_stress"] = of_discs.astype(np.float32)
    shared = {"signs": np.ones((1, 2), dtype=np.float32)}
    if known.get("load"):
        shared["dilation"] = np.full((1, 1), cut.dilation, dtype=np.float32)
    if known["beyond"]:
        return Inputs(points, graph | shared)
    return Inputs(points | _cut_apart(graph, atoms), shared)


def _edges(network, to: np.ndarray, oxygen: bool, angle: float) -> np.ndarray:
    """Bond vector, length and, with `oxygen`, O off the middle, length to it from both ends, (n_si, 3, 3 or 7) [Å]."""
    vector = structure.rotate_vectors(structure.bond_vectors(network, to), -angle)
    parts = [vector, np.linalg.norm(vector, axis=2, keepdims=True)]
    if oxygen:
        place = structure.rotate_vectors(structure.oxygen_places(network, to), -angle)
        both = (place, vector - place)
        parts += [place - 0.5 * vector, *(np.linalg.norm(arm, axis=2, keepdims=True) for arm in both)]
    return np.concatenate(parts, axis=2).astype(np.float32)


def _cut_apart(graph: dict[str, np.ndarray], atoms: np.ndarray) -> dict[str, np.ndarray]:
    """Give every disc (a row of `atoms`) a graph of its own, without the bonds that leave it."""
    to = graph["neighbours"][atoms]
    row = np.argmax(to[:, :, :, None] == atoms[:, None, None, :], axis=3)
    inside = np.take_along_axis(atoms[:, None], row.reshape(len(atoms), 1, -1), axis=2).reshape(to.shape) == to
    bonded = inside & (to >= 0) & (atoms >= 0)[:, :, None]
    return {name: array[atoms] for name, array in graph.items()} | {
        "neighbours": np.where(bonded, row, -1).astype(np.int32)
    }


def normalisation_data(x: Inputs) -> dict[str, np.ndarray]:
    """Return the values that the `Scale` layers take their statistics from: those of all bonds, of all Si."""
    arrays = x.take(slice(None))
    values = {"scale_edges": arrays["edges"][arrays["neighbours"] >= 0]}
    if "stress" in arrays:
        values |= {f"scale_{name}": arrays[name].reshape(-1, 3) for name in ("stress", "disc_stress")}
    return values


def build(
    metadata: dict,
    width: int = 48,
    rounds: int = 4,
    rounds_in_disc: int = 2,
    oxygen: bool = True,
    stress: bool = True,
    weakest_link: bool = True,
    beyond: bool = True,
    load: bool = False,
    *,
    heads: int = 0,
    name: str = "listi",
):
    """Build the network.

    Parameters
    ----------
    metadata : dict
        Stored with the model; `r_free` [Å] is the radius of the discs.
    width : int
        Number of features of a Si.
    rounds : int
        Rounds of messages: over how many bonds a Si collects information.
    rounds_in_disc : int
        Rounds of messages within a disc.
    oxygen, stress : bool
        Read the places of the O, the local stress.
    weakest_link : bool
        Read the soft minimum in addition to mean, maximum and minimum.
    beyond : bool
        Read what lies beyond the disc. Without it, every disc is a graph of its own.
    load : bool
        Read the share of dilation in the load.
    heads : int
        Heads of attention between all Si of a disc; 0 for messages between the bonded ones alone.
    name : str
        Name of the model.
    """
    from .. import disc_layers as disc
    from ..layers import Scale, keras, layers, output

    tensors, prefix = _inputs(oxygen, stress, beyond, load), "" if beyond else "joined_"
    atoms, graph = tensors["atoms"], {key: tensors[key] for key in ("neighbours", "edges", "stress") if key in tensors}
    if not beyond:
        atoms, graph = disc.OneGraph(name="one_graph")(atoms, graph)
    odd = [pair for part in ("vector", "length", *(["oxygen"] if oxygen else [])) for pair in MIRRORED[part]]
    raw = disc.Mirror(odd, name=f"{prefix}mirror_edges")(graph["edges"], tensors["signs"])
    edges, to = Scale(name="scale_edges")(raw), graph["neighbours"]
    x = disc.Bonds(16, name="bonds")(edges, to)
    if stress:
        local = disc.Mirror(MIRRORED["stress"], name="mirror_stress")(graph["stress"], tensors["signs"])
        local = Scale(name="scale_stress")(local)
        x = layers.Concatenate(name="with_stress")([x, local])
    x = layers.Dense(width, None if load else "relu", name="nodes")(x)
    if load:
        of_load = layers.Dense(width, use_bias=False, name="load")(tensors["dilation"])
        x = layers.Activation("relu", name="loaded")(layers.Add(name="with_load")([x, of_load]))
    for n in range(rounds):
        x = disc.Round(width, name=f"round_{n + 1}")(x, edges, to)
    place = disc.Mirror(MIRRORED["vector"], name="mirror_place")(tensors["place"], tensors["signs"])
    arms = [raw[..., :2], *([0.5 * raw[..., :2] + raw[..., 3:5]] if oxygen else [])]  # to the Si, to the O
    arms = [layers.Rescaling(1.0 / metadata["r_free"], name=f"arms_{n}")(arm) for n, arm in enumerate(arms)]
    place = layers.Dense(width, use_bias=False, name="place_in_disc")(
        disc.DiscGeometry(name="disc")(place, atoms, to, arms)
    )
    x = disc.GatherToDiscs(name="of_disc")(layers.Dense(width, name="node_in_disc")(x), atoms)
    x = layers.Activation("relu", name="in_disc")(layers.Add(name="sum_in_disc")([x, place]))
    for n in range(rounds_in_disc):
        label = f"round_in_disc_{n + 1}"
        if heads:
            x = disc.AttentionInDisc(width, heads, name=label)(x, tensors["bonded"], atoms)
        else:
            x = disc.RoundInDisc(width, name=label)(x, tensors["bonded"])
    if heads:
        x = layers.LayerNormalization(name="normalised")(x)
    x = layers.Dense(width, "relu", name="link_features")(x)
    parts = [disc.Pool(name="pool")(x, atoms)]
    if weakest_link:
        parts.append(disc.WeakestLink(name="weakest_link")(layers.Dense(1, name="strength")(x), atoms))
    if stress:
        average = disc.Mirror(MIRRORED["stress"], name="mirror_disc_stress")(tensors["disc_stress"], tensors["signs"])
        parts.append(Scale(name="scale_disc_stress")(average))
    x = layers.Concatenate(name="of_the_disc")(parts) if len(parts) > 1 else parts[0]
    x = layers.Dense(width, "relu", name="dense")(x)
    return keras.Model(tensors, output(x, metadata, "zeros"), name=name)  # starts at the mean threshold


def _inputs(oxygen: bool, stress: bool, beyond: bool, load: bool) -> dict[str, object]:
    """What the network reads: arrays of the sample and its discs."""
    from ..layers import keras

    lead = () if beyond else (None,)  # rows of the disc, where every disc has a graph of its own
    shapes = {"neighbours": (*lead, 3), "edges": (*lead, 3, 7 if oxygen else 3)}
    if stress:
        shapes |= {"stress": (*lead, 3), "disc_stress": (3,)}
    shapes |= {"atoms": (None,), "place": (None, 2), "bonded": (None, None), "signs": (2,)}
    shapes |= {"dilation": (1,)} if load else {}
    kinds = {"neighbours": "int32", "atoms": "int32", "bonded": "uint8"}
    return {key: keras.Input(shape, dtype=kinds.get(key, "float32"), name=key) for key, shape in shapes.items()}


MODEL = Model(
    name="listi",
    reads="Si, bonds, places of the O and local stress of the whole sample, then every disc of {r_free:g} Å",
    inputs=inputs,
    build=build,
    paper_scale={
        "epochs": 80,
        "batch_size": 1250,
        "optimizer": "adamw",
        "learning_rate": 3e-3,
        "final_learning_rate": 1e-5,
        "mirror": True,
        "jit_compile": True,
    },
    normalisation_data=normalisation_data,
    label="whole-sample network",
    look={"color": "#f5d25a", "marker": "P", "linestyle": "-"},
    rank=4,
    in_every_run=True,
)
