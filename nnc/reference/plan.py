"""The complete plan: batches, forward pass, loss, backward pass and update, step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .activation import Activation
from .base import LAYERS, Layer
from .bfloat16 import PRODUCTS
from .formulas import METRICS, Array, check_targets, check_values, divisor, look_up, loss, metric_rows
from .optimizers import clip, constrained, move, slot_names

# A final activation and the loss that cancels it: both together are computed from logits, which is exact
# where a probability rounds to 0 or 1, and cheaper in the backward pass.
FUSED = {"softmax": "categorical_crossentropy", "sigmoid": "binary_crossentropy"}


def build_layers(rows: list[dict], n_inputs: int, precision: str = "float32") -> list[Layer]:
    """Create the layers of a plan's rows; a row with a product and an activation becomes two layers."""
    look_up(PRODUCTS, precision, "precision")
    layers: list[Layer] = []
    for index, row in enumerate(rows):
        kinds = [look_up(LAYERS, row["kind"], f"kind of layer {index}")]
        if kinds[0] is not Activation and row.get("activation", "linear") != "linear":
            kinds.append(Activation)
        if not kinds[0].differentiable and any(layer.shapes for layer in layers):
            raise ValueError(f"layer {index}: {row['kind']} must come before every layer with parameters")
        for kind in kinds:
            layers.append(kind(row | {"precision": precision}, n_inputs, index))
            n_inputs = layers[-1].n_outputs
    return layers


