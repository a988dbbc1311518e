"""Training on the mean squared error; it can be resumed, and the same seed gives the same weights."""

from __future__ import annotations

import hashlib
import io
import math
import numbers
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from ..files import write_bytes
from ..network.geometry import is_whole
from .encodings import SIGNS, Inputs, joined, mirrored
from .models import moves_from, standardise, update_metadata
from .predict import outputs

if TYPE_CHECKING:
    import keras

Lessons: TypeAlias = Sequence[tuple[Any, ...]]  # of each sample Inputs, targets, and perhaps how its atoms move

SETTLE_BATCH, SETTLE_BATCHES = 256, 4  # cut-outs per batch, batches: for the statistics taken after an epoch
WEIGHT_DECAY, LARGEST_GRADIENT = 0.05, 1.0  # of AdamW, chosen on validation samples
OPTIMIZERS = ("adamax", "adamw")
SETTINGS = (  # what decides the result, beside model, samples and seed
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "final_learning_rate",
    "mirror",
    "beside",
    "motion",
    "patience",
    "jit_compile",
    "half_precision",
)


def fit(
    model: keras.Model,
    lessons: Lessons,
    validation: Lessons = (),
    epochs: int = 100,
    batch_size: int = 64,
    seed: int = 0,
    optimizer: str = "adamax",
    learning_rate: float = 1e-3,
    final_learning_rate: float | None = None,
    mirror: bool = False,
    beside: float = 0.0,
    motion: float = 0.0,
    patience: int | None = None,
    jit_compile: bool = False,
    half_precision: bool = False,
    checkpoint: str | os.PathLike | None = None,
    resume: bool = True,
    report: Callable[[int, float, float], None] | None = None,
) -> xr.Dataset:
    """Train a model in place and leave it with the weights of the epoch of lowest validation loss.

    Targets are standardised with the mean and standard deviation of the thresholds, and so are the inputs of the
    model's `Scale` layers. The model keeps all and predicts in the unit of the thresholds. Each epoch visits all points
    in full batches, in an order drawn from `seed` and the number of the epoch; those that do not fill a batch are left
    out of that epoch. Where a network reads the whole sample, a batch is of one sample.

    Parameters
    ----------
    model : keras.Model
        Built by `models.build`.
    lessons : sequence of (Inputs, ndarray) or (Inputs, ndarray, ndarray)
        Of each sample what `models.inputs` returns for n points, and their thresholds, shape (n,), in any one unit of
        stress; or, shape (n, 1 + k), the thresholds and what else is to be learned of these points. Last, with a weight
        `motion`, how the Si of every disc move, shape (n, rows, 6): response, displacement and direction of
        `listi.probing.motion`, NaN where that is not known.
    validation : sequence of (Inputs, ndarray)
        The same of samples that are not trained on, to watch the loss.
    epochs : int
        Number of passes over the points.
    batch_size : int
        Points in one step; not given in the paper.
    seed : int
        Seed of the order of the points and of the choice of mirror images.
    optimizer : str
        "adamax" as in the paper, or "adamw": Adam with a weight decay of 0.05, gradients cut to norm 1.
    learning_rate : float
        Learning rate; 1e-3 in the paper.
    final_learning_rate : float, optional
        Rate of the last epoch, reached along half a cosine. Without it the rate is constant, as in the paper.
    mirror : bool
        Show each point as one of its four mirror images, drawn anew in every epoch: x -> -x and y -> -y leave the
        threshold under pure shear unchanged.
    beside : float
        Weight of the mean squared error of all that is to be learned beside the thresholds, each standardised. It is
        read off the last hidden layer, by weights that are left out of the model afterwards.
    motion : float
        Weight of the mean squared errors of the three motions, each in units of its root mean square, for networks
        with features of every Si of a disc ("listi_large"). It is read off these features, likewise, by weights that
        are first drawn as those of the model: `models.build` right before, for the same ones.
    patience : int, optional
        Stop when the validation loss has not fallen below its lowest value for so many epochs.
    jit_compile : bool
        Let XLA compile the training step; the result is the same within rounding.
    half_precision : bool
        Multiply in 16 bits (bfloat16) in the convolutions while training; weights and sums keep 32. Some processors do
        that three times as fast.
    checkpoint : path-like, optional
        File for the state of the training, replaced after every epoch.
    resume : bool
        Continue from the checkpoint if there is one. The result is the same as without the interruption.
    report : callable, optional
        Called after every epoch with its number, loss and validation loss (NaN without `validation`).

    Returns
    -------
    xarray.Dataset
        `loss` and (with `validation`) `validation_loss` over `epoch`: mean squared error of standardised thresholds.
        Attributes: settings, `seconds` spent, `backend`, `threads`, and whether it `stopped` for want of patience.

    Raises
    ------
    ValueError
        If a parameter makes no sense, or the checkpoint is damaged or belongs to another training.
    DataError
        If the checkpoint cannot be written.
    """
    for name, value in {"mirror": mirror, "jit_compile": jit_compile, "half_precision": half_precision}.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{name}: {value!r} is not true or false")
    _check(lessons, validation, epochs, batch_size, optimizer, learning_rate, final_learning_rate, beside, patience)
    _check_motions(lessons, motion, check_motion(model, motion))
    rates = _rates(learning_rate, final_learning_rate, epochs)
    job = _Training(model, lessons, validation, batch_size, seed, mirror, rates)
    job.compile(optimizer, jit_compile, half_precision, beside, motion)
    if checkpoint is not None and resume and Path(checkpoint).exists():
        job.restore(Path(checkpoint), epochs)
    for epoch in _progress(range(len(job.loss), epochs), epochs, model.name):
        if job.is_flat(patience):
            break
        job.epoch(epoch)
        if checkpoint is not None:
            job.store(Path(checkpoint))
        if report is not None:
            report(epoch + 1, job.loss[-1], job.validation_loss[-1] if validation else math.nan)
    return job.finish(optimizer, job.is_flat(patience) and len(job.loss) < epochs)


