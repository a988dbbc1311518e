"""Training: AdaMax on the mean squared error; it can be resumed, and the same seed gives the same weights."""

from __future__ import annotations

import hashlib
import io
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..files import write_bytes
from .encodings import SIGNS, Inputs, mirrored, take
from .models import update_metadata
from .predict import outputs

if TYPE_CHECKING:
    import keras

SETTLE_BATCH, SETTLE_BATCHES = 256, 4  # cut-outs per batch, batches: for the statistics taken after an epoch


def fit(
    model: keras.Model,
    x: Inputs,
    y: np.ndarray,
    validation: tuple[Inputs, np.ndarray] | None = None,
    epochs: int = 100,
    batch_size: int = 64,
    seed: int = 0,
    learning_rate: float = 1e-3,
    final_learning_rate: float | None = None,
    mirror: bool = False,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int = 10,
    resume: bool = True,
) -> xr.Dataset:
    """Train a model in place and leave it with the weights of the epoch of lowest validation loss.

    Targets are standardised with the mean and standard deviation of `y`. The model keeps both and predicts in the unit
    of `y`. Each epoch visits the cut-outs in full batches, in an order drawn from `seed` and the number of the epoch;
    the cut-outs that do not fill a batch are left out of that epoch.

    Parameters
    ----------
    model : keras.Model
        Built by `models.build`.
    x : ndarray or dict
        What `models.inputs` returns, n cut-outs.
    y : ndarray, shape (n,)
        Their thresholds, in any one unit of stress.
    validation : (x, y), optional
        Cut-outs and thresholds that are not trained on, to watch the loss.
    epochs : int
        Number of passes over the cut-outs.
    batch_size : int
        Cut-outs in one step; not given in the paper.
    seed : int
        Seed of the order of the cut-outs and of the choice of mirror images.
    learning_rate : float
        Learning rate of AdaMax; 1e-3 in the paper.
    final_learning_rate : float, optional
        Rate of the last epoch, reached along half a cosine. Without it the rate is constant, as in the paper.
    mirror : bool
        Show each cut-out as one of its four mirror images, drawn anew in every epoch: x -> -x and y -> -y leave the
        threshold under pure shear unchanged.
    checkpoint : path-like, optional
        File for the state of the training, replaced every `checkpoint_every` epochs and at the end.
    checkpoint_every : int
        Number of epochs between two checkpoints.
    resume : bool
        Continue from the checkpoint if there is one. The result is the same as without the interruption.

    Returns
    -------
    xarray.Dataset
        `loss` and (with `validation`) `validation_loss` over `epoch`: mean squared error of standardised thresholds.

    Raises
    ------
    ValueError
        If a parameter makes no sense, or the checkpoint is damaged or belongs to another training.
    DataError
        If the checkpoint cannot be written.
    """
    y = np.asarray(y, dtype=float)
    _check(x, y, validation, epochs, batch_size, learning_rate, final_learning_rate, checkpoint_every)
    job = _Training(model, x, y, validation, epochs, min(batch_size, len(y)), seed, mirror)
    job.rates = _rates(learning_rate, final_learning_rate, epochs)
    job.compile(learning_rate)
    if checkpoint is not None and resume and Path(checkpoint).exists():
        job.restore(Path(checkpoint), epochs)
    started = time.perf_counter()
    for epoch in _progress(range(len(job.loss), epochs), epochs, model.name):
        job.epoch(epoch)
        if checkpoint is not None and ((epoch + 1) % checkpoint_every == 0 or epoch + 1 == epochs):
            job.store(Path(checkpoint))
    return job.finish(time.perf_counter() - started)


