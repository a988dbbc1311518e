"""Spektral's graph convolutions in Keras 3; nothing else imports Spektral.

Spektral 1.3 does not know that Keras 3 gives layers with several inputs a list of masks; `_without_empty_masks` repairs
that where Spektral wraps the calls of all its convolutions.
"""

from __future__ import annotations

import functools

from .layers import keras  # before Spektral, which imports TensorFlow: it holds back what that prints

# isort: split
import spektral.layers.convolutional.conv as spektral_conv
from spektral.layers import GCNConv, GCSConv

__all__ = ["GCNConv", "GCSConv"]

keras.saving.register_keras_serializable("listi")(GCNConv)  # or a saved network could not be loaded


def _without_empty_masks(wrap):
    """Make Spektral's wrapper of `call` read [None, None], with which Keras 3 says "no mask", as None."""

    @functools.wraps(wrap)
    def wrapper(call):
        inner = wrap(call)

        @functools.wraps(inner)
        def masked(inputs, mask=None, **kwargs):
            given = mask is not None and any(entry is not None for entry in mask)
            return inner(inputs, mask=mask if given else None, **kwargs)

        return masked

    return wrapper


spektral_conv.check_dtypes_decorator = _without_empty_masks(spektral_conv.check_dtypes_decorator)