class Plan:
    """A network ready to run, in NumPy float64: the specification of the compiled ``nnc._core.Plan``.

    Rows are flat: a row of x has n_inputs features, a row of the outputs n_outputs. The parameters are zero
    until they are set.

    Parameters
    ----------
    n_inputs : int
        Features of a row of x.
    layers : list of dict
        One row for each layer: "kind" (of ``LAYERS``) and the arguments of that kind.
    loss : dict, optional
        See `nnc.reference.loss`; if it is "by_weight", the penalties are divided like the batch's losses. A
        final softmax with categorical_crossentropy, or sigmoid with binary_crossentropy, is fused with it:
        the loss is computed from the logits, without clipping; the outputs are still probabilities.
    metrics : list of dict
        See `nnc.reference.metric`; computed from the outputs, unweighted.
    optimizer : dict, optional
        See `nnc.reference.update`.
    batch_size : int
        The largest batch of `train`; `forward` and `evaluate` process any number of rows in chunks of it.
    seed : int
        Key of the random numbers of dropout and random_affine, 64 bits.
    precision : str
        Of the products of dense and convolutional layers: "float32" (float64 here), or "bfloat16", whose
        operands are rounded and whose sums are float32, see `nnc.reference.bfloat16`. All else is float64.

    Raises
    ------
    ValueError
        If a name is unknown or a number is out of range.

    Examples
    --------
    >>> row = {"kind": "dense", "units": 1, "use_bias": False, "activation": "linear", "alpha": 0.0,
    ...        "group": 1, "kernel_l1": 0.0, "kernel_l2": 0.0, "bias_l1": 0.0, "bias_l2": 0.0}
    >>> plan = Plan(2, [row])
    >>> plan.set_parameters([np.array([[1.0], [10.0]])])
    >>> plan.forward(np.array([[1.0, 2.0]]))
    array([[21.]])
    """

    def __init__(
        self,
        n_inputs: int,
        layers: list[dict],
        *,
        loss: dict | None = None,
        metrics: Sequence[dict] = (),
        optimizer: dict | None = None,
        batch_size: int = 32,
        seed: int = 0,
        precision: str = "float32",
    ):
        if n_inputs < 1 or batch_size < 1:
            raise ValueError(f"n_inputs {n_inputs} and batch_size {batch_size}: both must be at least 1")
        self.n_inputs, self.batch_size, self.seed, self.precision = n_inputs, batch_size, seed, precision
        self._layers = build_layers(layers, n_inputs, precision)
        self.n_outputs = self._layers[-1].n_outputs if self._layers else n_inputs
        self._metrics, self._optimizer = list(metrics), optimizer or {}
        for spec in self._metrics:
            look_up(METRICS, spec["name"], "metric")

        # The loss is computed from the outputs of the layers before `_head`, the first that it does not need.
        self._loss, self._head = loss or {}, len(self._layers)
        last = self._layers[-1] if self._layers else None
        if loss and not loss["from_logits"] and isinstance(last, Activation):
            whole_row = last.row["activation"] != "softmax" or last.row["group"] == self.n_outputs
            if FUSED.get(last.row["activation"]) == loss["name"] and whole_row:
                self._loss, self._head = loss | {"from_logits": True}, self._head - 1

        self.parameter_names = [name for layer in self._layers for name in layer.shapes]
        self.parameter_shapes = [shape for layer in self._layers for shape in layer.shapes.values()]
        self.parameter_trainable = [
            flag and layer.is_trainable for layer in self._layers for flag in layer.trainable
        ]
        self._rules = [rules for layer in self._layers for rules in layer.rules()]
        self._penalties = [(rules.get("l1", 0.0), rules.get("l2", 0.0)) for rules in self._rules]
        self._parameters = [np.zeros(shape) for shape in self.parameter_shapes]
        self.n_slots = len(slot_names(optimizer)) if optimizer else 0
        self._slots = [[np.zeros(shape) for shape in shapes] for shapes in self._slot_shapes()]
        self._taped: tuple[list, tuple[int, ...], bool] | None = None  # tape, shape of outputs, training

    # -------------------------------------------------------------------------------------------------- state

    def get_parameters(self) -> list[Array]:
        """Return copies of the parameters in the order of `parameter_names`, layer by layer.

        Returns
        -------
        list of ndarray, float64

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> Plan(2, [row]).get_parameters()[0].tolist()
        [[0.0], [0.0]]
        """
        return [w.copy() for w in self._parameters]

    def set_parameters(self, parameters: Sequence[ArrayLike]) -> None:
        """Copy in arrays of `parameter_shapes`; a ValueError if their number or a shape differs.

        Parameters
        ----------
        parameters : list of array-like

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(2, [row])
        >>> plan.set_parameters([[[1.0], [10.0]]])
        >>> plan.forward(np.array([[1.0, 2.0]])).tolist()
        [[21.0]]
        """
        self._parameters = self._checked("parameters", parameters, self.parameter_shapes)

    def get_slots(self) -> list[list[Array]]:
        """Return copies of the optimizer's slots: a list of n_slots arrays for each trainable parameter, an
        empty list for the others.

        Returns
        -------
        list of list of ndarray, float64

        Examples
        --------
        >>> from nnc import optimizers
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(2, [row], optimizer=optimizers.Adam().spec())
        >>> [len(slots) for slots in plan.get_slots()]
        [2]
        """
        return [[slot.copy() for slot in slots] for slots in self._slots]

    def set_slots(self, slots: Sequence[Sequence[ArrayLike]]) -> None:
        """Copy in slots as returned by `get_slots`; a ValueError if their number or a shape differs.

        Parameters
        ----------
        slots : list of list of array-like

        Raises
        ------
        ValueError
            If their number or a shape differs.

        Examples
        --------
        >>> from nnc import optimizers
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(1, [row], optimizer=optimizers.SGD(momentum=0.9).spec())
        >>> plan.set_slots([[[[0.5]]]])
        >>> plan.step_forward(np.array([[0.0]]), epoch=0, step=0).tolist()
        [[0.0]]
        >>> plan.step_backward([[1.0]], learning_rate=0.1, step=0)
        True
        >>> plan.get_parameters()[0].tolist()  # v = 0.9 * 0.5 - 0.1 * 0
        [[0.45]]
        """
        if len(slots) != len(self._slots):
            raise ValueError(f"slots of {len(slots)} parameters: this plan has {len(self._slots)} parameters")
        pairs = zip(slots, self._slot_shapes(), strict=True)
        self._slots = [self._checked("slots", arrays, shapes) for arrays, shapes in pairs]

    def read_part(self, i: int, slot: int | None, first: int, n: int) -> Array:
        """Return a copy of the elements `first` to `first + n` of parameter i, or of one of its slots.

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(3, [row])
        >>> plan.set_parameters([[[1.0], [2.0], [3.0]]])
        >>> plan.read_part(0, None, 1, 2).tolist()
        [2.0, 3.0]
        """
        array = self._parameters[i] if slot is None else self._slots[i][slot]
        if not 0 <= first <= first + n <= array.size:
            raise ValueError(f"elements {first} to {first + n}: parameter {i} has {array.size}")
        return array.reshape(-1)[first : first + n].copy()

    def _slot_shapes(self):
        pairs = zip(self.parameter_shapes, self.parameter_trainable, strict=True)
        return [[shape] * self.n_slots if trainable else [] for shape, trainable in pairs]

    @staticmethod
    def _checked(what, arrays, shapes):
        arrays = [np.array(array, np.float64) for array in arrays]
        given = [array.shape for array in arrays]
        if given != shapes:
            raise ValueError(f"{what} of shapes {given}: this plan has {shapes}")
        return arrays

    # -------------------------------------------------------------------------------------- forward, backward

    def _layer_parameters(self):
        """Pair each layer with its parameters."""
        parameters = iter(self._parameters)
        return [(layer, [next(parameters) for _ in layer.shapes]) for layer in self._layers]

    def _run(self, x, noise):
        """Apply every layer to x (B, n_inputs); return each layer's input, the outputs and the tape."""
        values, tape = [np.asarray(x, np.float64)], []
        for layer, parameters in self._layer_parameters():
            own = noise and (layer.row.get("seed", noise[0]), *noise[1:])
            y, kept = layer.forward(values[-1], parameters, own)
            values.append(y)
            tape.append(kept)
        return values, tape

    def _backward(self, d, tape, penalty_factor=1.0):
        """Return every parameter's gradient, penalties included; d is that after the last taped layer."""
        gradients: list[Array] = []
        for (layer, parameters), kept in reversed(list(zip(self._layer_parameters(), tape, strict=False))):
            d, of_layer = layer.backward(d, parameters, kept)
            gradients = (
                of_layer if layer.is_trainable else [np.zeros_like(w) for w in parameters]
            ) + gradients
        penalties = zip(gradients, self._parameters, self._penalties, strict=True)
        return [g + penalty_factor * (l1 * np.sign(w) + 2.0 * l2 * w) for g, w, (l1, l2) in penalties]

    def penalty(self) -> float:
        """Return the sum over the parameters of l1 |w| + l2 w^2.

        Returns
        -------
        float

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": False, "kernel_l1": 1.0, "kernel_l2": 0.5}
        >>> plan = Plan(2, [row])
        >>> plan.set_parameters([[[3.0], [-2.0]]])
        >>> plan.penalty()  # 3 + 2 + (9 + 4) / 2
        11.5
        """
        pairs = zip(self._parameters, self._penalties, strict=True)
        return float(sum(l1 * np.sum(np.abs(w)) + l2 * np.sum(w * w) for w, (l1, l2) in pairs))

    def _loss_and_gradients(self, x, y, sample_weight, noise):
        """Return the loss, the outputs, the gradients, and the tape."""
        values, tape = self._run(x, noise)
        value, d = loss(self._loss, y, values[self._head], sample_weight)
        factor = self._penalty_factor(len(x), sample_weight)
        gradients = self._backward(d, tape[: self._head], factor)
        return value + factor * self.penalty(), values[-1], gradients, tape

    def _penalty_factor(self, n_rows, sample_weight):
        """Return 1, or for a loss that is "by_weight" 1 / the sum of the batch's weights."""
        if not self._loss.get("by_weight", False):
            return 1.0
        return 1.0 / divisor(self._loss, np.ones(n_rows) if sample_weight is None else sample_weight)

    def _update(self, gradients, tape, learning_rate, step):
        """Apply a step: gradients update trainable parameters, the others take their layer's new values."""
        states: list[Array] = []
        for (layer, parameters), kept in zip(self._layer_parameters(), tape, strict=True):
            states += layer.new_state(parameters, kept) if layer.is_trainable else parameters
        gradients, new_state = clip(self._optimizer, gradients), iter(states)
        everything = zip(
            self._parameters, self.parameter_trainable, gradients, self._slots, self._rules, strict=True
        )
        for w, trainable, g, slots, rules in everything:
            if trainable:
                spec = self._optimizer | ({"weight_decay": 0.0} if rules.get("undecayed") else {})
                move(spec, w, g, slots, float(learning_rate), step)
                w[...] = constrained(rules, w)
            else:
                w[...] = next(new_state)

    @np.errstate(all="ignore")
    def forward(self, x: NDArray) -> Array:
        """Return the outputs (n, n_outputs) of x (n, n_inputs) in inference mode.

        Parameters
        ----------
        x : ndarray (n, n_inputs)

        Returns
        -------
        ndarray, float64 (n, n_outputs)

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(2, [row])
        >>> plan.set_parameters([[[1.0], [10.0]]])
        >>> plan.forward(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
        [[21.0], [43.0]]
        """
        self._check_rows(x)
        outputs = np.empty((len(x), self.n_outputs))
        for rows in self._chunks(0, len(x)):
            outputs[rows] = self._run(x[rows], None)[0][-1]
        return outputs

    @np.errstate(all="ignore")
    def gradients(
        self,
        x: NDArray,
        y: NDArray,
        sample_weight: NDArray | None = None,
        training: bool = False,
        epoch: int = 0,
        step: int = 0,
    ) -> tuple[float, list[Array]]:
        """Return the loss of one batch of any size, and its gradient for every parameter; with penalties.

        The plan does not change, nor do moving statistics.

        Parameters
        ----------
        x : ndarray (n, n_inputs)
        y : ndarray
            Class ids (n,) or rows (n, n_outputs).
        sample_weight : ndarray (n,), optional
        training : bool
            Whether dropout and batch statistics are those of training.
        epoch, step : int
            Of the random numbers.

        Returns
        -------
        loss : float
        gradients : list of ndarray, float64
            One for each parameter.

        Examples
        --------
        >>> from nnc import losses
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(1, [row], loss=losses.MeanSquaredError().spec())
        >>> loss, gradients = plan.gradients(np.array([[1.0], [2.0]]), np.array([[1.0], [2.0]]))
        >>> loss, gradients[0].tolist()  # (1 + 4) / 2, and (2 (-1) 1 + 2 (-2) 2) / 2
        (2.5, [[-5.0]])
        """
        self._check_rows(x, y, sample_weight)
        check_values(self._loss, y, sample_weight, range(len(x)))
        noise = (self.seed, epoch, step) if training else None
        value, _, gradients, _ = self._loss_and_gradients(x, y, sample_weight, noise)
        return value, gradients

    # ----------------------------------------------------------------------------------- training, evaluation

    @np.errstate(all="ignore")
    def train(
        self,
        x: NDArray,
        y: NDArray,
        sample_weight: NDArray | None,
        order: NDArray | None,
        start: int,
        learning_rates: Sequence[float] | NDArray,
        batch_size: int,
        epoch: int,
        step: int,
        budget: float,
        sums: Array | None = None,
        outputs: NDArray | None = None,
    ) -> tuple[int, int, float, Array]:
        """Train batch by batch: gather the rows, forward pass, loss, backward pass, update.

        Parameters
        ----------
        x : ndarray of uint8 or float32, shape (n, n_inputs)
        y : ndarray of int32, shape (n,), or float32, shape (n, n_outputs)
            Class ids, or rows of targets.
        sample_weight : ndarray of float32, shape (n,), or None
        order : ndarray of int64, shape (m,), or None
            Row indices in the order of their use; None means 0, ..., n - 1.
        start : int
            Position in the order where the first batch begins.
        learning_rates : ndarray of float32, shape (k,)
            One for each step; at most k steps are done.
        batch_size : int
            Rows of a batch, at most the plan's; the last one may be shorter.
        epoch, step : int
            Epochs and steps before this call. Both are part of the key of random numbers; Adam's t is the
            number of the step.
        budget : float
            Seconds after which no further step is started. At least one step is done.
        sums : ndarray of float64, shape (1 + n_metrics,), optional
            loss_sum and metric_sums of earlier steps, to which those of this call are added one by one: the
            sums of an epoch do not depend on how it is split into calls.
        outputs : ndarray of shape (rows of k steps or more, n_outputs), optional
            Filled with the model's outputs for each row in its step, in the order of their use.

        Returns
        -------
        n_steps : int
            Steps done.
        rows : int
            Rows of those steps.
        loss_sum : float
            Sum over the steps of rows times loss (before the update, penalties included). NaN if a loss was
            not finite: that step is not applied, nor any later one.
        metric_sums : ndarray of float64, shape (n_metrics,)
            Sums over those rows.

        Raises
        ------
        ValueError
            If the plan has no loss or optimizer, or an argument is invalid.

        Examples
        --------
        >>> from nnc import losses, optimizers
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> spec = losses.MeanSquaredError().spec()
        >>> plan = Plan(1, [row], loss=spec, optimizer=optimizers.SGD().spec())
        >>> x = np.array([[1.0], [2.0]])
        >>> steps, rows, loss_sum, _ = plan.train(x, 3 * x, None, None, 0, [0.1] * 2, 1, 0, 0, 1.0)
        >>> steps, rows, plan.get_parameters()[0].round(3).tolist()
        (2, 2, [[2.52]])
        """
        began = time.perf_counter()
        self._check_rows(x, y, sample_weight, needs_optimizer=True)
        order = np.arange(len(x)) if order is None else np.asarray(order)
        if len(order) and not (order.min() >= 0 and order.max() < len(x)):
            raise ValueError(f"order has rows {order.min()} to {order.max()}: x has rows 0 to {len(x) - 1}")
        if not 1 <= batch_size <= self.batch_size or start < 0:
            raise ValueError(f"batch_size {batch_size}, start {start}: use 1 to {self.batch_size}, 0 or more")
        n_steps, n_rows = 0, 0
        before = np.zeros(1 + len(self._metrics)) if sums is None else sums
        loss_sum, metric_sums = float(before[0]), before[1:].copy()
        for i, learning_rate in enumerate(learning_rates):
            rows = order[start + i * batch_size :][:batch_size]
            if not len(rows):
                break
            targets, weights = y[rows], None if sample_weight is None else sample_weight[rows]
            try:
                check_values(self._loss, targets, weights, rows)
            except ValueError:
                if n_steps == 0:
                    raise
                break  # the steps done are to be counted first: the next call raises
            noise = (self.seed, epoch, step + i)
            value, a, gradients, tape = self._loss_and_gradients(x[rows], targets, weights, noise)
            if not math.isfinite(value):
                return n_steps, n_rows, math.nan, metric_sums
            self._update(gradients, tape, learning_rate, step + i)
            if outputs is not None:
                outputs[n_rows : n_rows + len(rows)] = a
            n_steps, n_rows, loss_sum = n_steps + 1, n_rows + len(rows), loss_sum + value * len(rows)
            metric_sums += self._metric_sums(y[rows], a)
            if time.perf_counter() - began >= budget:
                break
        return n_steps, n_rows, loss_sum, metric_sums

    def release(self) -> None:
        """Release the arrays of the last `train`: the compiled plan keeps references, this one has none.

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> Plan(1, [row]).release()
        """

    @np.errstate(all="ignore")
    def evaluate(
        self,
        x: NDArray,
        y: NDArray,
        sample_weight: NDArray | None,
        start: int,
        stop: int,
        outputs: NDArray | None = None,
    ) -> tuple[int, float, Array]:
        """Return the number of rows in start:stop and the sums of their losses (no penalties) and metrics.

        outputs (stop - start, n_outputs) is filled with the model's outputs.

        Parameters
        ----------
        x : ndarray (n, n_inputs)
        y : ndarray
            Class ids (n,) or rows (n, n_outputs).
        sample_weight : ndarray (n,) or None
        start, stop : int
        outputs : ndarray (stop - start, n_outputs), optional

        Returns
        -------
        rows : int
        loss : float
        metrics : ndarray

        Examples
        --------
        >>> from nnc import losses
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(1, [row], loss=losses.MeanSquaredError().spec())
        >>> x = np.array([[1.0], [2.0], [3.0]])
        >>> rows, loss_sum, _ = plan.evaluate(x, x, None, start=1, stop=3)
        >>> rows, loss_sum  # the outputs are 0: 4 + 9
        (2, 13.0)
        """
        self._check_rows(x, y, sample_weight)
        if not 0 <= start <= stop <= len(x):
            raise ValueError(f"start {start}, stop {stop}: use 0 <= start <= stop <= {len(x)}, the rows of x")
        loss_sum, metric_sums = 0.0, np.zeros(len(self._metrics))
        for rows in self._chunks(start, stop):
            values, _ = self._run(x[rows], None)
            weights = None if sample_weight is None else sample_weight[rows]
            check_values(self._loss, y[rows], weights, range(rows.start, rows.stop))
            loss_sum += loss(self._loss, y[rows], values[self._head], weights)[0] * len(values[-1])
            metric_sums += self._metric_sums(y[rows], values[-1])
            if outputs is not None:
                outputs[rows.start - start : rows.stop - start] = values[-1]
        return stop - start, loss_sum, metric_sums

    @np.errstate(all="ignore")
    def step_forward(self, x: NDArray, epoch: int, step: int, training: bool = True) -> Array:
        """Return the outputs of a batch; keep the tape for `step_backward` or `step_gradients`.

        Parameters
        ----------
        x : ndarray of uint8 or float, shape (B, n_inputs)
            At most the plan's batch_size rows.
        epoch, step : int
            Key of the random numbers, as in `train`.
        training : bool
            Whether dropout and random_affine are active and batch normalization uses the batch's statistics.
            If not, the outputs are those of `forward`.

        Returns
        -------
        ndarray of float64, shape (B, n_outputs)

        Raises
        ------
        ValueError
            If x has the wrong number of features, or more rows than the plan's batch_size.

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(2, [row])
        >>> plan.set_parameters([[[1.0], [10.0]]])
        >>> plan.step_forward(np.array([[1.0, 2.0]]), epoch=0, step=0).tolist()
        [[21.0]]
        """
        self._check_rows(x)
        if len(x) > self.batch_size:
            raise ValueError(f"x has {len(x)} rows: this plan's batch_size is {self.batch_size}")
        values, tape = self._run(x, (self.seed, epoch, step) if training else None)
        self._taped = tape, values[-1].shape, training
        return values[-1]

    @np.errstate(all="ignore")
    def step_backward(self, d_outputs: ArrayLike, learning_rate: float, step: int) -> bool:
        """Apply one update, given dL/d outputs of the batch of the last `step_forward`.

        Moving statistics are updated, too. Each `step_forward` allows one `step_backward` or
        `step_gradients`.

        Parameters
        ----------
        d_outputs : array_like, shape (B, n_outputs)
        learning_rate : float
        step : int
            Steps before this one.

        Returns
        -------
        bool
            True; the core's plan returns False if it was asked to stop.

        Raises
        ------
        ValueError
            If the plan has no optimizer, there was no `step_forward` with training=True before, or the shape
            of d_outputs is not that of the outputs.

        Examples
        --------
        >>> from nnc import optimizers
        >>> row = {"kind": "dense", "units": 1, "use_bias": False}
        >>> plan = Plan(2, [row], optimizer=optimizers.SGD().spec())
        >>> outputs = plan.step_forward(np.array([[1.0, 2.0]]), epoch=0, step=0)
        >>> plan.step_backward([[1.0]], learning_rate=0.1, step=0)
        True
        >>> plan.get_parameters()[0].tolist()  # the gradient is x
        [[-0.1], [-0.2]]
        """
        if not self._optimizer:
            raise ValueError("this plan has no optimizer")
        if self._taped is not None and not self._taped[-1]:
            raise ValueError("step_backward needs a step_forward with training=True: it was False")
        d, tape = self._take_tape("step_backward", d_outputs)
        self._update(self._backward(d, tape), tape, learning_rate, step)
        return True

    @np.errstate(all="ignore")
    def step_gradients(self, d_outputs: ArrayLike) -> list[Array]:
        """Return dL/dw = dL/d outputs * d outputs/dw + l1 sign(w) + 2 l2 w for every parameter w.

        This is the gradient of a custom loss outside the plan, with the plan's penalties. The plan does not
        change: parameters, slots and moving statistics are not updated. Each `step_forward` allows one
        `step_backward` or `step_gradients`.

        Parameters
        ----------
        d_outputs : array_like, shape (B, n_outputs)
            dL/d outputs of the batch of the last `step_forward`.

        Returns
        -------
        list of ndarray of float64
            With the shapes `parameter_shapes`; zeros for non-trainable parameters.

        Raises
        ------
        ValueError
            If there was no `step_forward` before, or d_outputs does not have the shape of the outputs.

        Examples
        --------
        >>> row = {"kind": "dense", "units": 1, "use_bias": True, "activation": "linear", "alpha": 0.0,
        ...        "group": 1, "kernel_l1": 0.0, "kernel_l2": 0.5, "bias_l1": 0.0, "bias_l2": 0.0}
        >>> plan = Plan(2, [row])
        >>> plan.set_parameters([np.array([[1.0], [10.0]]), np.array([0.0])])
        >>> outputs = plan.step_forward(np.array([[1.0, 2.0], [3.0, 4.0]]), 0, 0)
        >>> plan.step_gradients(np.ones((2, 1)))  # of the outputs' sum: column sums plus 2 l2 w
        [array([[ 5.],
               [16.]]), array([2.])]
        """
        return self._backward(*self._take_tape("step_gradients", d_outputs))

    def _take_tape(self, name, d_outputs):
        """Return d_outputs as float64 and the tape of the last `step_forward`, which is then discarded."""
        if self._taped is None:
            raise ValueError(f"{name} needs a step_forward before each call")
        tape, shape, _ = self._taped
        d = np.asarray(d_outputs, np.float64)
        if d.shape != shape:
            raise ValueError(f"d_outputs has shape {d.shape}: use {shape}, that of the outputs")
        self._taped = None
        return d, tape

    def _metric_sums(self, y, outputs):
        return np.array([np.sum(metric_rows(spec, y, outputs)) for spec in self._metrics])

    def _chunks(self, start, stop):
        return [slice(i, min(i + self.batch_size, stop)) for i in range(start, stop, self.batch_size)]

    def _check_rows(self, x, y=None, sample_weight=None, needs_optimizer=False):
        if x.ndim != 2 or x.shape[1] != self.n_inputs:
            raise ValueError(f"x has shape {x.shape}: use (rows, {self.n_inputs})")
        if sample_weight is not None and sample_weight.shape != (len(x),):
            raise ValueError(f"sample_weight has shape {sample_weight.shape}: use {(len(x),)}")
        if y is not None:
            check_targets(y, (len(x), self.n_outputs))
            if not self._loss:
                raise ValueError("this plan has no loss")
        if needs_optimizer and not self._optimizer:
            raise ValueError("this plan has no optimizer")