def _check(
    lessons, validation, epochs, batch_size, optimizer, learning_rate, final_learning_rate, beside, patience
) -> None:
    for name, value in {"epochs": epochs, "batch_size": batch_size, "patience": patience}.items():
        if value is not None and not (is_whole(value) and value >= 1):
            raise ValueError(f"{name}: {value!r} is not a whole number > 0")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer: {optimizer!r} is not one of {', '.join(OPTIMIZERS)}")
    for name, value in {"learning_rate": learning_rate, "final_learning_rate": final_learning_rate}.items():
        if value is not None and not (_is_number(value) and 0 < value < math.inf):
            raise ValueError(f"{name}: {value!r} is not a number > 0")
    if patience is not None and not validation:
        raise ValueError(f"patience: {patience}, but there are no samples to validate on")
    if not lessons:
        raise ValueError("lessons: there are no samples to train on")
    columns = np.shape(lessons[0][1])[1:]
    targets = math.prod(columns)
    if not (_is_number(beside) and 0.0 <= beside < math.inf) or (beside > 0.0) != (targets > 1):
        raise ValueError(f"beside: {beside!r} is not allowed for {targets} target(s); it is 0 for one, > 0 for more")
    for label, sets in {"lessons": lessons, "validation": validation}.items():
        for number, (x, y, *_) in enumerate(sets):
            y = np.asarray(y)
            if y.shape != (len(x), *columns) or y.size == 0 or y.ndim > 2:
                raise ValueError(f"{label}: thresholds of shape {y.shape} for {len(x)} points in sample {number}")
            if not np.all(np.isfinite(y)):
                bad = np.argwhere(~np.isfinite(y))[0][0]
                raise ValueError(f"{label}: threshold {bad} of sample {number} is not finite")
    values = _columns([y for _, y, *_ in lessons])[:, 0]
    if not values.std() > 0:
        raise ValueError(f"lessons: all {len(values)} thresholds are {values[0]:g}; there is nothing to learn")


def check_motion(model: keras.Model, motion: float) -> int:
    """Refuse a weight of the motion that a model cannot learn with; return how many components it learns."""
    if not (_is_number(motion) and 0.0 <= motion < math.inf):
        raise ValueError(f"motion: {motion!r} is not a number >= 0")
    columns = sum(moves_from(model).values())
    if motion and not columns:
        raise ValueError(f"motion: {motion!r}, but {model.name} has no features that tell how atoms move; it is 0")
    return columns