def _check(x, y, validation, epochs, batch_size, learning_rate, final_learning_rate, checkpoint_every) -> None:
    counts = {"epochs": epochs, "batch_size": batch_size, "checkpoint_every": checkpoint_every}
    for name, value in counts.items():
        if value != int(value) or value < 1:
            raise ValueError(f"{name}: {value!r} is not a whole number > 0")
    for name, value in {"learning_rate": learning_rate, "final_learning_rate": final_learning_rate}.items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name}: {value!r} is not > 0")
    for label, (inputs, targets) in {"": (x, y), "validation ": validation or (x, y)}.items():
        targets = np.asarray(targets)
        lengths = {len(array) for array in (inputs.values() if isinstance(inputs, dict) else [inputs])}
        if targets.ndim != 1 or lengths != {len(targets)} or len(targets) == 0:
            raise ValueError(
                f"{label}y: shape {targets.shape} does not fit {sorted(lengths)} inputs; one each is needed"
            )
        if not np.all(np.isfinite(targets)):
            raise ValueError(f"{label}y: number {np.flatnonzero(~np.isfinite(targets))[0]} is not finite")
    if not y.std() > 0:
        raise ValueError(f"y: all {len(y)} thresholds are {y[0]:g}; there is nothing to learn")


def _rates(first: float, last: float | None, epochs: int) -> np.ndarray:
    """Learning rate of every epoch."""
    if last is None:
        return np.full(epochs, first)
    phase = np.linspace(0.0, math.pi, epochs)
    return last + (first - last) * 0.5 * (1.0 + np.cos(phase))


def _progress(epochs: range, total: int, label: str) -> Iterator[int]:
    """Return the epochs with a progress bar, which shows only on a terminal."""
    from tqdm import tqdm

    yield from tqdm(epochs, total=total, initial=total - len(epochs), desc=label, unit="epoch", disable=None)


