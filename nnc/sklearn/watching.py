"""The callbacks of an MLP's training: nnc's and scikit-learn's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc.callbacks import Callback
from nnc.callbacks.run import CallbackList
from nnc.layers import Layer
from nnc.metrics import Metric
from nnc.optimizers import Optimizer
from nnc.sklearn.stochastic import Trainer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class ModelView:
    """The network in training, with the interface that callbacks use; see `nnc.callbacks.base.Model`."""

    def __init__(self, estimator: Any, trainer: Trainer, dtype: np.dtype) -> None:
        self.stop_training = False
        self.estimator, self.trainer, self.dtype = estimator, trainer, dtype

    @property
    def layers(self) -> list[Layer]:
        return self.trainer.stack.layers

    @property
    def optimizer(self) -> Optimizer:
        return self.trainer.optimizer

    @property
    def metrics(self) -> list[Metric]:
        return []

    @property
    def metrics_names(self) -> list[str]:
        return ["loss"]

    def get_weights(self) -> list[np.ndarray]:
        return self.trainer.plan.get_parameters()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        self.trainer.plan.set_parameters(weights)

    def give(self) -> Any:
        """The estimator, with the current weights."""
        estimator = self.estimator
        estimator.coefs_, estimator.intercepts_, estimator._normalizations = self.trainer.weights(self.dtype)
        return estimator

    def predict(self, x: Any) -> np.ndarray:
        return self.give()._outputs(x)

    def evaluate(self, x: Any, y: Any) -> float:
        return self.give().score(x, y)

    def save(self, filepath: str | os.PathLike[str]) -> None:
        self.give().to_sequential().save(filepath)

    def save_weights(self, filepath: str | os.PathLike[str]) -> None:
        self.give().to_sequential().save_weights(filepath)

    def checkpoint(self, filepath: str | os.PathLike[str], weights_only: bool = False) -> None:
        self.give().to_sequential().checkpoint(filepath, weights_only)


class Watchers:
    """The callbacks of one `fit`, as a context manager around the training.

    Attributes
    ----------
    any : bool
        Whether a callback needs single epochs.
    per_batch : bool
        Whether a callback needs single steps.
    """

    def __init__(self, estimator: Any, trainer: Trainer, data: tuple[Any, Any, Any], dtype: np.dtype) -> None:
        self.estimator, self.data = estimator, data
        given = estimator.callbacks
        callbacks = [given] if isinstance(given, Callback) else list(given or ())
        self.view = ModelView(estimator, trainer, dtype)
        params = {"epochs": estimator.max_iter, "initial_epoch": 0, "steps": None, "verbose": 0}
        self.callbacks = CallbackList(callbacks, self.view, params)
        self.context: Any = None  # scikit-learn's
        self.epoch = 0
        self.any = bool(callbacks) or bool(getattr(estimator, "_skl_callbacks", None))
        self.per_batch = self.callbacks.per_batch or self.callbacks.has("on_steps")
        if self.per_batch:
            trainer.watch = self._slice

    def _slice(self, steps: int, loss: float | None) -> None:
        """Called before a step (loss is None), and after a step or a slice of steps."""
        if loss is None:
            self.callbacks("on_train_batch_begin", steps, {})
            return
        if self.callbacks.per_batch:
            self.callbacks("on_train_batch_end", steps - 1, {"loss": loss})
        self.callbacks("on_steps", steps, {"loss": loss})

    def __enter__(self) -> Watchers:
        if getattr(self.estimator, "_skl_callbacks", None):
            self.context = self.estimator._init_callback_context(max_subtasks=self.estimator.max_iter)
            self._tell(self.context, "begin")
        self.callbacks("on_train_begin", {})
        return self

    def __exit__(self, *_: object) -> None:
        self.view.trainer.watch = None
        self.callbacks("on_train_end", {})
        if self.context is not None:
            self._tell(self.context, "end")

    def _tell(self, context: Any, what: str) -> bool:
        """Call scikit-learn's hook of that name, with the estimator as if training had stopped here."""
        X, y, sample_weight = self.data

        def fitted() -> dict[str, Any]:
            coefs, intercepts, normalizations = self.view.trainer.weights(self.view.dtype)
            return {"coefs_": coefs, "intercepts_": intercepts, "_normalizations": normalizations}

        return bool(
            getattr(context, f"call_on_fit_task_{what}")(
                estimator=self.estimator,
                X=X,
                y=self.estimator._labels(y),
                metadata={"sample_weight": sample_weight},
                reconstruction_attributes=fitted,
            )
        )

    def begin(self) -> None:
        """Called before an epoch."""
        if not self.any:
            return
        if self.context is not None:
            self.of_epoch = self.context.subcontext(task_name="epoch")
            self._tell(self.of_epoch, "begin")
        self.callbacks("on_epoch_begin", self.epoch, {})

    def end(self, loss: float, score: float | None) -> bool:
        """Called after an epoch; returns whether a callback requests the end of the training."""
        if not self.any:
            return False
        logs = {"loss": loss} if score is None else {"loss": loss, "val_score": score}
        self.callbacks("on_epoch_end", self.epoch, logs)
        self.epoch += 1
        stop = self.view.stop_training
        if self.context is not None:
            stop = self._tell(self.of_epoch, "end") or stop
        return stop
