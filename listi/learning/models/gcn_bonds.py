"""The paper's graph network, read freely: the bond vectors are the edge tensor of Eq. 2a, and weigh the neighbours.

Blocks, pooling and last layers are those of `gcn`. Chosen here:

- e_ij is the bond vector from i to j with its length, in units of the bond length;
- the features of node i are its coordinates, given to every convolution again, and a perceptron of
  e_ij summed over the neighbours j;
- another perceptron of e_ij gives the weights alpha_ij, one set for each of several heads, in place of the softmax of
  Eq. 2b: they have a sign, and an atom with fewer neighbours collects less. Every head is one convolution
  h_i' = ReLU(sum_j alpha_ij h_j W + h_i V + b) (Spektral's GCSConv), and the outputs of all heads are concatenated;
- the average over the atoms varies little from disc to disc, so it is standardised (batch normalisation) before the
  last dense layers. Without that, their few ReLU units may all become zero for every disc, and the prediction constant.
"""

from __future__ import annotations

from dataclasses import replace

from . import gcn


def build(metadata: dict, width: int = 64, heads: int = 4, bond_features: int = 32):
    """Build the network, with the metadata stored in it.

    Parameters
    ----------
    width : int
        Features of an atom after each convolution or dense layer; not given in the paper.
    heads : int
        Sets of neighbour weights in a convolution, a divisor of `width`; not given in the paper.
    bond_features : int
        Features of an atom made from its bond vectors; not given in the paper.

    Raises
    ------
    ValueError
        If `heads` does not divide `width`.
    """
    if heads < 1 or width % heads:
        raise ValueError(f"heads: {heads!r} does not divide the width {width!r}")
    from ..graph_layers import BondFeatures, BondVectors, BondWeights, Neighbours
    from ..layers import AveragePool, Scale, graph_inputs, head, keras, layers

    graph = graph_inputs()
    selection = Neighbours(name="neighbours")(graph["adjacency"])
    bonds = BondVectors(name="bond_vectors")(graph["nodes"], selection)
    place = Scale(name="scale")(graph["nodes"])
    x = BondFeatures(bond_features, name="bond_features")(bonds)

    def convolve(x, name):
        x = layers.Concatenate(name=f"{name}_features")([x, place])
        return _convolution(x, BondWeights(heads, name=f"{name}_weights")(bonds, selection), width, name)

    x = gcn.blocks(x, width, convolve)
    x = AveragePool(name="average")(x, graph["mask"])
    x = layers.BatchNormalization(momentum=0.9, name="standardise")(x)
    return keras.Model(graph, head(x, metadata), name="gcn_bonds")


def _convolution(x, alpha, width: int, name: str):
    """One convolution of `width` features: a Spektral layer for each head, side by side."""
    from ..graph_layers import GraphConvolution, layers

    heads = [
        GraphConvolution(width // len(alpha), "relu", kernel_initializer="he_normal", name=f"{name}_{head}")(
            [x, weights]
        )
        for head, weights in enumerate(alpha, start=1)
    ]
    return layers.Concatenate(name=name)(heads) if len(heads) > 1 else heads[0]


MODEL = replace(
    gcn.MODEL,
    name="gcn_bonds",
    reads="coordinates, bonds and bond vectors of the Si within {r_free:g} Å",
    build=build,
    label="GCN, bond vectors",
    look={"color": "#2b6650", "marker": "v", "linestyle": ":"},
    rank=3.2,
    in_every_run=False,
)
