"""Training on the mean squared error by Keras; it can be resumed, and the same seed gives the same weights."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from ..network.geometry import is_integer
from .models import metadata, record
from .session import keras_session

if TYPE_CHECKING:
    import keras

TrainingSet: TypeAlias = Sequence[tuple[Any, ...]]  # of each sample Inputs, targets, and perhaps the motion of its Si
OPTIMIZERS = ("adamax", "adamw")


@dataclass(frozen=True)
class Settings:
    """How a network is trained; ValueError if a setting makes no sense.

    Attributes
    ----------
    epochs : int
        Number of passes over the points.
    batch_size : int
        Points in one step, at most those of a sample where a network reads the whole sample; not given in the paper.
    seed : int
        Seed of the order of the points and of the choice of mirror images.
    optimizer : str
        "adamax" as in the paper, or "adamw": Adam with a weight decay of 0.05, gradients cut to norm 1.
    learning_rate : float
        Learning rate; 1e-3 in the paper.
    final_learning_rate : float, optional
        Rate of the last epoch, reached along half a cosine. Without it the rate is constant, as in the paper.
    mirror : bool
        Train on one of the four mirror images of each point, drawn anew in every epoch: x -> -x and y -> -y leave the
        threshold under pure shear unchanged.
    auxiliary_weight : float
        Weight of the mean squared error of all further targets, each standardised. They are read off the last hidden
        layer, by weights that are left out of the model afterwards.
    motion_weight : float
        Weight of the mean squared errors of the three motions, each in units of its root mean square, for networks
        with features of every Si of a disc ("listi_large"). They are read off these features, likewise, by weights
        that are first drawn as those of the model: `models.build` right before, for the same ones.
    patience : int, optional
        Stop when the validation loss has not fallen below its lowest value for so many epochs.
    jit_compile : bool
        Let XLA compile the training step; the result is the same within rounding.
    half_precision : bool
        Multiply in 16 bits (bfloat16) in the convolutions while training; weights and sums keep 32. Some processors do
        that three times as fast.
    """

    epochs: int = 100
    batch_size: int = 64
    seed: int = 0
    optimizer: str = "adamax"
    learning_rate: float = 1e-3
    final_learning_rate: float | None = None
    mirror: bool = False
    auxiliary_weight: float = 0.0
    motion_weight: float = 0.0
    patience: int | None = None
    jit_compile: bool = False
    half_precision: bool = False

    def __post_init__(self) -> None:
        def refuse(names: str, allowed: Callable[[Any], bool], kind: str) -> None:
            for name in names.split():
                value = getattr(self, name)
                if not (value is None and name in ("patience", "final_learning_rate")) and not allowed(value):
                    raise ValueError(f"{name}: {value!r} is not {kind}")

        def is_number(value: Any) -> bool:
            return isinstance(value, numbers.Real) and not isinstance(value, bool) and value < math.inf

        refuse("mirror jit_compile half_precision", lambda v: isinstance(v, (bool, np.bool_)), "true or false")
        refuse("epochs batch_size patience", lambda v: is_integer(v) and v >= 1, "a whole number > 0")
        refuse("optimizer", lambda v: v in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}")
        refuse("learning_rate final_learning_rate", lambda v: is_number(v) and v > 0, "a number > 0")
        refuse("auxiliary_weight motion_weight", lambda v: is_number(v) and v >= 0, "a number >= 0")

    def rates(self) -> np.ndarray:
        """Return the learning rate of every epoch."""
        if self.final_learning_rate is None:
            return np.full(self.epochs, self.learning_rate)
        phase = np.linspace(0.0, math.pi, self.epochs)
        return self.final_learning_rate + (self.learning_rate - self.final_learning_rate) * 0.5 * (1.0 + np.cos(phase))


SETTINGS = tuple(field.name for field in fields_of(Settings) if field.name != "seed")


@keras_session()
def fit(
    model: keras.Model,
    training: TrainingSet,
    validation: TrainingSet = (),
    checkpoint: str | os.PathLike | None = None,
    resume: bool = True,
    report: Callable[[int, float, float], None] | None = None,
    last: keras.Model | None = None,
    **settings,
) -> xr.Dataset:
    """Train a model in place and leave it with the weights of the epoch of lowest validation loss.

    Targets are standardised with the mean and standard deviation of the thresholds, and so are the inputs of the
    model's `Scale` layers. The model keeps all and predicts in the unit of the thresholds. Each epoch visits all points
    in full batches, in an order drawn from the seed and the number of the epoch; those that do not fill a batch are
    left out of that epoch. Where a network reads the whole sample, a batch is of one sample.

    Parameters
    ----------
    model : keras.Model
        Built by `models.build`.
    training : sequence of (Inputs, ndarray) or (Inputs, ndarray, ndarray)
        Of each sample what `models.inputs` returns for n points, and their thresholds, shape (n,), in any one unit of
        stress; or, shape (n, 1 + k), the thresholds and further targets at these points. Last, with a `motion_weight`,
        how the Si of every disc move, shape (n, rows, 6): response, displacement and direction of
        `listi.probing.motion`, NaN where that is not known.
    validation : sequence of (Inputs, ndarray)
        The same of samples that are not trained on, to watch the loss. Without it the weights are those of the last
        epoch.
    checkpoint : path-like, optional
        File for the state of the training, replaced after every epoch.
    resume : bool
        Continue from the checkpoint if there is one. The result is the same as without the interruption.
    report : callable, optional
        Called after every epoch with its number, loss and validation loss (NaN without `validation`).
    last : keras.Model, optional
        Another model, built as `model`, to be left with the weights of the last epoch.
    **settings
        See `Settings`.

    Returns
    -------
    xarray.Dataset
        `loss` and (with `validation`) `validation_loss` over `epoch`: mean squared error of standardised thresholds.
        Attributes: settings, `epoch` of the weights, `seconds` spent, `backend`, `threads`, and whether it `stopped`
        early.

    Raises
    ------
    ValueError
        If a parameter makes no sense, the checkpoint is damaged or belongs to another training, or the training
        diverges.
    DataError
        If the checkpoint cannot be written.
    """
    chosen = Settings(**settings)
    _check(training, validation, chosen)
    _check_motion(training, chosen.motion_weight, motion_components(model, chosen.motion_weight))
    from .training import Training

    run = Training(model, training, validation, chosen)
    if checkpoint is not None and resume and Path(checkpoint).exists():
        run.restore(Path(checkpoint))
    run.train(None if checkpoint is None else Path(checkpoint), report)
    return run.finish(last)


def _check(training: TrainingSet, validation: TrainingSet, settings: Settings) -> None:
    if settings.patience is not None and not validation:
        raise ValueError(f"patience: {settings.patience}, but there are no samples to validate on")
    if not training:
        raise ValueError("training: there are no samples to train on")
    columns = np.shape(training[0][1])[1:]
    targets, weight = math.prod(columns), settings.auxiliary_weight
    if (weight > 0.0) != (targets > 1):
        raise ValueError(
            f"auxiliary_weight: {weight!r} is not allowed for {targets} target(s); it is 0 for one, > 0 for more"
        )
    for label, samples in {"training": training, "validation": validation}.items():
        for number, (x, y, *_) in enumerate(samples):
            y = np.asarray(y)
            if y.shape != (len(x), *columns) or y.size == 0 or y.ndim > 2:
                raise ValueError(f"{label}: thresholds of shape {y.shape} for {len(x)} points in sample {number}")
            if not np.all(np.isfinite(y)):
                bad = np.argwhere(~np.isfinite(y))[0][0]
                raise ValueError(f"{label}: threshold {bad} of sample {number} is not finite")
    values = as_columns([y for _, y, *_ in training])[:, 0]
    if not values.std() > 0:
        raise ValueError(f"training: all {len(values)} thresholds are {values[0]:g}; there is nothing to learn")


def motion_components(model: keras.Model, weight: float) -> int:
    """Return how many components of the motion a model can learn; ValueError for a weight > 0 if it cannot."""
    components = sum(record(metadata(model)["name"]).auxiliary_heads.values())
    if weight and not components:
        raise ValueError(f"motion_weight: {weight!r}, but {model.name} has no features of single Si; it is 0")
    return components


def _check_motion(training: TrainingSet, weight: float, components: int) -> None:
    for number, (x, _, *motion) in enumerate(training):
        if bool(weight) != bool(motion):
            has = "has" if motion else "lacks"
            raise ValueError(
                f"motion_weight: {weight!r}, but sample {number} {has} the motion of its atoms; > 0 if it has, else 0"
            )
        if motion and np.shape(motion[0]) != (shape := (*x.points["atoms"].shape, components)):
            raise ValueError(f"training: motion of shape {np.shape(motion[0])} in sample {number}, not {shape}")


def as_columns(targets: Sequence[np.ndarray]) -> np.ndarray:
    """Stack the targets of all points, shape (n, 1 + k); the first column holds the thresholds."""
    return np.concatenate([np.asarray(y, dtype=float).reshape(len(y), -1) for y in targets])


def threads() -> int:
    """Return how many threads a step may use: what TF_NUM_INTRAOP_THREADS says, else one a core."""
    return int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)) or os.cpu_count() or 1