def _check_motions(lessons: Lessons, motion: float, columns: int) -> None:
    for number, (x, _, *moves) in enumerate(lessons):
        if bool(motion) != bool(moves):
            known = "tells" if moves else "does not tell"
            raise ValueError(
                f"motion: {motion!r}, but sample {number} {known} how its atoms move; > 0 if it does, else 0"
            )
        if moves and np.shape(moves[0]) != (shape := (*x.points["atoms"].shape, columns)):
            raise ValueError(f"lessons: motion of shape {np.shape(moves[0])} in sample {number}, not {shape}")


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _columns(targets: Sequence[np.ndarray]) -> np.ndarray:
    """Targets of all points one below the other, shape (n, 1 + k); the first column holds the thresholds."""
    return np.concatenate([np.asarray(y, dtype=float).reshape(len(y), -1) for y in targets])


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

    def __init__(
        self,
        model: keras.Model,
        lessons: Lessons,
        validation: Lessons,
        batch_size: int,
        seed: int,
        mirror: bool,
        rates: np.ndarray,
    ) -> None:
        self.model, self.seed, self.mirror, self.rates = model, seed, mirror, rates
        y = _columns([y for _, y, *_ in lessons])
        self.mean, self.std = (np.array([moment(column) for column in y.T]) for moment in (np.mean, np.std))
        self.std += self.std == 0.0  # what never varies stays 0
        self.moves = _in_units([moves[0] for _, _, *moves in lessons if moves])
        self.lessons, self.validation = (self._grouped([each[:2] for each in part]) for part in (lessons, validation))
        self.batch_size = min(batch_size, *(len(y) for _, y in self.lessons))
        standardise(model, self.lessons[0][0] if len(self.lessons) == 1 else _values(self.lessons))
        self.loss: list[float] = []
        self.validation_loss: list[float] = []
        self.best: list[np.ndarray] = []
        self.seconds = 0.0

    def _grouped(self, lessons: Lessons) -> Lessons:
        """Points that can stand in one batch together, and standardised targets."""
        if lessons and not lessons[0][0].sample:
            lessons = [(joined([x for x, _ in lessons]), _columns([y for _, y in lessons]))]
        return [(x, ((_columns([y]) - self.mean) / self.std).astype(np.float32)) for x, y in lessons]

    def compile(self, optimizer: str, jit_compile: bool, half_precision: bool, beside: float, motion: float) -> None:
        """Prepare the part of the model up to the standardised threshold, and one with what is learned beside it.

        Both share the weights.
        """
        import keras

        self._set_precision("mixed_bfloat16" if half_precision else "float32")
        last = self.model.get_layer("standardised")
        self.network = self.learner = keras.Model(self.model.input, last.output)
        losses: list[Any] = ["mean_squared_error"]
        learned, weights = [last.output], [1.0]
        if beside:
            learned.append(
                keras.layers.Dense(len(self.mean) - 1, kernel_initializer="zeros", name="beside")(last.input)
            )
            losses, weights = [*losses, "mean_squared_error"], [*weights, beside]
        if motion:
            learned.append(self._motion_read_off())
            losses, weights = [*losses, _error_of_motion], [*weights, motion]
        if len(learned) > 1:
            self.learner = keras.Model(self.model.input, learned)
        kind = {"adamax": keras.optimizers.Adamax, "adamw": keras.optimizers.AdamW}[optimizer]
        more = {"weight_decay": WEIGHT_DECAY, "global_clipnorm": LARGEST_GRADIENT} if optimizer == "adamw" else {}
        self.optimizer = kind(self.rates[0], **more)
        self.learner.compile(self.optimizer, loss=losses, loss_weights=weights, jit_compile=jit_compile)
        self.normalised = [
            (layer, keras.Model(self.model.input, layer.input))
            for layer in self.network.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        self.optimizer.build(self.learner.trainable_variables)
        self.fingerprint = self._fingerprint(optimizer, beside, motion)

    def _motion_read_off(self):
        """How the Si of every disc move, read off the features of the Si."""
        import keras

        parts = []
        for name, columns in moves_from(self.model).items():
            x = self.model.get_layer(name).output
            x = keras.layers.Dense(x.shape[-1], "relu", name=f"hidden_of_{name}")(x)
            parts.append(keras.layers.Dense(columns, kernel_initializer="zeros", name=f"motion_of_{name}")(x))
        return keras.layers.Concatenate(name="motion")(parts)

    def _set_precision(self, policy: str) -> None:
        """Set the numbers that convolutions and what follows them without weights work with."""
        import keras

        kinds = (keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.Flatten, keras.layers.Dropout)
        if any(isinstance(layer, keras.layers.Conv2D) for layer in self.model.layers):
            for layer in self.model.layers:
                if isinstance(layer, kinds):
                    layer.dtype_policy = policy

    def epoch(self, number: int) -> None:
        """Visit every point once."""
        started = time.perf_counter()
        random = np.random.default_rng([self.seed, number])
        self.optimizer.learning_rate = self.rates[number]
        losses = []
        for group, batch in self._batches(random):
            x, y = self.lessons[group]
            given, wanted = x.take(batch), [y[batch, :1]]
            if y.shape[1] > 1:
                wanted.append(y[batch, 1:])
            if self.moves:
                wanted.append(self.moves[group][batch].astype(np.float32))
            if self.mirror:
                chosen = random.integers(len(SIGNS), size=1 if x.sample else len(batch))
                given = mirrored(given, np.broadcast_to(SIGNS[chosen], (len(batch), 2)))
                if self.moves:
                    wanted[-1] *= np.tile(SIGNS[chosen[0]], wanted[-1].shape[-1] // 2)
            losses.append(np.ravel(self.learner.train_on_batch(given, wanted))[:2][-1])  # of the thresholds
        self.loss.append(float(np.mean(losses)))
        self._settle()
        if self.validation:
            self._validate()
        self.seconds += time.perf_counter() - started

    def _batches(self, random: np.random.Generator) -> list[tuple[int, np.ndarray]]:
        """Groups and numbers of points of all batches of an epoch, in random order."""
        batches = []
        for group, (_, y) in enumerate(self.lessons):
            order = random.permutation(len(y))
            full = len(y) // self.batch_size * self.batch_size
            batches += [(group, batch) for batch in order[:full].reshape(-1, self.batch_size)]
        return [batches[n] for n in random.permutation(len(batches))]

    def is_flat(self, patience: int | None) -> bool:
        """Whether the validation loss has not fallen for so many epochs."""
        if patience is None or not self.validation_loss:
            return False
        return len(self.validation_loss) - 1 - int(np.argmin(self.validation_loss)) >= patience

    def _settle(self) -> None:
        """Set the statistics of batch normalisation to those of the weights as they are now.

        The running averages lag behind the weights. That error was larger than what the average over atoms varies from
        disc to disc, and the validation loss jumped by factors of ten between epochs.
        """
        x, y = self.lessons[0]
        size = min(len(y), SETTLE_BATCH)
        some = np.arange(min(len(y) // size, SETTLE_BATCHES) * size)
        spread = some * len(y) // len(some)
        signs = SIGNS[some % (len(SIGNS) if self.mirror else 1)]
        for layer, before in self.normalised:
            parts = [before.predict_on_batch(mirrored(x.take(spread[at]), signs[at])) for at in some.reshape(-1, size)]
            features = np.concatenate(parts).astype(float)
            layer.moving_mean.assign(features.mean(axis=0))
            layer.moving_variance.assign(features.var(axis=0))

    def _validate(self) -> None:
        errors = [(outputs(self.network, x) - y[:, 0]) ** 2 for x, y in self.validation]
        loss = float(np.mean(np.concatenate(errors)))
        if loss < min(self.validation_loss, default=math.inf):
            self.best = self.network.get_weights()
        self.validation_loss.append(loss)

    def finish(self, optimizer: str, stopped: bool) -> xr.Dataset:
        """Leave the model with its best weights and return the history."""
        from keras.config import backend

        if self.best:
            self.network.set_weights(self.best)
        self._set_precision("float32")
        threshold = self.model.get_layer("threshold")
        mean, std = float(self.mean[0]), float(self.std[0])
        threshold.mean.assign(mean)
        threshold.std.assign(std)
        about = {
            "epochs": len(self.loss),
            "stopped": stopped,
            "batch_size": self.batch_size,
            "training_seed": self.seed,
            "optimizer": optimizer,
            "first_learning_rate": float(self.rates[0]),
            "last_learning_rate": float(self.rates[-1]),
            "training_points": sum(len(y) for _, y in self.lessons),
        }
        update_metadata(self.model, mirror=self.mirror, mean=mean, std=std, **about)
        error = {"units": "1", "long_name": "mean squared error of the standardised threshold"}
        history = {"loss": ("epoch", self.loss, error)}
        if self.validation:
            history["validation_loss"] = ("epoch", self.validation_loss, error)
        epoch = ("epoch", np.arange(1, len(self.loss) + 1), {"units": "1", "long_name": "epoch"})
        here = {"model": self.model.name, "seconds": self.seconds, "backend": backend(), "threads": threads()}
        return xr.Dataset(history, {"epoch": epoch}, here | about)

    def _variables(self) -> list[keras.Variable]:
        return [*self.learner.variables, *self.optimizer.variables]

    def _fingerprint(self, optimizer: str, beside: float, motion: float) -> str:
        """Sum over what must be the same for a training to continue: first weights, data and settings."""
        digest = hashlib.sha256()
        for x, y in [*self.lessons, *self.validation]:
            first = next(iter(x.points.values()))
            digest.update(repr([array.shape for array in x.take(slice(None)).values()]).encode())
            digest.update(first[:: max(1, len(first) // 100)].tobytes())  # images may be gigabytes
            digest.update(y.tobytes())
        for moves in self.moves:
            digest.update(moves.tobytes())
        for weight in self.network.get_weights():
            digest.update(weight.tobytes())
        digest.update(repr((self.batch_size, self.seed, self.mirror, optimizer, beside, motion)).encode())
        return digest.hexdigest()

    def store(self, path: Path) -> None:
        """Write the state to a file, whole or not at all."""
        from keras.ops import convert_to_numpy as to_numpy

        arrays = {f"variable_{n}": to_numpy(v) for n, v in enumerate(self._variables())}
        arrays |= {f"best_{n}": weight for n, weight in enumerate(self.best)}
        arrays |= {"loss": self.loss, "validation_loss": self.validation_loss, "rates": self.rates}
        arrays["seconds"] = np.array(self.seconds)
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
        self.seconds = float(stored["seconds"])
        self.best = [stored[f"best_{n}"] for n in range(sum(name.startswith("best_") for name in stored))]
        for n, variable in enumerate(self._variables()):
            variable.assign(stored[f"variable_{n}"])


def _in_units(moves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Motions of all samples, each (two columns) in units of its root mean square; 16 bits, as they are large."""
    if not moves:
        return []
    square, known = (sum(np.sum(f(m), axis=(0, 1)) for m in moves) for f in (_squares, np.isfinite))
    unit = np.repeat(np.sqrt(square.reshape(-1, 2).sum(axis=1) / known.reshape(-1, 2).sum(axis=1)), 2)
    return [(m / unit).astype(np.float16) for m in moves]


def _squares(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(np.square(values, dtype=float))


def _error_of_motion(wanted, found):
    """Sum of the mean squared errors of the motions, where they are known."""
    from keras import ops

    known = ops.logical_not(ops.isnan(wanted))
    error = ops.where(known, ops.where(known, wanted, 0.0) - found, 0.0)
    of_each = ops.sum(error**2, axis=(0, 1)) / ops.maximum(ops.sum(ops.cast(known, found.dtype), axis=(0, 1)), 1.0)
    return 0.5 * ops.sum(of_each)  # two components each


def threads() -> int:
    """Return how many threads a step may use: what TF_NUM_INTRAOP_THREADS says, else one a core."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)) or os.cpu_count() or 1


def _values(lessons: Lessons) -> Inputs:
    """One that holds the arrays of all samples one after the other, for statistics."""
    parts = [Inputs(x.take(slice(None))) for x, _ in lessons]
    return joined(parts)
