"""A model that is used: evaluation, predictions, outputs of layers and gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np

from nnc._config import integer
from nnc.callbacks import Callback
from nnc.callbacks.progress import RowsBar, resolve, text
from nnc.callbacks.run import CallbackList
from nnc.layers import Layer
from nnc.models import prepare
from nnc.models.batches import Batches, first_batches, is_batches, refuse_with_batches, rows_of_a_batch
from nnc.models.engine import cut
from nnc.models.inputs import Arrays
from nnc.models.stack import Stack
from nnc.models.stored import StoredModel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# The loss, or [loss, *metrics]: with a union, every caller that knows its metrics would have to narrow it.
Result: TypeAlias = Any

_FLOAT32 = np.dtype(np.float32)


class PredictingModel(StoredModel):
    """The part of `Sequential` that computes with the weights and does not change them."""

    @overload
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: Literal[False] = False,
    ) -> Result: ...
    @overload
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, Any]: ...
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Result:
        """Return the loss (penalties included) and the metrics, in inference mode.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; x may be an iterable of batches.
        batch_size : int, optional
            Only matters with `steps`: the result is always that of all rows at once.
        verbose : {0, 1, 2, "auto"}
            Silent, a progress bar, or a line; "auto" is a bar on a terminal and silent elsewhere.
        steps : int, optional
            Number of batches to evaluate; by default all.
        callbacks : list of Callback, optional
            Their hooks `on_test_...` are called; for callbacks with batch hooks, batches have `batch_size`
            rows.
        return_dict : bool
            Whether to return {"loss": ..., ...} instead of [loss, ...] (a float if there are no metrics).

        Returns
        -------
        float, list of float or dict
            The loss, [loss, metrics...], or both by name.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> model.evaluate([[1.0], [2.0]], [2.0, 4.0])
        [2.5, 1.5]
        >>> model.evaluate([[1.0], [2.0]], [2.0, 4.0], return_dict=True)
        {'loss': 2.5, 'mae': 1.5}
        """
        verbose = resolve(verbose, elsewhere=0)
        if batch_size is not None:
            batch_size = integer("batch_size", batch_size, 1)
        if steps is not None:
            steps = integer("steps", steps, 1)
        batch_rows = batch_size
        parts: Iterable[Arrays]
        if is_batches(x, y):
            refuse_with_batches(batch_size=batch_size, sample_weight=sample_weight)
            parts, rows = prepare.batches_of(self._engine, Batches(x, steps)), None
        else:
            arrays = prepare.rows_of(self._engine, x, y, sample_weight)
            batch_rows = rows_of_a_batch(len(arrays.x), batch_size, steps)
            arrays = first_batches(arrays, steps, batch_rows)
            parts, rows = [arrays], len(arrays.x)
        run = self._side_run(callbacks)
        run("on_test_begin", {})
        with RowsBar(rows, "evaluate", verbose) as tick:
            logs = self._engine.evaluate(parts, tick, run.watching("test"), batch_rows)
        run("on_test_end", logs)
        if verbose:
            print(text(logs), flush=True)
        return result_of(logs, return_dict)

    @overload
    def test_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        return_dict: Literal[False] = False,
    ) -> Result: ...
    @overload
    def test_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, Any]: ...
    def test_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        return_dict: bool = False,
    ) -> Result:
        """Return the loss and the metrics of one batch, as `evaluate` does.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`, for the rows of one batch.
        return_dict : bool
            As in `evaluate`.

        Returns
        -------
        float, list of float or dict

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", "mse")
        >>> model.test_on_batch([[1.0], [2.0]], [2.0, 4.0])
        2.5
        """
        return result_of(
            self._engine.evaluate([prepare.rows_of(self._engine, x, y, sample_weight)], int), return_dict
        )

    def reset_metrics(self) -> None:
        """Reset the metrics, as every call that computes them does itself when it begins.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", "mse", metrics=[nnc.metrics.AUC()])
        >>> model.reset_metrics()
        """
        for metric in self._engine.metrics:
            metric.reset_state()

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> np.ndarray:
        """Return the outputs, in inference mode.

        Parameters
        ----------
        x : array-like (n, *input_shape), or an iterable of batches x
        batch_size : int, optional
            Only matters with `steps`; the outputs of a row are bitwise the same in any batch.
        verbose : {0, 1, 2, "auto"}
            1 shows a progress bar; "auto" does so on a terminal.
        steps : int, optional
            Number of batches to predict; by default all.
        callbacks : list of Callback, optional
            Their hooks `on_predict_...` are called.

        Returns
        -------
        ndarray (n, *output_shape)
            float32 (float64 with backend="reference").

        Raises
        ------
        ValueError
            If x has another shape than the model's samples, or the model has no layers.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(2, kernel_initializer="ones")])
        >>> model.predict([[1.0, 2.0], [3.0, 4.0]])
        array([[3., 3.],
               [7., 7.]], dtype=float32)
        """
        verbose = resolve(verbose, elsewhere=0)
        if batch_size is not None:
            batch_size = integer("batch_size", batch_size, 1)
        if steps is not None:
            steps = integer("steps", steps, 1)
        run = self._side_run(callbacks)
        run("on_predict_begin", {})
        parts, rows = prepare.feature_parts(self._stack, x, batch_size, steps)
        with RowsBar(rows, "predict", verbose) as tick:
            watch = run.watching("predict")
            if watch is None:
                found = [self._engine.predict(part, tick) for part in parts]
            else:
                batch_rows = rows_of_a_batch(rows, batch_size, steps) if rows else None
                found = [*self._watched(parts, batch_rows, tick, watch)]
        if not found:
            raise ValueError("x yielded no batches")
        outputs = found[0] if len(found) == 1 else np.concatenate(found)
        run("on_predict_end", {})
        return outputs.reshape(len(outputs), *self._stack.shapes()[1])

    def _watched(
        self, parts: Iterable[np.ndarray], size: int | None, tick: Callable[[int], Any], watch: CallbackList
    ) -> Iterator[np.ndarray]:
        """Yield the outputs of the parts batch by batch, calling the callbacks' hooks around each."""
        shape, batches = self._stack.shapes()[1] if self.built else None, count()
        for part in parts:
            for start, stop in cut(len(part), size or len(part)):
                batch = next(batches)
                watch("on_predict_batch_begin", batch, {})
                outputs = self._engine.predict(part[start:stop], tick)
                shape = shape or self._stack.shapes()[1]
                watch("on_predict_batch_end", batch, {"outputs": outputs.reshape(len(outputs), *shape)})
                yield outputs

    def predict_on_batch(self, x: ArrayLike) -> np.ndarray:
        """Return the outputs for one batch, in inference mode; the fastest call for a few rows at a time.

        Parameters
        ----------
        x : array-like (n, *input_shape)
            A C-contiguous float32 array is passed to the core as it is.

        Returns
        -------
        ndarray (n, *output_shape)
            float32 (float64 with backend="reference").

        Examples
        --------
        >>> import numpy as np
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.predict_on_batch(np.array([[1.0, 2.0]], np.float32))
        array([[3.]], dtype=float32)
        """
        plan = self._engine.flat_plan
        if plan is not None and type(x) is np.ndarray and x.dtype is _FLOAT32:
            flags = x.flags
            if x.ndim == 2 and x.shape[1] == plan.n_inputs and flags.c_contiguous and flags.aligned:
                return plan.forward(x)
        rows = prepare.feature_rows(self._stack, x)
        return self._engine.forward(rows).reshape(len(rows), *self._stack.shapes()[1])

    def __call__(self, inputs: ArrayLike, training: bool = False) -> np.ndarray:
        """As `predict_on_batch`."""
        if training:
            raise ValueError(f"training must be False: models are trained by fit, got {training!r}")
        return self.predict_on_batch(inputs)

    def layer_output(self, x: ArrayLike, layer: Layer | PredictingModel | str | int) -> np.ndarray:
        """Return the outputs of one of the layers for x, in inference mode.

        Parameters
        ----------
        x : array-like (n, *input_shape)
        layer : Layer, Sequential, str or int
            The layer, its name or its index in `layers`.

        Returns
        -------
        ndarray (n, *layer.output_shape)
            The outputs, after the layer's activation.

        Raises
        ------
        ValueError
            If the model has no such layer, or x another shape than the model's samples.

        Examples
        --------
        >>> import nnc
        >>> hidden = nnc.layers.Dense(2, "relu", kernel_initializer="ones")
        >>> model = nnc.Sequential([nnc.Input((3,)), hidden, nnc.layers.Dense(1)])
        >>> model.layer_output([[1.0, 2.0, 3.0]], hidden).tolist()
        [[6.0, 6.0]]
        """
        part: Any = layer
        if isinstance(layer, str | int):
            part = self._stack.get(layer) if isinstance(layer, str) else self._stack.get(index=layer)
        elif isinstance(layer, PredictingModel):
            part = layer._stack
        last: Any = part.layers[-1] if isinstance(part, Stack) and part.layers else part
        if last not in self._stack.layers:
            raise ValueError(f"layer must be a layer of the model, its name or its index, got {layer!r}")
        rows = prepare.feature_rows(self._stack, x)
        outputs = self._engine.layer_output(rows, self._stack.layers.index(last) + 1)
        return outputs.reshape(len(rows), *(last.output_shape or ()))

    def gradients(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, training: bool = False
    ) -> list[np.ndarray]:
        """Return the gradient of the loss over one batch, penalties included, for every weight.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`, taken as one batch.
        training : bool
            Whether dropout is active, as it would be in the next step.

        Returns
        -------
        list of ndarray
            In the order and with the shapes of `get_weights`.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(loss="mse")
        >>> kernel, bias = model.gradients([[2.0]], [[0.0]])  # the loss is (2 w + b)^2, at w = 1, b = 0
        >>> float(kernel[0, 0]), float(bias[0])
        (8.0, 4.0)
        """
        return self._engine.gradients(prepare.rows_of(self._engine, x, y, sample_weight), bool(training))

    def _side_run(self, callbacks: Callback | Sequence[Callback] | None) -> CallbackList:
        return CallbackList(listed(callbacks), self, {})


def listed(callbacks: Callback | Sequence[Callback] | None) -> list[Callback]:
    """The argument `callbacks` as a list."""
    return [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())


def result_of(logs: dict[str, Any], return_dict: bool) -> Result:
    """The logs in the form that evaluations return."""
    if return_dict:
        return logs
    return list(logs.values()) if len(logs) > 1 else logs["loss"]
