"""One training by Keras's `fit`: its batches, its callbacks and the state it can be resumed from; imports Keras."""

from __future__ import annotations

import hashlib
import io
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..files import write_bytes
from .encodings import SIGNS, Inputs, joined, mirrored
from .fit import Settings, TrainingSet, as_columns, threads
from .layers import keras, layers, ops
from .models import JIT, is_finite, metadata, record, standardise, update_metadata
from .predict import outputs

WEIGHT_DECAY, MAX_GRADIENT_NORM = 0.05, 1.0  # of AdamW, chosen on validation samples
RECALIBRATION_BATCH, RECALIBRATION_BATCHES = 256, 4  # points per batch, batches: for statistics taken after an epoch


class Batches(keras.utils.PyDataset):
    """Batches of all epochs, one after the other: TensorFlow needs 0.2 s to begin with a new sequence of batches.

    `groups` holds of each group of points, which can stand in one batch, its Inputs and by name its targets. The order
    of an epoch and its mirror images are drawn from the seed and the number of the epoch. `first` is the epoch with
    which a resumed training begins.
    """

    def __init__(self, groups: Sequence[tuple[Inputs, dict[str, np.ndarray]]], settings: Settings) -> None:
        super().__init__()
        self.groups, self.settings, self.first = groups, settings, 0
        self.steps = sum(max(1, len(x) // settings.batch_size) for x, _ in groups)  # of an epoch
        self.epoch_drawn = -1

    def draw(self, epoch: int) -> None:
        """Draw the batches of an epoch."""
        random = np.random.default_rng([self.settings.seed, epoch])
        batches = []
        for group, (x, _) in enumerate(self.groups):
            size = min(self.settings.batch_size, len(x))
            order = random.permutation(len(x))[: len(x) // size * size]
            batches += [(group, batch) for batch in order.reshape(-1, size)]
        self.batches = [batches[n] for n in random.permutation(len(batches))]
        self.signs = [self._draw_signs(random, *batch) for batch in self.batches]
        self.epoch_drawn = epoch

    def _draw_signs(self, random: np.random.Generator, group: int, batch: np.ndarray) -> np.ndarray:
        """Signs of x and y of every point; all the same where the points share a sample."""
        shared = self.groups[group][0].sample
        chosen = random.integers(len(SIGNS), size=1 if shared else len(batch)) if self.settings.mirror else [0]
        return np.broadcast_to(SIGNS[chosen], (len(batch), 2))

    @property
    def num_batches(self) -> None:
        """Without end; an epoch has `steps` batches."""

    def __getitem__(self, number: int):
        epoch, step = divmod(number, self.steps)
        if self.epoch_drawn != self.first + epoch:
            self.draw(self.first + epoch)
        (group, batch), signs = self.batches[step], self.signs[step]
        x, targets = self.groups[group]
        wanted = {name: values[batch].astype(np.float32) for name, values in targets.items()}
        if "motion" in wanted:
            wanted["motion"] *= np.tile(signs[0], wanted["motion"].shape[-1] // 2)
        inputs = x.take(batch)
        return mirrored(inputs, signs) if self.settings.mirror else inputs, wanted


class Monitor(keras.callbacks.Callback):
    """Losses of all epochs, the weights of the lowest validation loss, and the time spent.

    The validation loss is that of the thresholds, with the statistics of batch normalisation taken anew from the
    weights as they are after the epoch.
    """

    def __init__(self, network: keras.Model, batches: Batches, validation) -> None:
        super().__init__()
        self.network, self.batches, self.validation = network, batches, validation
        self.loss: list[float] = []
        self.validation_loss: list[float] = []
        self.best: list[np.ndarray] = []
        self.seconds = 0.0
        self.batch_norms = [
            (layer, _without_xla(keras.Model(network.input, layer.input)))
            for layer in network.layers
            if isinstance(layer, layers.BatchNormalization)
        ]

    def on_epoch_begin(self, epoch, logs=None):
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        loss, validation_loss = logs.get("threshold_loss", logs["loss"]), math.nan
        self._recalibrate_batch_norm()
        if self.validation:
            errors = [(outputs(self.network, x) - y["threshold"][:, 0]) ** 2 for x, y in self.validation]
            validation_loss = float(np.mean(np.concatenate(errors)))
        if not (np.isfinite([loss, validation_loss if self.validation else 0.0]).all() and is_finite(self.network)):
            raise ValueError(
                f"training: it diverged in epoch {epoch + 1} (loss {loss:g}, validation loss {validation_loss:g});"
                " a smaller learning_rate may help"
            )
        self.loss.append(float(loss))
        if self.validation:
            logs["val_loss"] = validation_loss
            if validation_loss < min(self.validation_loss, default=math.inf):
                self.best = self.network.get_weights()
            self.validation_loss.append(validation_loss)
        self.seconds += time.perf_counter() - self._begin

    def _recalibrate_batch_norm(self) -> None:
        """Set the statistics of batch normalisation to those of the weights after the epoch.

        The running averages lag behind the weights. That error was larger than what the average over atoms varies from
        disc to disc, and the validation loss jumped by factors of ten between epochs.
        """
        x, mirror = self.batches.groups[0][0], self.batches.settings.mirror
        size = min(len(x), RECALIBRATION_BATCH)
        rows = np.arange(min(len(x) // size, RECALIBRATION_BATCHES) * size)
        points = rows * len(x) // len(rows)
        signs = SIGNS[rows % (len(SIGNS) if mirror else 1)]
        for layer, before in self.batch_norms:
            parts = [before.predict_on_batch(mirrored(x.take(points[at]), signs[at])) for at in rows.reshape(-1, size)]
            features = np.concatenate(parts).astype(float)
            layer.moving_mean.assign(features.mean(axis=0))
            layer.moving_variance.assign(features.var(axis=0))


class ResumedEarlyStopping(keras.callbacks.EarlyStopping):
    """Early stopping that has seen the validation losses of the epochs before it was interrupted."""

    def __init__(self, patience: int, losses: Sequence[float]) -> None:
        super().__init__("val_loss", patience=patience, mode="min")
        self.losses = tuple(losses)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for epoch, loss in enumerate(self.losses):
            self.on_epoch_end(epoch, {"val_loss": loss})


class Training:
    """One training run of a model."""

    def __init__(self, model, training: TrainingSet, validation: TrainingSet, settings: Settings) -> None:
        self.model, self.settings = model, settings
        y = as_columns([y for _, y, *_ in training])
        self.mean, self.std = (np.array([moment(column) for column in y.T]) for moment in (np.mean, np.std))
        self.std += self.std == 0.0  # a constant target becomes 0
        groups = self._grouped([sample[:2] for sample in training])
        for (_, targets), motion in zip(groups, _in_units([m for _, _, *rest in training for m in rest]), strict=False):
            targets["motion"] = motion
        x = [Inputs(x.take(slice(None))) for x, _ in groups]
        standardise(model, groups[0][0] if len(groups) == 1 else joined(x))
        self._compile()
        self.monitor = Monitor(self.network, Batches(groups, settings), self._grouped([s[:2] for s in validation]))
        self.stopped = False
        self.fingerprint = self._fingerprint()

    def _grouped(self, samples: TrainingSet) -> list[tuple[Inputs, dict[str, np.ndarray]]]:
        """Points that can stand in one batch together, and by name their standardised targets."""
        if samples and not samples[0][0].sample:
            samples = [(joined([x for x, _ in samples]), as_columns([y for _, y in samples]))]
        groups = []
        for x, y in samples:
            z = ((as_columns([y]) - self.mean) / self.std).astype(np.float32)
            groups.append((x, {"threshold": z[:, :1]} | ({"auxiliary": z[:, 1:]} if z.shape[1] > 1 else {})))
        return groups

    def _compile(self) -> None:
        """Prepare the network up to the standardised threshold, and a learner of all targets; they share weights."""
        settings, last = self.settings, self.model.get_layer("standardised")
        _set_precision(self.model, "mixed_bfloat16" if settings.half_precision else "float32")
        self.network = _without_xla(keras.Model(self.model.input, last.output))
        learned, weights = {"threshold": last.output}, {"threshold": 1.0}
        losses: dict[str, Any] = {"threshold": "mean_squared_error"}
        if settings.auxiliary_weight:
            head = layers.Dense(len(self.mean) - 1, kernel_initializer="zeros", name="auxiliary")
            learned["auxiliary"], losses["auxiliary"] = head(last.input), "mean_squared_error"
            weights["auxiliary"] = settings.auxiliary_weight
        if settings.motion_weight:
            learned["motion"], losses["motion"] = _motion_head(self.model), _motion_error
            weights["motion"] = settings.motion_weight
        self.learner = keras.Model(self.model.input, learned)
        self.optimizer = {
            "adamax": keras.optimizers.Adamax,
            "adamw": lambda rate: keras.optimizers.AdamW(
                rate, weight_decay=WEIGHT_DECAY, global_clipnorm=MAX_GRADIENT_NORM
            ),
        }[settings.optimizer](settings.learning_rate)
        self.learner.compile(self.optimizer, losses, weights, jit_compile=settings.jit_compile)
        self.optimizer.build(self.learner.trainable_variables)

    def train(self, checkpoint: Path | None, report: Callable[[int, float, float], None] | None) -> None:
        """Do the epochs that are missing, and store the state after each."""
        monitor, rates = self.monitor, self.settings.rates()
        callbacks = [
            keras.callbacks.LearningRateScheduler(lambda epoch: float(rates[epoch])),
            keras.callbacks.TerminateOnNaN(),
            monitor,
        ]
        if self.settings.patience is not None:
            callbacks.append(ResumedEarlyStopping(self.settings.patience, monitor.validation_loss))

        def store(epoch: int, logs: dict) -> None:
            self.stopped = self.learner.stop_training
            if checkpoint is not None:
                self.store(checkpoint)
            if report is not None:
                report(epoch + 1, monitor.loss[-1], logs.get("val_loss", math.nan))

        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=store))
        done, verbose = len(monitor.loss), 1 if sys.stdout.isatty() and report is None else 0
        if done < self.settings.epochs and not self.stopped:
            monitor.batches.first = done
            self.learner.fit(
                monitor.batches,
                epochs=self.settings.epochs,
                initial_epoch=done,
                steps_per_epoch=monitor.batches.steps,
                shuffle=False,
                callbacks=callbacks,
                verbose=verbose,
            )

    def finish(self, last: keras.Model | None) -> xr.Dataset:
        """Leave the model with the weights of the lowest validation loss, and return the history."""
        monitor, settings = self.monitor, asdict(self.settings)
        mean, std, epochs = float(self.mean[0]), float(self.std[0]), len(monitor.loss)
        _set_precision(self.model, "float32")
        self.model.get_layer("threshold").mean.assign(mean)
        self.model.get_layer("threshold").std.assign(std)
        best = int(np.argmin(monitor.validation_loss)) + 1 if monitor.best else epochs
        known = {name: settings[name] for name in ("batch_size", "optimizer", "mirror")} | {
            "epochs": epochs,
            "stopped": bool(self.stopped and epochs < self.settings.epochs),
            "training_seed": self.settings.seed,
            "first_learning_rate": self.settings.learning_rate,
            "last_learning_rate": float(self.settings.rates()[-1]),
            "training_points": sum(len(x) for x, _ in monitor.batches.groups),
        }
        if last is not None:
            last.set_weights(self.model.get_weights())
            update_metadata(last, mean=mean, std=std, epoch=epochs, **known)
        if monitor.best:
            self.network.set_weights(monitor.best)
        update_metadata(self.model, mean=mean, std=std, epoch=best, **known)
        error = {"units": "1", "long_name": "mean squared error of the standardised threshold"}
        history = {"loss": ("epoch", monitor.loss, error)}
        if monitor.validation:
            history["validation_loss"] = ("epoch", monitor.validation_loss, error)
        epoch = ("epoch", np.arange(1, epochs + 1), {"units": "1", "long_name": "epoch"})
        here = {"seconds": monitor.seconds, "backend": keras.backend.backend(), "threads": threads()}
        return xr.Dataset(history, {"epoch": epoch}, {"model": self.model.name, "epoch": best} | here | known)

    def _fingerprint(self) -> str:
        """Sum over what must be the same for a training to continue: first weights, data and settings."""
        digest = hashlib.sha256()
        for x, targets in [*self.monitor.batches.groups, *self.monitor.validation]:
            first = next(iter(x.points.values()))
            digest.update(repr([array.shape for array in x.take(slice(None)).values()]).encode())
            digest.update(first[:: max(1, len(first) // 100)].tobytes())  # images may be gigabytes
            for values in targets.values():
                digest.update(values.tobytes())
        for weight in self.network.get_weights():
            digest.update(weight.tobytes())
        changeable = ("epochs", "learning_rate", "final_learning_rate", "jit_compile")  # `rates` has the first three
        digest.update(repr({k: v for k, v in asdict(self.settings).items() if k not in changeable}).encode())
        return digest.hexdigest()

    def _variables(self) -> list[keras.Variable]:
        return [*self.learner.variables, *self.optimizer.variables]

    def store(self, path: Path) -> None:
        """Write the state to a file, whole or not at all, which Keras's own callback does not promise."""
        monitor = self.monitor
        arrays = {f"variable_{n}": ops.convert_to_numpy(v) for n, v in enumerate(self._variables())}
        arrays |= {f"best_{n}": weight for n, weight in enumerate(monitor.best)}
        arrays |= {"loss": monitor.loss, "validation_loss": monitor.validation_loss, "rates": self.settings.rates()}
        buffer = io.BytesIO()
        np.savez(buffer, fingerprint=self.fingerprint, seconds=monitor.seconds, stopped=self.stopped, **arrays)
        write_bytes(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Read the state back from a file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                stored = dict(file)
        except Exception as error:
            raise ValueError(f"checkpoint: {str(path)!r} cannot be read; delete it to start anew") from error
        done, rates = len(stored.get("loss", ())), self.settings.rates()
        same = stored.get("fingerprint") == self.fingerprint
        if not same or done > len(rates) or not np.array_equal(stored["rates"][:done], rates[:done]):
            raise ValueError(
                f"checkpoint: {str(path)!r} belongs to another training (first weights, data or"
                " settings); delete it or say resume=False"
            )
        monitor = self.monitor
        monitor.loss, monitor.validation_loss = stored["loss"].tolist(), stored["validation_loss"].tolist()
        monitor.seconds, self.stopped = float(stored["seconds"]), bool(stored["stopped"])
        monitor.best = [stored[f"best_{n}"] for n in range(sum(name.startswith("best_") for name in stored))]
        for n, variable in enumerate(self._variables()):
            variable.assign(stored[f"variable_{n}"])


def _without_xla(model):
    """Let a model predict without being compiled by XLA, which takes seconds for every number of points."""
    model.jit_compile = JIT
    return model


def _motion_head(model):
    """How the Si of every disc move, read off the features of the Si."""
    parts = []
    for name, columns in record(metadata(model)["name"]).auxiliary_heads.items():
        x = model.get_layer(name).output
        x = layers.Dense(x.shape[-1], "relu", name=f"hidden_of_{name}")(x)
        parts.append(layers.Dense(columns, kernel_initializer="zeros", name=f"motion_of_{name}")(x))
    return layers.Concatenate(name="motion")(parts)


def _motion_error(wanted, predicted):
    """Sum of the mean squared errors of the motions, where they are known."""
    known = ops.logical_not(ops.isnan(wanted))
    error = ops.where(known, ops.where(known, wanted, 0.0) - predicted, 0.0)
    number = ops.maximum(ops.sum(ops.cast(known, predicted.dtype), axis=(0, 1)), 1.0)
    return 0.5 * ops.sum(ops.sum(error**2, axis=(0, 1)) / number)  # two components each


def _in_units(motions: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Motions of all samples, each (two columns) in units of its root mean square; 16 bits, as they are large."""
    if not motions:
        return []
    square = sum(np.nansum(np.square(m, dtype=float), axis=(0, 1)) for m in motions)
    known = sum(np.isfinite(m).sum(axis=(0, 1)) for m in motions)
    unit = np.repeat(np.sqrt(square.reshape(-1, 2).sum(axis=1) / known.reshape(-1, 2).sum(axis=1)), 2)
    return [(m / unit).astype(np.float16) for m in motions]


def _set_precision(model, policy: str) -> None:
    """Set the numbers that convolutions and the layers without weights after them work with."""
    kinds = (layers.Conv2D, layers.MaxPooling2D, layers.Flatten, layers.Dropout)
    if any(isinstance(layer, layers.Conv2D) for layer in model.layers):
        for layer in model.layers:
            if isinstance(layer, kinds):
                layer.dtype_policy = policy
