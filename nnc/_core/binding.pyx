# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The binding between Python and csrc: it checks arguments, takes pointers and releases the GIL; it does no arithmetic.

`Plan` runs networks; the functions are single kernels. All have a twin of the same name in `nnc.reference`, which
defines what they compute. csrc/nnc.h documents the functions called here.
"""

import math
import os
import threading

import numpy as np

from nnc._arrays import UNBOUNDED, bad_target, bad_weight
from nnc._locks import renewed_in_children

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport (
    NOWAIT_LOCK, PY_LOCK_ACQUIRED, PyLockStatus, PyThread_acquire_lock, PyThread_allocate_lock, PyThread_free_lock,
    PyThread_get_thread_ident, PyThread_release_lock, PyThread_type_lock,
)
from libc.stdlib cimport calloc, free

cdef extern from "pythread.h":
    PyLockStatus PyThread_acquire_lock_timed(PyThread_type_lock lock, long long microseconds, int interrupted) nogil

include "specs.pxi"
include "stops.pxi"
include "arrays.pxi"
include "functional.pxi"


# ---- machine --------------------------------------------------------------------------------------------------------


def set_isa(name=None):
    """Use the kernels for instruction set `name`; None: that in NNC_ISA, else the best one that this CPU has."""
    cdef char message[256]
    encoded = None if name is None else name.encode()
    cdef const char *c_name = NULL
    if encoded is not None:
        c_name = encoded
    if nnc_choose_isa(c_name, message) != NNC_OK:
        raise ValueError(message.decode())


def set_bfloat16(name=None):
    """Use the bfloat16 products `name`, "amx" or "exact"; None: those in NNC_BF16, else the faster ones."""
    cdef char message[256]
    encoded = None if name is None else name.encode()
    cdef const char *c_name = NULL
    if encoded is not None:
        c_name = encoded
    if nnc_choose_bf16(c_name, message) != NNC_OK:
        raise ValueError(message.decode())


def emulated_tiles():
    """The number of AMX instructions so far, in a build that emulates them: loads, stores and products of tiles; and of
    the cache lines that these fetched into L1 and L2 (see csrc/nnc.h)."""
    cdef nnc_tile_counts counts = nnc_emulated_tiles()
    return counts.loads, counts.stores, counts.products, counts.l1_lines, counts.l2_lines


def set_num_threads(n):
    """Make calls use n threads from now on; None: as many as the machine allows. See `nnc.set_num_threads`."""
    nnc_set_threads(0 if n is None else n)


def set_threads_here(int n):
    """Set the number of threads for calls from this thread, 0: the global one; return the old. See `nnc.threads`."""
    return nnc_set_threads_here(n)


def use_all_threads(all):
    """For tests: make every call use as many threads as it may, even if fewer are faster."""
    nnc_use_all_threads(all)


def get_num_threads():
    """Return the number of threads that a call may use.

    Returns
    -------
    int
        As set by `nnc.set_num_threads` or, in this thread, by `nnc.threads`; else the environment variable
        NNC_NUM_THREADS, else the number of CPUs that the process may use.

    Examples
    --------
    >>> import nnc
    >>> with nnc.threads(1):
    ...     nnc.get_num_threads()
    1
    """
    return nnc_threads()


def cpu_info():
    """The data that `nnc.show_config` prints: instruction sets, threads, compiler."""
    cdef char message[256]
    cdef const char *bf16 = nnc_bf16_name(message)
    return {
        "isa": nnc_isa_name().decode(),
        "isa_available": [nnc_isa_available(i).decode() for i in range(nnc_isa_count())],
        "tile_rows": nnc_isa_tile_rows(),
        "bfloat16": bf16.decode() if bf16 is not NULL else "none: " + message.decode(),
        "threads": nnc_threads(),
        "threads_source": nnc_threads_source().decode(),
        "openmp": bool(nnc_has_openmp()),
        "compiler": nnc_compiler().decode(),
    }


# ---- plans ------------------------------------------------------------------------------------------------------------


cdef class Plan:
    """A network ready to run; see `nnc.reference.Plan`, which has the same methods.

    Calls are serialized: a second thread waits for the first. During a call from the main thread, signal handlers run
    about every 50 ms; if a handler raises, or calls `ask_to_stop`, the current step is not applied. `stop_thread` does
    the same to calls from another thread.
    """

    cdef nnc_plan *_plan
    cdef PyThread_type_lock _lock
    cdef object _checked_order, _checked_rows, _target_range
    cdef double[::1] _metric_sums
    cdef Py_ssize_t _n_layers
    cdef readonly object n_inputs, n_outputs, batch_size, seed, n_slots, precision
    cdef readonly object parameter_names, parameter_shapes, parameter_trainable
    cdef object __weakref__

    def __init__(self, n_inputs, layers, *, loss=None, metrics=(), optimizer=None, batch_size=32, seed=0,
                 precision="float32"):
        cdef nnc_plan_spec spec
        cdef _Spec c_loss, c_optimizer
        cdef char message[256]
        cdef size_t i
        cdef nnc_parameter parameter
        message[0] = 0
        if self._plan is not NULL:
            raise RuntimeError("this plan is already initialized")
        cdef _Specs c_layers = _Specs.of(layers, "kind")
        cdef _Specs c_metrics = _Specs.of(metrics, "name")
        self._n_layers = len(layers)
        spec.n_inputs, spec.batch_size, spec.seed = n_inputs, batch_size, seed
        spec.n_layers, spec.layers = self._n_layers, c_layers.rows
        spec.n_metrics, spec.metrics = len(metrics), c_metrics.rows
        spec.loss, spec.optimizer = NULL, NULL
        encoded = precision.encode()
        spec.precision = encoded
        self._target_range = UNBOUNDED
        if loss is not None:
            self._target_range = loss.get("target_range", UNBOUNDED)
            c_loss = _Spec.of(loss, "name")
            spec.loss = &c_loss.spec
        if optimizer is not None:
            c_optimizer = _Spec.of(optimizer, "name")
            spec.optimizer = &c_optimizer.spec
        cdef nnc_status status = nnc_plan_create(&self._plan, &spec, message)
        _raise(status, message.decode())
        renewed_in_children(self)
        self._metric_sums = np.zeros(max(1, len(metrics)))[:len(metrics)]
        self.n_inputs, self.batch_size, self.seed, self.precision = n_inputs, batch_size, seed, precision
        self.n_outputs = nnc_plan_outputs(self._plan)
        self.n_slots = nnc_plan_slots(self._plan)
        self.parameter_names, self.parameter_shapes, self.parameter_trainable = [], [], []
        for i in range(nnc_plan_parameters(self._plan)):
            parameter = nnc_plan_parameter(self._plan, i)
            self.parameter_names.append(parameter.name.decode())
            self.parameter_shapes.append(tuple([parameter.shape[axis] for axis in range(parameter.n_axes)]))
            self.parameter_trainable.append(bool(parameter.trainable))

    def __dealloc__(self):
        nnc_plan_free(self._plan)
        self._free_lock()

    # A lock of C: a `with` statement on one of Python's takes as long as the products of a tiny network.

    cdef void _free_lock(self) noexcept:
        if self._lock is not NULL:
            PyThread_acquire_lock(self._lock, NOWAIT_LOCK)  # if it is free; only a free lock may be destroyed
            PyThread_release_lock(self._lock)
            PyThread_free_lock(self._lock)

    def renew_lock(self):
        """Create a new lock, as in a forked child, where no thread holds the old one."""
        cdef PyThread_type_lock lock = PyThread_allocate_lock()
        if lock is NULL:
            raise MemoryError("no memory for a lock")
        self._free_lock()
        self._lock = lock

    cdef int _acquire(self) except -1:
        """Wait until no other thread uses this plan; signal handlers run meanwhile, as for a lock of Python."""
        cdef PyLockStatus status
        if PyThread_acquire_lock(self._lock, NOWAIT_LOCK):
            return 0
        while True:
            with nogil:
                status = PyThread_acquire_lock_timed(self._lock, -1, 1)
            if status == PY_LOCK_ACQUIRED:
                return 0
            PyErr_CheckSignals()

    cdef void _release(self) noexcept:
        PyThread_release_lock(self._lock)

    cdef object _bad_row(self):
        """The error for the invalid row that the last call found."""
        cdef nnc_bad_row bad = nnc_plan_bad_row(self._plan)
        if bad.of == NNC_BAD_ENTRY:
            return ValueError(f"order[{bad.row}] is {bad.integer}, which is not a row of x")
        if bad.of == NNC_BAD_ID:
            return ValueError(f"y[{bad.row}] is class {bad.integer}, there are {self.n_outputs} outputs")
        if bad.of == NNC_BAD_TARGET:
            return bad_target("y", np.float32(bad.number), bad.row, self._target_range)
        return bad_weight("sample_weight", np.float32(bad.number), bad.row)

    cdef int _check(self, nnc_status status, what) except -1:
        """Raise the error for a call that returns nothing if it ends early."""
        if status == NNC_BAD_ROW:
            raise self._bad_row()
        _raise(status, what)
        _raise_signal()
        if status == NNC_STOPPED:
            raise KeyboardInterrupt
        return 0

    @property
    def nbytes(self):
        """Size in bytes of the plan's single allocation."""
        return nnc_plan_bytes(self._plan)

    # ---- parameters

    cdef _read(self, size_t i, int what):
        array = _new_array(self.parameter_shapes[i], _FLOAT32)
        nnc_plan_read(self._plan, i, what, _pointer(array))
        return array

    cdef int _write(self, size_t i, int what, array, name) except -1:
        array = np.ascontiguousarray(array, dtype=np.float32)
        if array.shape != self.parameter_shapes[i]:
            raise ValueError(f"{name} {i} must have shape {self.parameter_shapes[i]}, got {array.shape}")
        nnc_plan_write(self._plan, i, what, _read_pointer(array))
        return 0

    def get_parameters(self):
        """Return copies of the parameters in layer order, with the shapes `parameter_shapes`."""
        self._acquire()
        try:
            return [self._read(i, NNC_WEIGHT) for i in range(len(self.parameter_shapes))]
        finally:
            self._release()

    def set_parameters(self, parameters):
        """Set the parameters from arrays with the shapes `parameter_shapes`."""
        if len(parameters) != len(self.parameter_shapes):
            raise ValueError(f"{len(parameters)} parameters given, this plan has {len(self.parameter_shapes)}")
        self._acquire()
        try:
            for i, array in enumerate(parameters):
                self._write(i, NNC_WEIGHT, array, "parameter")
        finally:
            self._release()

    def get_slots(self):
        """Return copies of the optimizer's slots: for each parameter a list of n_slots arrays, empty if it is not
        trainable."""
        self._acquire()
        try:
            return [[self._read(i, s) for s in range(n)] for i, n in enumerate(self._slot_counts())]
        finally:
            self._release()

    def read_part(self, i, slot, first, n):
        """Return a copy of the elements `first` to `first + n` of parameter i, or of one of its slots, as a vector."""
        size = math.prod(self.parameter_shapes[i])
        if not (0 <= first <= first + n <= size) or not (slot is None or 0 <= slot < self._slot_counts()[i]):
            raise ValueError(f"elements {first} to {first + n} of slot {slot} of parameter {i}, which has {size}")
        part = _new_array(n, _FLOAT32)
        self._acquire()
        try:
            nnc_plan_read_part(self._plan, i, NNC_WEIGHT if slot is None else slot, first, n, _pointer(part))
        finally:
            self._release()
        return part

    def _slot_counts(self):
        return [self.n_slots if trainable else 0 for trainable in self.parameter_trainable]

    def set_slots(self, slots):
        """Set the slots from what `get_slots` returned."""
        if [len(arrays) for arrays in slots] != self._slot_counts():
            raise ValueError(f"slots must be a list for each parameter, with {self._slot_counts()} arrays")
        self._acquire()
        try:
            for i, arrays in enumerate(slots):
                for s, array in enumerate(arrays):
                    self._write(i, s, array, "slot of parameter")
        finally:
            self._release()

    # ---- running

    cdef _Rows _training_rows(self, x, y, sample_weight):
        """The rows of a call, kept for the next slices of an epoch to check labels only once."""
        cdef _Rows rows = self._checked_rows
        if rows is None or rows.arrays[0] is not x or rows.arrays[1] is not y or rows.arrays[2] is not sample_weight:
            rows = _Rows.of(x, y, sample_weight, self.n_inputs, self.n_outputs)
        self._checked_rows = rows
        return rows

    cdef int _check_order(self, const int64_t[::1] order, size_t n) except -1:
        cdef Py_ssize_t i
        for i in range(order.shape[0]):
            if order[i] < 0 or <size_t>order[i] >= n:
                raise ValueError(f"order[{i}] is {order[i]}, but x has {n} rows")
        return 0

    cdef float *_outputs_pointer(self, outputs, size_t n) except? NULL:
        """Where a call writes the outputs of n rows; NULL if they are not requested."""
        cdef float[:, ::1] array
        if outputs is None:
            return NULL
        array = outputs
        if <size_t>array.shape[0] < n or array.shape[1] != self.n_outputs:
            raise ValueError(f"outputs must have shape ({n}, {self.n_outputs}) or more rows, got {outputs.shape}")
        return &array[0, 0] if array.shape[0] else NULL

    def train(self, x, y, sample_weight, order, size_t start, learning_rates, size_t batch_size, uint64_t epoch,
              uint64_t step, double budget, sums=None, seconds=None, outputs=None):
        """Train for up to len(learning_rates) steps; return (n_steps, rows, loss_sum, metric_sums).

        sums: float64 (1 + metrics), loss_sum and metric_sums of earlier steps, to which those of this call are added.

        There are fewer steps, or none, after `ask_to_stop`, or if the targets, the weights or the order of a step have
        become out of range since they were checked: that step raises if it is the first. What a signal handler raised is raised at
        once if there are no steps, else by `raise_signal`: the caller must count the steps first.

        seconds: float64 (n_layers + 1, 2), to which the times of each layer's forward and backward pass are added, and
        in the last row that of gathering the batch and of everything else.

        outputs: float32 (rows of all steps or more, n_outputs), which receives the model's outputs for each row.
        """
        cdef double[:, ::1] c_seconds
        cdef double[::1] c_sums
        cdef _Rows rows
        cdef nnc_schedule schedule
        cdef nnc_sums total
        cdef nnc_status status
        cdef const int64_t[::1] c_order
        cdef const float[::1] rates = learning_rates
        if batch_size < 1 or batch_size > <size_t>self.batch_size:
            raise ValueError(f"batch_size must be from 1 to {self.batch_size}, got {batch_size}")
        self._acquire()
        try:
            rows = self._training_rows(x, y, sample_weight)
            schedule.order, schedule.start, schedule.stop = NULL, start, rows.data.n
            if order is not None:
                c_order = order
                if self._checked_order is not order:
                    self._check_order(c_order, rows.data.n)
                    self._checked_order = order
                schedule.stop = c_order.shape[0]
                schedule.order = &c_order[0] if schedule.stop else NULL
            schedule.batch_size, schedule.n_steps = batch_size, rates.shape[0]
            schedule.learning_rates = &rates[0] if schedule.n_steps else NULL
            schedule.epoch, schedule.step, schedule.budget = epoch, step, budget
            schedule.seconds = NULL
            if seconds is not None:
                c_seconds = seconds
                if c_seconds.shape[0] != self._n_layers + 1 or c_seconds.shape[1] != 2:
                    raise ValueError(f"seconds must have shape ({self._n_layers + 1}, 2), got {seconds.shape}")
                schedule.seconds = &c_seconds[0, 0]
            total.loss, self._metric_sums[:] = 0.0, 0.0
            if sums is not None:
                c_sums = sums
                total.loss, self._metric_sums[:] = c_sums[0], c_sums[1:]
            total.metrics = &self._metric_sums[0] if self._metric_sums.shape[0] else NULL
            total.outputs = self._outputs_pointer(
                outputs, min(rates.shape[0] * batch_size, schedule.stop - min(start, schedule.stop)))
            _poll_from_here()
            with nogil:
                status = nnc_plan_train(self._plan, &rows.data, &schedule, &total)
            if status == NNC_BAD_ROW and total.steps == 0:
                raise self._bad_row()
            _raise(status, "this plan was created without a loss or an optimizer, or there is no memory for gradients")
            if total.steps == 0:
                _raise_signal()
            loss = float("nan") if status == NNC_NOT_FINITE else total.loss
            return total.steps, total.rows, loss, np.array(self._metric_sums)
        finally:
            self._release()

    def train_epochs(self, x, y, sample_weight, held_out, const int64_t[:, ::1] orders,
                     const float[:, ::1] learning_rates, size_t batch_size, uint64_t epoch, uint64_t step,
                     double budget, patience=None):
        """Train several epochs, as `train`, and evaluate held_out (x, y, sample_weight), if not None, as `evaluate`.

        Row e of orders (E, n; or E, 0: rows as stored) and learning_rates (E, steps) is for epoch `epoch` + e. Ends
        after an epoch when `budget` seconds have passed, or by `patience`, the fields of nnc_patience. Returns
        (complete epochs done, steps done in an aborted one or -1, sums, error): sums (E, 2, 2 + metrics) has the rows,
        loss and metrics of training and held_out. An epoch is aborted by a loss that is not finite, with error None,
        or by a row that is out of range, with error set.
        """
        cdef size_t E = learning_rates.shape[0], n = orders.shape[1], e
        cdef Py_ssize_t broken = -1
        cdef double[:, :, ::1] sums = np.zeros((E, 2, 2 + self._metric_sums.shape[0]))
        cdef _Rows rows = _Rows.of(x, y, sample_weight, self.n_inputs, self.n_outputs)
        cdef _Rows held
        cdef nnc_epochs epochs
        cdef nnc_patience rule
        cdef nnc_status status
        if batch_size < 1 or batch_size > <size_t>self.batch_size:
            raise ValueError(f"batch_size must be from 1 to {self.batch_size}, got {batch_size}")
        if <size_t>orders.shape[0] != E:
            raise ValueError(f"orders are for {orders.shape[0]} epochs, learning_rates for {E}")
        for e in range(E if n else 0):
            self._check_order(orders[e], rows.data.n)
        epochs.n, epochs.n_steps, epochs.batch_size = E, learning_rates.shape[1], batch_size
        epochs.orders, epochs.n_rows = &orders[0, 0] if E and n else NULL, n if n else rows.data.n
        epochs.learning_rates = &learning_rates[0, 0] if E and epochs.n_steps else NULL
        epochs.epoch, epochs.step, epochs.budget = epoch, step, budget
        epochs.patience = NULL
        if patience is not None:
            rule.best, rule.tolerance, rule.count, rule.patience = patience
            epochs.patience = &rule
        epochs.held_out, epochs.done, epochs.steps_of_next = NULL, 0, 0
        epochs.sums = &sums[0, 0, 0] if E else NULL
        if held_out is not None:
            held = _Rows.of(held_out[0], held_out[1], held_out[2], self.n_inputs, self.n_outputs)
            epochs.held_out = &held.data
        error = None
        self._acquire()
        try:
            nnc_set_poll_here(NULL)  # the epochs are short
            with nogil:
                status = nnc_plan_train_epochs(self._plan, &rows.data, &epochs)
            if status == NNC_BAD_ROW:
                error = self._bad_row()
        finally:
            self._release()
        _raise(status, "this plan was created without a loss or an optimizer, or there is no memory for gradients")
        if status == NNC_NOT_FINITE or status == NNC_BAD_ROW:
            broken = epochs.steps_of_next
        return epochs.done, broken, np.asarray(sums), error

    def release(self):
        """Release the arrays of the last `train`, which are kept to check them only once per epoch."""
        self._checked_rows = self._checked_order = None

    def evaluate(self, x, y, sample_weight, size_t start, size_t stop, outputs=None):
        """Loss and metrics of rows start to stop in inference mode; return (rows, loss_sum, metric_sums).

        outputs: float32 (stop - start, n_outputs), which receives the model's outputs for each row.
        """
        cdef _Rows rows
        cdef nnc_sums sums
        cdef nnc_status status
        self._acquire()
        try:
            rows = self._training_rows(x, y, sample_weight)
            sums.metrics = &self._metric_sums[0] if self._metric_sums.shape[0] else NULL
            sums.outputs = self._outputs_pointer(outputs, stop - start if start <= stop else 0)
            _poll_from_here()
            with nogil:
                status = nnc_plan_evaluate(self._plan, &rows.data, start, stop, &sums)
            self._check(status, f"no loss, or rows {start} to {stop} of {rows.data.n}")
            return sums.rows, sums.loss, np.array(self._metric_sums)
        finally:
            self._release()

    def penalty(self):
        """Sum of the regularizers' penalties on the current weights."""
        self._acquire()
        try:
            return nnc_plan_penalty(self._plan)
        finally:
            self._release()

    def forward(self, x):
        """Outputs (n, n_outputs) of x (n, n_inputs) in inference mode."""
        cdef _Rows rows = _Rows.of(x, None, None, self.n_inputs, self.n_outputs)
        cdef nnc_status status
        result = _new_array((rows.data.n, self.n_outputs), _FLOAT32)
        cdef float *outputs = _pointer(result)
        self._acquire()
        try:
            _poll_from_here()
            with nogil:
                status = nnc_plan_forward(self._plan, &rows.data, outputs)
            if status != NNC_OK:
                self._check(status, "forward")
        finally:
            self._release()
        return result

    def gradients(self, x, y, sample_weight=None, bint training=False, uint64_t epoch=0, uint64_t step=0):
        """Loss of one batch and its gradient for every parameter, penalties included."""
        cdef _Rows rows = _Rows.of(x, y, sample_weight, self.n_inputs, self.n_outputs)
        cdef nnc_status status
        cdef double loss = 0
        self._acquire()
        try:
            _poll_from_here()
            with nogil:
                status = nnc_plan_gradients(self._plan, &rows.data, training, epoch, step, &loss)
            self._check(status, f"this plan has no loss, or {rows.data.n} rows are not between 1 and {self.batch_size}")
            return loss, [self._read(i, NNC_GRADIENT) for i in range(len(self.parameter_shapes))]
        finally:
            self._release()

    def step_forward(self, x, uint64_t epoch, uint64_t step, bint training=True):
        """Outputs of one batch, to be followed by `step_backward` or `step_gradients`. None after `ask_to_stop`."""
        cdef _Rows rows = _Rows.of(x, None, None, self.n_inputs, self.n_outputs)
        cdef nnc_status status
        result = _new_array((rows.data.n, self.n_outputs), _FLOAT32)
        cdef float *outputs = _pointer(result)
        self._acquire()
        try:
            _poll_from_here()
            with nogil:
                status = nnc_plan_step_forward(self._plan, &rows.data, training, epoch, step, outputs)
        finally:
            self._release()
        _raise_signal()
        if status == NNC_STOPPED:
            return None
        _raise(status, f"this plan has its own loss, or {rows.data.n} rows are not from 1 to {self.batch_size}")
        return result

    cdef _d_outputs(self, d_outputs):
        d_outputs = _as_float(d_outputs, 2)
        if d_outputs.shape[1] != self.n_outputs:
            raise ValueError(f"d_outputs must have shape (n, {self.n_outputs}) in this plan, got {d_outputs.shape}")
        return d_outputs

    def step_backward(self, d_outputs, float learning_rate, uint64_t step):
        """One update, given dL/d outputs of the batch of the last `step_forward`; False after `ask_to_stop`."""
        cdef nnc_status status
        d_outputs = self._d_outputs(d_outputs)
        cdef const float *d = _read_pointer(d_outputs)
        cdef size_t n = d_outputs.shape[0]
        self._acquire()
        try:
            _poll_from_here()
            with nogil:
                status = nnc_plan_step_backward(self._plan, n, d, learning_rate, step)
        finally:
            self._release()
        _raise_signal()
        _raise(status, f"step_backward needs an optimizer, and a step_forward of {n} rows with training=True before each call")
        return status == NNC_OK

    def step_gradients(self, d_outputs):
        """The gradient for every parameter, penalties included, given dL/d outputs of the batch of the last
        `step_forward`. Neither the parameters nor the moving statistics change.
        """
        cdef nnc_status status
        d_outputs = self._d_outputs(d_outputs)
        cdef const float *d = _read_pointer(d_outputs)
        cdef size_t n = d_outputs.shape[0]
        self._acquire()
        try:
            _poll_from_here()
            with nogil:
                status = nnc_plan_step_gradients(self._plan, n, d)
            self._check(status, f"step_gradients needs a step_forward of {n} rows before each call")
            return [self._read(i, NNC_GRADIENT) for i in range(len(self.parameter_shapes))]
        finally:
            self._release()


set_isa()