class _Training:
    """The state of one training run: model, optimiser, losses so far and the best weights."""

    def __init__(self, model, x, y, validation, epochs, batch_size, seed, mirror) -> None:
        self.model, self.x, self.seed = model, x, seed
        self.batch_size, self.mirror = batch_size, mirror
        self.mean, self.std = y.mean(), y.std()
        self.y = self._standardised(y)
        self.validation = validation and (
            validation[0],
            self._standardised(np.asarray(validation[1], dtype=float)),
        )
        self.loss: list[float] = []
        self.validation_loss: list[float] = []
        self.best: list[np.ndarray] = []
        self.rates = np.zeros(epochs)

    def _standardised(self, y: np.ndarray) -> np.ndarray:
        return ((y - self.mean) / self.std).astype(np.float32)

    def compile(self, learning_rate: float) -> None:
        """Prepare the part of the model up to the standardised threshold; it shares the weights."""
        import keras

        self.network = keras.Model(self.model.input, self.model.get_layer("standardised").output)
        self.optimizer = keras.optimizers.Adamax(learning_rate)
        self.network.compile(self.optimizer, loss="mean_squared_error")
        self.normalised = [
            (layer, keras.Model(self.model.input, layer.input))
            for layer in self.network.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        self.optimizer.build(self.network.trainable_variables)
        self.fingerprint = self._fingerprint()

    def epoch(self, number: int) -> None:
        """Visit every cut-out once."""
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(len(self.y))
        turned = random.integers(len(SIGNS), size=len(order)) if self.mirror else None
        self.optimizer.learning_rate = self.rates[number]
        losses = []
        for first in range(0, len(order) - self.batch_size + 1, self.batch_size):
            batch = order[first : first + self.batch_size]
            x = take(self.x, batch)
            if turned is not None:
                x = mirrored(x, SIGNS[turned[batch]])
            losses.append(self.network.train_on_batch(x, self.y[batch]))
        self.loss.append(float(np.mean(losses)))
        self._settle()
        if self.validation is not None:
            self._validate()

    def _settle(self) -> None:
        """Set the statistics of batch normalisation to those of the weights as they are now.

        The running averages lag behind the weights. That error was larger than what the average over atoms varies from
        disc to disc, and the validation loss jumped by factors of ten between epochs.
        """
        size = min(len(self.y), SETTLE_BATCH)
        some = np.arange(min(len(self.y) // size, SETTLE_BATCHES) * size)
        spread = some * len(self.y) // len(some)
        signs = SIGNS[some % (len(SIGNS) if self.mirror else 1)]
        for layer, before in self.normalised:
            parts = [
                before.predict_on_batch(mirrored(take(self.x, spread[at]), signs[at])) for at in some.reshape(-1, size)
            ]
            features = np.concatenate(parts).astype(float)
            layer.moving_mean.assign(features.mean(axis=0))
            layer.moving_variance.assign(features.var(axis=0))

    def _validate(self) -> None:
        x, y = self.validation
        loss = float(np.mean((outputs(self.network, x) - y) ** 2))
        if loss < min(self.validation_loss, default=math.inf):
            self.best = self.network.get_weights()
        self.validation_loss.append(loss)

    def finish(self, seconds: float) -> xr.Dataset:
        """Leave the model with its best weights and return the history."""
        if self.best:
            self.network.set_weights(self.best)
        threshold = self.model.get_layer("threshold")
        threshold.mean.assign(self.mean)
        threshold.std.assign(self.std)
        about = {
            "epochs": len(self.loss),
            "batch_size": self.batch_size,
            "training_seed": self.seed,
            "first_learning_rate": float(self.rates[0]),
            "last_learning_rate": float(self.rates[-1]),
            "training_cutouts": len(self.y),
        }
        update_metadata(self.model, mirror=self.mirror, mean=self.mean, std=self.std, **about)
        error = {"units": "1", "long_name": "mean squared error of the standardised threshold"}
        history = {"loss": ("epoch", self.loss, error)}
        if self.validation is not None:
            history["validation_loss"] = ("epoch", self.validation_loss, error)
        epoch = ("epoch", np.arange(1, len(self.loss) + 1), {"units": "1", "long_name": "epoch"})
        return xr.Dataset(history, {"epoch": epoch}, {"model": self.model.name, "seconds": seconds} | about)

    def _variables(self) -> list[keras.Variable]:
        return [*self.network.variables, *self.optimizer.variables]

    def _fingerprint(self) -> str:
        """Sum over what must be the same for a training to continue: first weights, data and settings."""
        arrays = list(self.x.values()) if isinstance(self.x, dict) else [self.x]
        digest = hashlib.sha256(repr([array.shape for array in arrays]).encode())
        digest.update(arrays[0][:: max(1, len(arrays[0]) // 100)].tobytes())  # images may be gigabytes
        for array in (self.y, *self.network.get_weights()):
            digest.update(array.tobytes())
        digest.update(repr((self.batch_size, self.seed, self.mirror, self.validation is not None)).encode())
        return digest.hexdigest()

    def store(self, path: Path) -> None:
        """Write the state to a file, whole or not at all."""
        from keras.ops import convert_to_numpy as to_numpy

        arrays = {f"variable_{n}": to_numpy(v) for n, v in enumerate(self._variables())}
        arrays |= {f"best_{n}": weight for n, weight in enumerate(self.best)}
        arrays |= {"loss": self.loss, "validation_loss": self.validation_loss, "rates": self.rates}
        buffer = io.BytesIO()
        np.savez(buffer, fingerprint=self.fingerprint, **arrays)
        write_bytes(path, buffer.getvalue())

    def restore(self, path: Path, epochs: int) -> None:
        """Read the state back from a file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                stored = dict(file)
        except Exception as error:
            raise ValueError(f"checkpoint: {str(path)!r} cannot be read; delete it to start anew") from error
        done = len(stored.get("loss", ()))
        same = stored.get("fingerprint") == self.fingerprint
        if not same or done > epochs or not np.array_equal(stored["rates"][:done], self.rates[:done]):
            raise ValueError(
                f"checkpoint: {str(path)!r} belongs to another training (first weights, data or"
                " settings); delete it or say resume=False"
            )
        self.loss, self.validation_loss = stored["loss"].tolist(), stored["validation_loss"].tolist()
        self.best = [stored[f"best_{n}"] for n in range(sum(name.startswith("best_") for name in stored))]
        for n, variable in enumerate(self._variables()):
            variable.assign(stored[f"variable_{n}"])
