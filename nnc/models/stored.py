"""A model as it is stored: the arguments of its training, its state, files and exports."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import copy, deepcopy
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from nnc import losses, optimizers
from nnc.callbacks import History
from nnc.layers import Layer
from nnc.metrics import Metric
from nnc.models.compiled import Compiled
from nnc.models.engine import restored
from nnc.models.layered import LayeredModel
from nnc.models.layout import stack_of
from nnc.models.loops import TrainingState
from nnc.models.state import ModelState

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nnc.export.c import Report
    from nnc.export.onnxmodel import OnnxReport
    from nnc.models import modelfile


class StoredModel(LayeredModel):
    """The part of `Sequential` that concerns its state: what files and exports contain."""

    def __init__(
        self,
        layers: Sequence[Layer | LayeredModel] | None = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self.history: History | None = None
        self.stop_training = False
        self._training = TrainingState(0, {})
        self._metadata: dict[str, str] = {}
        super().__init__(layers, trainable, name, seed=seed)

    def predict(self, x: Any) -> np.ndarray:
        """The outputs for x, with which exports are compared."""
        raise NotImplementedError(f"{type(self).__name__} has no predict(x)")

    # ----------------------------------------------------------------------------------- arguments of compile

    @property
    def optimizer(self) -> optimizers.Optimizer | None:
        """The optimizer passed to `compile`."""
        return self._engine.compiled.optimizer

    @property
    def loss(self) -> losses.Loss | None:
        """The loss passed to `compile`."""
        return self._engine.compiled.loss

    @property
    def backend(self) -> str:
        """The backend that computes: "compiled" or "reference"."""
        return self._engine.backend.name

    @property
    def precision(self) -> str:
        """The precision of the products: "float32" or "bfloat16"."""
        return self._engine.precision

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, without the loss; empty until the model is compiled and built."""
        return self._engine.metrics

    @property
    def metrics_by_weight(self) -> tuple[list[Metric], list[Metric]]:
        """The unweighted metrics and the weighted ones."""
        watched, plain = self._engine.watched, len(self._engine.compiled.metrics)
        return watched.all[:plain], watched.all[plain:]

    @property
    def metrics_names(self) -> list[str]:
        """The keys of the logs: "loss" and the names of the metrics."""
        return self._engine.metrics_names

    # ------------------------------------------------------------------------------------------------- saving

    @property
    def metadata(self) -> dict[str, str]:
        """Named strings that `save` writes to the file along with the model and `nnc.load_model` restores.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.metadata = {"data": "measured in May"}
        >>> model.metadata["data"]
        'measured in May'
        """
        return self._metadata

    @metadata.setter
    def metadata(self, value: Mapping[str, str]) -> None:
        from nnc.models.modelfile import checked_metadata  # on first use: with json it takes 2 ms

        self._metadata = checked_metadata(value)

    def save(self, filepath: modelfile.Path, overwrite: bool = True) -> None:
        """Write the model to a file: layers, weights, compile arguments, optimizer state and history.

        The file is in the safetensors format. It is written to a temporary file next to `filepath` and then
        renamed atomically: whatever happens, there is either the old file or the new one. `nnc.load_model`
        reads it.

        Parameters
        ----------
        filepath : str or path
            Must not end in ".keras", ".h5" or ".onnx": other programs would take the file for one of theirs.
        overwrite : bool
            Whether an existing file may be replaced.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.save("flowers.safetensors")
        >>> same = nnc.load_model("flowers.safetensors")
        >>> all((a == b).all() for a, b in zip(model.get_weights(), same.get_weights()))
        True
        """
        from nnc.models.modelfile import refuse_other_formats

        refuse_other_formats(filepath)
        self._write(filepath, overwrite, False)

    def save_weights(self, filepath: modelfile.Path, overwrite: bool = True) -> None:
        """Write only the layers and the weights to a file.

        Parameters
        ----------
        filepath : str or path
        overwrite : bool
            Whether an existing file is replaced.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.save_weights("weights.safetensors")
        >>> other = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> other.load_weights("weights.safetensors")
        """
        from nnc.models.modelfile import refuse_other_formats

        refuse_other_formats(filepath)
        self._write(filepath, overwrite, True)

    def checkpoint(self, filepath: modelfile.Path, weights_only: bool = False) -> None:
        """Write the file of a `ModelCheckpoint`: as `save` or `save_weights`, but with any file name.

        (Keras's ModelCheckpoint requires a name ending in ".keras"; nnc reads its own files with that name.)

        Parameters
        ----------
        filepath : str or path
        weights_only : bool
            Whether to write what `save_weights` writes.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.checkpoint("run.ckpt")
        >>> nnc.load_model("run.ckpt").output_shape
        (None, 3)
        """
        self._write(filepath, True, weights_only)

    def _write(self, filepath: modelfile.Path, overwrite: bool, weights_only: bool) -> None:
        """Write the file. The lock is held while the arrays are read, so that all are those of one step, but
        not while the system writes to the disk.
        """
        from nnc.models.modelfile import write

        with ExitStack() as held:
            held.enter_context(self._stack.lock)
            state = self._state(in_plan=True)
            write(state.weights_only() if weights_only else state, filepath, overwrite, held.close)

    def load_weights(self, filepath: modelfile.Path) -> None:
        """Load the weights from a file written by `save` or `save_weights`; the shapes must match the model.

        Parameters
        ----------
        filepath : str or path

        Raises
        ------
        FormatError
            If the file is not one of nnc's or is damaged.
        ValueError
            If its weights do not fit the model.
        OSError
            If it cannot be opened.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.save_weights("weights.safetensors")
        >>> other = nnc.Sequential([nnc.layers.Dense(3)])  # its input shape comes from the file
        >>> other.load_weights("weights.safetensors")
        >>> other.input_shape
        (None, 4)
        """
        from nnc.models.modelfile import read

        state = read(filepath, weights_only=True)
        if not self.built and state.stack.input_shape is not None:
            self._stack.build(state.stack.input_shape)
        try:
            self.set_weights(state.engine.weights or [])
        except ValueError as error:
            raise ValueError(
                f"the weights in {os.fsdecode(filepath)} do not fit this model: {error}"
            ) from None

    def state(self) -> ModelState:
        """Return everything that a model file holds; do not write to its arrays.

        Returns
        -------
        ModelState

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> same = nnc.Sequential.from_state(model.state())
        >>> same.count_params()
        15
        """
        return self._state(in_plan=False)

    def _state(self, in_plan: bool) -> ModelState:
        """The state; in_plan: see `Engine.state`."""
        stack, training = self._stack, self._training
        with stack.lock:  # the step count and the position are those of the weights
            engine, layers = self._engine.state(in_plan), stack.snapshot()
            if layers.changed():  # another thread may set `trainable` at any time
                engine.slots = None
            if stack.built:  # metrics as resolved: "accuracy" depends on the outputs
                compiled, optimizer = engine.compiled, copy(engine.compiled.optimizer)
                engine.compiled = Compiled(optimizer, compiled.loss, *self.metrics_by_weight)
            return ModelState(
                layers,
                engine,
                training.epoch,
                training.callbacks(),
                copy(self.history),
                self.stop_training and training.epoch > 0,
                training.position(),
                self._metadata,
            )

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Return the model that `state` describes; it takes over the state's layers.

        Parameters
        ----------
        state : ModelState

        Returns
        -------
        Sequential

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> nnc.Sequential.from_state(model.state()).output_shape
        (None, 3)
        """
        model = cls(seed=state.engine.seed)
        model._take(state.stack)
        model._engine.restore(state.engine)
        model._training = TrainingState(state.epoch, state.callbacks, state.position)
        model.history, model.stop_training = state.history, state.stopped
        model._metadata = dict(state.metadata)
        return model

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, seed: int | None = None) -> Self:
        """Return a new model, with new weights, from a configuration returned by `get_config`.

        Parameters
        ----------
        config : dict
        seed : int, optional
            As in the constructor.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> nnc.Sequential.from_config(model.get_config()).count_params()
        15
        """
        model = cls(seed=seed)
        model._take(stack_of(config))
        return model

    def __copy__(self) -> Self:
        """A deep copy: the weights of a layer belong to one model, so a copy has layers of its own."""
        return deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copy: separate weights and optimizer state, and no run in progress."""
        known = self._training
        with self._stack.lock:
            stack = self._stack.snapshot()
            return self.__dict__ | {
                "_stack": stack,
                "_engine": restored(stack, self._engine.state()),
                "_training": TrainingState(known.epoch, known.kept, known.last_position),
                "history": copy(self.history),
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._stack.keep_weights_in(self._engine)

    # ------------------------------------------------------------------------------------------------- export

    def export_c(
        self,
        path: str | os.PathLike[str],
        *,
        prefix: str | None = None,
        weights: str = "static",
        check: int | ArrayLike = 0,
        arduino: bool = False,
        int8: ArrayLike | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        max_flash: int | None = None,
        max_ram: int | None = None,
    ) -> Report:
        """Write the model as C99: a .c and a .h file, without heap, input and output or global state.

        docs/export.md lists the functions and how each layer is exported. For "digits.c" they are
        ``digits_predict(x, y)``, ``digits_predict_scratch(x, y, scratch)`` and, for several outputs or a
        classifier with two classes, ``digits_classify(x)``. The same model always produces the same bytes.

        Parameters
        ----------
        path : str or path
            Must end in .c, in an existing folder. Existing files are replaced, all or none.
        prefix : str, optional
            Prefix of the names in C; by default the file's name.
        weights : {"static", "extern"}
            Stored in the file itself, or in a second one, <name>_weights.c.
        check : int or array-like (n, *input_shape)
            How many rows, or which, to store together with the model's outputs for them; ``main`` then
            compares.
        arduino : bool
            Whether to write a sketch: a folder named after the file, with an .ino that checks a row on the
            board.
        int8 : array-like (n, *input_shape), optional
            Calibration rows: weights and values then have 8 bits, sums 32, and the file contains no floats.
            x is then int8 and y int16, with the scales in the .h.
        test : (x, y), optional
            Rows and their classes to measure the accuracy before and after quantization; without it, the
            calibration rows are compared with the model's own predictions.
        max_flash, max_ram : int, optional
            Limits in bytes for weights and tables, and for scratch memory; beyond them nothing is written.

        Returns
        -------
        Report
            ``files``, ``flash``, ``ram``, ``multiply_adds``, ``digest``; with int8 ``accuracy``, which is
            (before, after), and ``difference``.

        Raises
        ------
        ValueError
            If the model is not built, its loss is a Python function, a limit is exceeded or an argument is
            invalid.
        FileNotFoundError
            If the folder does not exist.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, "softmax")], seed=0)
        >>> report = model.export_c("flowers.c", check=5)
        >>> report.files, report.flash, report.ram
        (('flowers.c', 'flowers.h'), 60, 0)
        """
        from nnc.export import c

        return c.export_c(
            self,
            path,
            prefix=prefix,
            weights=weights,
            check=check,
            arduino=arduino,
            int8=int8,
            test=test,
            max_flash=max_flash,
            max_ram=max_ram,
        )

    def export_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        outputs: str = "predict",
        label: bool | None = None,
        classes: Sequence[int] | Sequence[str] | None = None,
        zipmap: bool = False,
        input_name: str = "input",
        output_name: str | None = None,
    ) -> OnnxReport:
        """Write the model as an ONNX file of opset 18, for batches of any size.

        The input is that of `predict`, float32 (n, *input_shape). A classifier (a model that ends with a
        softmax or a single sigmoid or is compiled with a cross-entropy) has the outputs "label" (n,) and
        "probabilities" or "logits" (n, O); other models have "output". Before the file is written, it is
        validated with onnx's checker and, if onnxruntime is installed, must reproduce nnc's outputs there.
        (``pip install "nnc[onnx]"``)

        Parameters
        ----------
        path : str or path
        outputs : {"predict", "logits", "probabilities"}
            The outputs of `predict`, or the values before or after the last softmax or sigmoid.
        label : bool, optional
            Whether there is an output "label"; None: only for classifiers.
        classes : list of int or str, optional
            The names of the classes, used as labels; by default 0, 1, ...
        zipmap : bool
            Whether the probabilities are a list of dicts keyed by class, as some servers require.
        input_name, output_name : str, optional

        Returns
        -------
        OnnxReport
            ``file``, ``inputs``, ``outputs`` (names) and ``difference``, the largest difference between
            onnxruntime and nnc as a fraction of the largest output, or None without onnxruntime.

        Raises
        ------
        ImportError
            If the package onnx is not installed.
        ValueError
            If the model is not built, its loss is a Python function or an argument is invalid.
        FileNotFoundError
            If the folder does not exist.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, "softmax")])
        >>> model.compile(loss="sparse_categorical_crossentropy")
        >>> report = model.export_onnx("flowers.onnx")
        >>> report.inputs, report.outputs
        (('input',), ('label', 'probabilities'))
        """
        from nnc.export import onnxmodel

        return onnxmodel.export_onnx(
            self,
            path,
            outputs=outputs,
            label=label,
            classes=classes,
            zipmap=zipmap,
            input_name=input_name,
            output_name=output_name,
        )
