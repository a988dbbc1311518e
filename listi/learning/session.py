"""Keras as the networks need it: imported on demand and quietly, with the settings that the networks were made with.

Importing TensorFlow takes seconds and prints messages, so nothing imports Keras before a network is built or loaded.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what native code writes to stderr; show it if the block fails.

    TensorFlow writes to stderr before it reads TF_CPP_MIN_LOG_LEVEL, and notebooks would record that as output.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@functools.cache
def load_keras() -> Any:
    """Import Keras and return it.

    Raises
    ------
    ValueError
        If Keras or the backend that the user has chosen for it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet():
            import keras

            keras.ops.zeros(1)  # makes the backend look for its devices
    except ModuleNotFoundError as error:
        if error.name == "keras":
            raise ValueError("keras: is not installed; networks need the packages keras and tensorflow") from None
        raise ValueError(
            f"KERAS_BACKEND: Keras is to use {error.name}, which is not installed; set KERAS_BACKEND=tensorflow, or"
            ' "backend" in ~/.keras/keras.json'
        ) from None
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every second network that is compiled
    return keras


@contextlib.contextmanager
def keras_session() -> Iterator[Any]:
    """Give Keras the settings that the networks were made with, and afterwards those of the user again.

    A user may have set other numbers (`floatx`, the dtype policy), another `epsilon` or another order of the axes of
    images, in the session or in ~/.keras/keras.json. Layers read these settings when they are made and when they are
    called first. The function serves as a decorator, too.
    """
    keras = load_keras()
    config = keras.config
    before = config.floatx(), config.dtype_policy(), config.epsilon(), config.image_data_format()
    try:
        _configure(config, "float32", "float32", 1e-7, "channels_last")
        yield keras
    finally:
        _configure(config, *before)


def _configure(config, floatx, policy, epsilon, data_format) -> None:
    config.set_floatx(floatx)
    config.set_dtype_policy(policy)
    config.set_epsilon(epsilon)
    config.set_image_data_format(data_format)
