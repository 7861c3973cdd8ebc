# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The border between Python and csrc: it checks, takes pointers and releases the GIL; no arithmetic happens here.

`Plan` runs networks; the functions are single kernels. All have a twin of the same name in `nnc.reference`, which says
what they compute. csrc/nnc.h is the manual of the functions called here.
"""

import threading

import numpy as np

from cpython.buffer cimport PyBUF_FORMAT, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec


# ---- machine --------------------------------------------------------------------------------------------------------


def set_isa(name=None):
    """Use the kernels of instruction set `name`; None: NNC_ISA of the environment, else the best this CPU has."""
    cdef char message[256]
    encoded = None if name is None else name.encode()
    cdef const char *c_name = NULL
    if encoded is not None:
        c_name = encoded
    if nnc_choose_isa(c_name, message) != NNC_OK:
        raise ValueError(message.decode())


def set_num_threads(n):
    """Let calls use n threads from now on; None goes back to what the machine and the environment allow."""
    if n is not None and (isinstance(n, bool) or not hasattr(n, "__index__") or not 1 <= n <= 1024):
        raise ValueError(f"n must be an integer from 1 to 1024 or None, got {n!r}")
    nnc_set_threads(0 if n is None else n)


def set_threads_here(int n):
    """Threads of the calls that this thread makes, 0: as for all; gives what it was. See `nnc.threads`."""
    return nnc_set_threads_here(n)


def get_num_threads():
    """Threads that a call may use."""
    return nnc_threads()


def cpu_info():
    """What `nnc.show_config` prints: instruction sets, threads, compiler."""
    return {
        "isa": nnc_isa_name().decode(),
        "isa_available": [nnc_isa_available(i).decode() for i in range(nnc_isa_count())],
        "tile_rows": nnc_isa_tile_rows(),
        "threads": nnc_threads(),
        "threads_source": nnc_threads_source().decode(),
        "openmp": bool(nnc_has_openmp()),
        "compiler": nnc_compiler().decode(),
    }


# ---- specifications: dicts to structs ---------------------------------------------------------------------------------


cdef int _id(int (*look_up)(const char *) noexcept nogil, name, what) except -1:
    encoded = name.encode()
    cdef int found = look_up(encoded)
    if found < 0:
        raise ValueError(f"unknown {what} {name!r}")
    return found


cdef nnc_layer_spec _layer_spec(dict row) except *:
    cdef nnc_layer_spec spec
    memset(&spec, 0, sizeof(spec))
    kind = row["kind"]
    if kind not in _LAYER_KINDS:
        raise ValueError(f"unknown layer kind {kind!r}; there are: {', '.join(_LAYER_KINDS)}")
    spec.kind = <nnc_layer_kind><int>_LAYER_KINDS[kind]
    spec.units = row.get("units", row.get("filters", 0))
    spec.use_bias = row.get("use_bias", row.get("center", False))
    spec.activation = _id(nnc_activation_id, row.get("activation", "linear"), "activation")
    spec.alpha = row.get("alpha", 0.0)
    spec.group = row.get("group", 1)
    spec.rate = row.get("rate", 0.0)
    spec.scale, spec.offset = 1.0, 0.0
    if kind == "rescaling":
        spec.scale, spec.offset = row["scale"], row["offset"]
    spec.momentum, spec.epsilon = row.get("momentum", 0.0), row.get("epsilon", 0.0)
    names = _PENALIZED.get(kind, ("kernel", "bias"))
    if kind in ("batch_normalization", "layer_normalization"):
        spec.use_scale = row["scale"]
    for i, name in enumerate(names):
        spec.l1[i], spec.l2[i] = row.get(f"{name}_l1", 0.0), row.get(f"{name}_l2", 0.0)
    spec.geometry = _geometry(row)
    if kind == "random_affine":
        spec.affine = _affine(row)
    return spec


cdef nnc_geometry _geometry(dict row) except *:
    cdef nnc_geometry g
    g.height, g.width, g.channels = row.get("height", 0), row.get("width", 0), row.get("channels", 0)
    g.kernel_height, g.kernel_width = row.get("kernel_height", 1), row.get("kernel_width", 1)
    g.stride_height, g.stride_width = row.get("stride_height", 1), row.get("stride_width", 1)
    g.dilation_height, g.dilation_width = row.get("dilation_height", 1), row.get("dilation_width", 1)
    g.pad_top, g.pad_left = row.get("pad_top", 0), row.get("pad_left", 0)
    g.out_height, g.out_width = row.get("out_height", 0), row.get("out_width", 0)
    return g


cdef nnc_affine _affine(dict row) except *:
    cdef nnc_affine affine
    affine.one_zoom = row["zoom_width"] is None
    zoom_width = row["zoom_height" if affine.one_zoom else "zoom_width"]
    for i in range(2):
        affine.rotation[i] = row["rotation"][i]
        affine.zoom[0][i], affine.zoom[1][i] = row["zoom_height"][i], zoom_width[i]
        affine.shift[0][i], affine.shift[1][i] = row["shift_height"][i], row["shift_width"][i]
    affine.fill = _id(nnc_fill_id, row["fill"], "fill")
    affine.fill_value = row["fill_value"]
    if row["interpolation"] not in ("bilinear", "nearest"):
        raise ValueError(f"unknown interpolation {row['interpolation']!r}")
    affine.bilinear = row["interpolation"] == "bilinear"
    return affine


_LAYER_KINDS = {
    "dense": NNC_DENSE,
    "activation": NNC_ACTIVATION,
    "prelu": NNC_PRELU,
    "dropout": NNC_DROPOUT,
    "rescaling": NNC_RESCALING,
    "conv2d": NNC_CONV2D,
    "max_pooling": NNC_MAX_POOLING,
    "average_pooling": NNC_AVERAGE_POOLING,
    "zero_padding": NNC_ZERO_PADDING,
    "batch_normalization": NNC_BATCH_NORMALIZATION,
    "layer_normalization": NNC_LAYER_NORMALIZATION,
    "spatial_dropout": NNC_SPATIAL_DROPOUT,
    "random_affine": NNC_RANDOM_AFFINE,
}

# The parameters of a kind that have penalties, where they are not a kernel and a bias.
_PENALIZED = {
    "prelu": ("alpha",),
    "batch_normalization": ("gamma", "beta"),
    "layer_normalization": ("gamma", "beta"),
}


cdef nnc_loss_spec _loss_spec(dict row) except *:
    cdef nnc_loss_spec spec
    spec.kind = _id(nnc_loss_id, row["name"], "loss")
    spec.from_logits = row["from_logits"]
    spec.label_smoothing = row["label_smoothing"]
    spec.param = row["param"]
    return spec


cdef nnc_metric_spec _metric_spec(dict row) except *:
    cdef nnc_metric_spec spec
    spec.kind = _id(nnc_metric_id, row["name"], "metric")
    spec.param = row["param"]
    return spec


cdef nnc_optimizer_spec _optimizer_spec(dict row) except *:
    cdef nnc_optimizer_spec spec
    spec.kind = _id(nnc_optimizer_id, row["name"], "optimizer")
    spec.momentum, spec.nesterov = row["momentum"], row["nesterov"]
    spec.beta_1, spec.beta_2, spec.epsilon = row["beta_1"], row["beta_2"], row["epsilon"]
    spec.amsgrad, spec.rho, spec.centered = row["amsgrad"], row["rho"], row["centered"]
    spec.weight_decay = row["weight_decay"]
    spec.clipnorm, spec.global_clipnorm = row["clipnorm"], row["global_clipnorm"]
    spec.clipvalue = row["clipvalue"]
    return spec


cdef int _raise(nnc_status status, what) except -1:
    if status == NNC_NO_MEMORY:
        raise MemoryError(what)
    if status == NNC_INVALID:
        raise ValueError(what)
    return 0


cdef double _seconds() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <double>t.tv_sec + 1e-9 * <double>t.tv_nsec


# ---- arrays to pointers -----------------------------------------------------------------------------------------------


cdef class _Rows:
    """x, y and sample_weight of a call as pointers; keeps the arrays alive."""

    cdef nnc_data data
    cdef object arrays

    @staticmethod
    cdef _Rows of(x, y, sample_weight, size_t n_inputs, size_t n_outputs):
        cdef _Rows rows = _Rows.__new__(_Rows)
        rows.arrays = (x, y, sample_weight)
        rows.set_x(x, n_inputs)
        if y is not None:
            rows.set_targets(y, sample_weight, n_outputs)
        return rows

    cdef int set_x(self, x, size_t n_inputs) except -1:
        # The buffer protocol itself: a typed memoryview costs more than the forward pass of a tiny network. The array
        # is kept alive by `arrays`, so its memory outlives the buffer.
        cdef Py_buffer view
        cdef const char *format
        PyObject_GetBuffer(x, &view, PyBUF_STRIDES | PyBUF_FORMAT)
        format = view.format
        if format[0] == c"=":  # native byte order, not aligned: the kernels do not mind
            format += 1
        try:
            if view.ndim != 2 or <size_t>view.shape[1] != n_inputs:
                raise ValueError(f"x has shape {x.shape}, this plan takes (n, {n_inputs})")
            self.data.n = view.shape[0]
            if self.data.n == 0:
                return 0
            if view.shape[1] > 1 and view.strides[1] != view.itemsize:
                raise ValueError(f"x must have adjacent features, its strides are {x.strides}")
            self.data.x_is_u8 = format[0] == c"B"
            if not (self.data.x_is_u8 or format[0] == c"f") or format[1] != 0:
                raise TypeError(f"x must be uint8 or float32, got {x.dtype}")
            self.data.x, self.data.x_stride = view.buf, view.strides[0]
        finally:
            PyBuffer_Release(&view)
        return 0

    cdef int set_targets(self, y, sample_weight, size_t n_outputs) except -1:
        cdef const int32_t[::1] ids
        cdef const float[:, ::1] rows
        cdef const float[::1] weights
        cdef Py_ssize_t i
        if y.shape[0] != self.data.n:
            raise ValueError(f"x has {self.data.n} rows, y has {y.shape[0]}")
        if y.ndim == 1:
            ids = y
            for i in range(ids.shape[0]):
                if ids[i] < 0 or <size_t>ids[i] >= n_outputs:
                    raise ValueError(f"y[{i}] is class {ids[i]}, there are {n_outputs} outputs")
            self.data.ids = &ids[0] if self.data.n else NULL
        else:
            if y.ndim != 2 or y.shape[1] != n_outputs:
                raise ValueError(f"y has shape {y.shape}, this plan gives (n, {n_outputs})")
            rows = y
            self.data.rows = &rows[0, 0] if self.data.n else NULL
        if sample_weight is not None:
            weights = sample_weight
            if <size_t>weights.shape[0] != self.data.n:
                raise ValueError(f"x has {self.data.n} rows, sample_weight {weights.shape[0]}")
            self.data.weights = &weights[0] if self.data.n else NULL
        return 0


cdef _as_float(array, int ndim=-1):
    array = np.ascontiguousarray(array, dtype=np.float32)
    if ndim >= 0 and array.ndim != ndim:
        raise ValueError(f"an array of {ndim} axes is wanted here, got shape {array.shape}")
    return array


cdef _as_matrix(array):
    """(C-contiguous base, row stride, column stride) of a matrix; a transposed one is taken as it lies."""
    array = np.asarray(array, dtype=np.float32)
    if array.ndim == 2 and array.flags.f_contiguous and not array.flags.c_contiguous:
        return array.T, 1, array.shape[0]
    array = _as_float(array, 2)
    return array, array.shape[1], 1


cdef _out(out, shape):
    if out is None:
        return np.empty(shape, np.float32)
    if out.dtype != np.float32 or out.shape != tuple(shape) or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out must be a writeable C-contiguous float32 array of shape {tuple(shape)}, got {out.dtype} {out.shape}"
        )
    return out


cdef float *_pointer(array) except? NULL:
    """Of a C-contiguous float32 array that is written to; NULL if it is empty."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE)
    PyBuffer_Release(&view)
    return <float *>view.buf if view.len else NULL


cdef const float *_read_pointer(array) except? NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return <const float *>view.buf if view.len else NULL


# ---- plans ------------------------------------------------------------------------------------------------------------


cdef class Plan:
    """A network ready to run; see `nnc.reference.Plan`, which has the same face.

    One call at a time: a second thread waits for the first.
    """

    cdef nnc_plan *_plan
    cdef object _lock, _checked_order, _checked_rows
    cdef double[::1] _metric_sums
    cdef Py_ssize_t _n_layers
    cdef readonly object n_inputs, n_outputs, batch_size, seed, n_slots
    cdef readonly object parameter_names, parameter_shapes, parameter_trainable

    def __init__(self, n_inputs, layers, *, loss=None, metrics=(), optimizer=None, batch_size=32, seed=0):
        cdef nnc_plan_spec spec
        cdef nnc_loss_spec loss_spec
        cdef nnc_optimizer_spec optimizer_spec
        cdef char message[256]
        cdef size_t i
        cdef nnc_parameter parameter
        cdef nnc_status status
        message[0] = 0
        if self._plan is not NULL:
            raise RuntimeError("this plan is already made")
        cdef nnc_layer_spec *c_layers = <nnc_layer_spec *>calloc(len(layers) + 1, sizeof(nnc_layer_spec))
        cdef nnc_metric_spec *c_metrics = <nnc_metric_spec *>calloc(len(metrics) + 1, sizeof(nnc_metric_spec))
        try:
            if c_layers is NULL or c_metrics is NULL:
                raise MemoryError("no memory for the layers' specifications")
            for i, row in enumerate(layers):
                c_layers[i] = _layer_spec(row)
            for i, row in enumerate(metrics):
                c_metrics[i] = _metric_spec(row)
            spec.n_inputs, spec.batch_size, spec.seed = n_inputs, batch_size, seed
            self._n_layers = len(layers)
            spec.n_layers, spec.layers = self._n_layers, c_layers
            spec.n_metrics, spec.metrics = len(metrics), c_metrics
            spec.loss, spec.optimizer = NULL, NULL
            if loss is not None:
                loss_spec = _loss_spec(loss)
                spec.loss = &loss_spec
            if optimizer is not None:
                optimizer_spec = _optimizer_spec(optimizer)
                spec.optimizer = &optimizer_spec
            status = nnc_plan_create(&self._plan, &spec, message)
            _raise(status, message.decode())
        finally:
            free(c_layers)
            free(c_metrics)
        self._lock = threading.Lock()
        self._metric_sums = np.zeros(max(1, len(metrics)))[:len(metrics)]
        self.n_inputs, self.batch_size, self.seed = n_inputs, batch_size, seed
        self.n_outputs = nnc_plan_outputs(self._plan)
        self.n_slots = nnc_optimizer_slots(&optimizer_spec) if optimizer is not None else 0
        self.parameter_names, self.parameter_shapes, self.parameter_trainable = [], [], []
        for i in range(nnc_plan_parameters(self._plan)):
            parameter = nnc_plan_parameter(self._plan, i)
            self.parameter_names.append(parameter.name.decode())
            self.parameter_shapes.append(tuple([parameter.shape[axis] for axis in range(parameter.n_axes)]))
            self.parameter_trainable.append(bool(parameter.trainable))

    def __dealloc__(self):
        nnc_plan_free(self._plan)

    @property
    def nbytes(self):
        """Bytes of the plan's one allocation."""
        return nnc_plan_bytes(self._plan)

    # ---- parameters

    cdef _read(self, size_t i, int what):
        array = np.empty(self.parameter_shapes[i], np.float32)
        nnc_plan_read(self._plan, i, what, _pointer(array))
        return array

    cdef int _write(self, size_t i, int what, array, name) except -1:
        array = np.ascontiguousarray(array, dtype=np.float32)
        if array.shape != self.parameter_shapes[i]:
            raise ValueError(f"{name} {i} has shape {array.shape}, this plan wants {self.parameter_shapes[i]}")
        nnc_plan_write(self._plan, i, what, _read_pointer(array))
        return 0

    def get_parameters(self):
        """Copies of the parameters in layer order, of `parameter_shapes`."""
        with self._lock:
            return [self._read(i, NNC_WEIGHT) for i in range(len(self.parameter_shapes))]

    def set_parameters(self, parameters):
        """Copy in arrays of `parameter_shapes`."""
        if len(parameters) != len(self.parameter_shapes):
            raise ValueError(f"{len(parameters)} parameters given, this plan has {len(self.parameter_shapes)}")
        with self._lock:
            for i, array in enumerate(parameters):
                self._write(i, NNC_WEIGHT, array, "parameter")

    def get_slots(self):
        """Copies of what the optimizer remembers: for each parameter a list of n_slots arrays, an empty one where it
        is not trainable."""
        with self._lock:
            return [[self._read(i, s) for s in range(n)] for i, n in enumerate(self._slot_counts())]

    def _slot_counts(self):
        return [self.n_slots if trainable else 0 for trainable in self.parameter_trainable]

    def set_slots(self, slots):
        """Copy in what `get_slots` gave."""
        if [len(arrays) for arrays in slots] != self._slot_counts():
            raise ValueError(f"slots must be lists of so many arrays: {self._slot_counts()}, one for each parameter")
        with self._lock:
            for i, arrays in enumerate(slots):
                for s, array in enumerate(arrays):
                    self._write(i, s, array, "slot of parameter")

    # ---- running

    cdef _Rows _training_rows(self, x, y, sample_weight):
        """Rows of a call, kept from one slice of an epoch to the next, so that labels are checked once."""
        cdef _Rows rows = self._checked_rows
        if rows is None or rows.arrays[0] is not x or rows.arrays[1] is not y or rows.arrays[2] is not sample_weight:
            rows = _Rows.of(x, y, sample_weight, self.n_inputs, self.n_outputs)
        self._checked_rows = rows
        return rows

    cdef int _check_order(self, const int64_t[::1] order, size_t n) except -1:
        cdef Py_ssize_t i
        for i in range(order.shape[0]):
            if order[i] < 0 or <size_t>order[i] >= n:
                raise ValueError(f"order[{i}] is {order[i]}, x has {n} rows")
        return 0

    def train(self, x, y, sample_weight, order, size_t start, learning_rates, size_t batch_size, uint64_t epoch,
              uint64_t step, double budget, seconds=None):
        """Train for up to len(learning_rates) steps; gives (n_steps, rows, loss_sum, metric_sums).

        seconds: float64 (n_layers + 1, 2), to which the time of each layer's way forward and back is added, and
        in the last row that of gathering the batch and of all the rest.
        """
        cdef double[:, ::1] c_seconds
        cdef _Rows rows
        cdef nnc_schedule schedule
        cdef nnc_sums sums
        cdef nnc_status status
        cdef const int64_t[::1] c_order
        cdef const float[::1] rates = learning_rates
        if batch_size < 1 or batch_size > <size_t>self.batch_size:
            raise ValueError(f"batch_size must be from 1 to {self.batch_size}, got {batch_size}")
        with self._lock:
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
                    raise ValueError(f"seconds must have the shape ({self._n_layers + 1}, 2), got {seconds.shape}")
                schedule.seconds = &c_seconds[0, 0]
            sums.metrics = &self._metric_sums[0] if self._metric_sums.shape[0] else NULL
            with nogil:
                status = nnc_plan_train(self._plan, &rows.data, &schedule, &sums)
            _raise(status, "this plan was made without a loss or an optimizer, or there is no memory for gradients")
            loss = float("nan") if status == NNC_NOT_FINITE else sums.loss
            return sums.steps, sums.rows, loss, np.array(self._metric_sums)

    def train_epochs(self, x, y, sample_weight, held_out, const int64_t[:, ::1] orders,
                     const float[:, ::1] learning_rates, size_t batch_size, uint64_t epoch, uint64_t step,
                     double budget):
        """Several epochs, each as `train` and, on held_out (x, y, sample_weight) or None, `evaluate` do them.

        Row e of orders (E, n or 0: as they lie) and learning_rates (E, steps) is of epoch `epoch` + e. Ends behind an
        epoch when `budget` seconds are over. Gives (whole epochs done, steps done in one that broke off at a loss that
        is not finite or -1, sums): sums (E, 2, 2 + metrics) has the rows, loss and metrics of training and held_out.
        """
        cdef size_t E = learning_rates.shape[0], steps = learning_rates.shape[1], n = orders.shape[1], e = 0
        cdef size_t n_metrics = self._metric_sums.shape[0]
        cdef double[:, :, ::1] totals = np.zeros((E, 2, 2 + n_metrics))
        cdef _Rows rows = _Rows.of(x, y, sample_weight, self.n_inputs, self.n_outputs)
        cdef _Rows held = None
        cdef const nnc_data *held_data = NULL
        cdef nnc_schedule schedule
        cdef nnc_sums sums
        cdef nnc_status status = NNC_OK
        cdef double deadline = _seconds() + budget
        if batch_size < 1 or batch_size > <size_t>self.batch_size:
            raise ValueError(f"batch_size must be from 1 to {self.batch_size}, got {batch_size}")
        if <size_t>orders.shape[0] != E:
            raise ValueError(f"orders are of {orders.shape[0]} epochs, learning_rates of {E}")
        for e in range(E if n else 0):
            self._check_order(orders[e], rows.data.n)
        if held_out is not None:
            held = _Rows.of(held_out[0], held_out[1], held_out[2], self.n_inputs, self.n_outputs)
            held_data = &held.data
        schedule.order, schedule.start, schedule.stop = NULL, 0, n if n else rows.data.n
        schedule.batch_size, schedule.n_steps, schedule.budget = batch_size, steps, INFINITY
        schedule.seconds = NULL
        with self._lock, nogil:
            e = 0
            while e < E:
                if n:
                    schedule.order = &orders[e, 0]
                schedule.learning_rates = &learning_rates[e, 0]
                schedule.epoch, schedule.step = epoch + e, step + e * steps
                sums.metrics = &totals[e, 0, 0] + 2
                status = nnc_plan_train(self._plan, &rows.data, &schedule, &sums)
                if status != NNC_OK:
                    break
                totals[e, 0, 0], totals[e, 0, 1] = <double>sums.rows, sums.loss
                if held_data != NULL:
                    sums.metrics = &totals[e, 1, 0] + 2
                    status = nnc_plan_evaluate(self._plan, held_data, 0, held_data.n, &sums)
                    if status != NNC_OK:
                        break
                    totals[e, 1, 0] = <double>sums.rows
                    totals[e, 1, 1] = sums.loss + nnc_plan_penalty(self._plan) * <double>sums.rows
                e += 1
                if _seconds() > deadline:
                    break
        if status != NNC_NOT_FINITE:
            _raise(status, "this plan was made without a loss or an optimizer, or there is no memory for gradients")
        return e, sums.steps if status == NNC_NOT_FINITE else -1, np.asarray(totals)

    def release(self):
        """Forget the arrays of the last `train`, which it keeps so that slices of an epoch check them once."""
        self._checked_rows = self._checked_order = None

    def evaluate(self, x, y, sample_weight, size_t start, size_t stop):
        """Loss and metrics of rows start to stop in inference mode; gives (rows, loss_sum, metric_sums)."""
        cdef _Rows rows
        cdef nnc_sums sums
        cdef nnc_status status
        with self._lock:
            rows = self._training_rows(x, y, sample_weight)
            sums.metrics = &self._metric_sums[0] if self._metric_sums.shape[0] else NULL
            with nogil:
                status = nnc_plan_evaluate(self._plan, &rows.data, start, stop, &sums)
            _raise(status, f"no loss, or rows {start} to {stop} of {rows.data.n}")
            return sums.rows, sums.loss, np.array(self._metric_sums)

    def penalty(self):
        """Sum of the regularizers' penalties on the present weights."""
        with self._lock:
            return nnc_plan_penalty(self._plan)

    def forward(self, x):
        """Outputs (n, n_outputs) of x (n, n_inputs) in inference mode."""
        cdef _Rows rows = _Rows.of(x, None, None, self.n_inputs, self.n_outputs)
        cdef nnc_status status
        result = np.empty((rows.data.n, self.n_outputs), np.float32)
        cdef float *outputs = _pointer(result)
        with self._lock, nogil:
            status = nnc_plan_forward(self._plan, &rows.data, outputs)
        _raise(status, "forward")
        return result

    def gradients(self, x, y, sample_weight=None, bint training=False, uint64_t epoch=0, uint64_t step=0):
        """Loss of one batch and its gradient for every parameter, penalties included."""
        cdef _Rows rows = _Rows.of(x, y, sample_weight, self.n_inputs, self.n_outputs)
        cdef nnc_status status
        cdef double loss = 0
        with self._lock:
            with nogil:
                status = nnc_plan_gradients(self._plan, &rows.data, training, epoch, step, &loss)
            _raise(status, f"this plan has no loss, or {rows.data.n} rows are not between 1 and {self.batch_size}")
            return loss, [self._read(i, NNC_GRADIENT) for i in range(len(self.parameter_shapes))]

    def step_forward(self, x, uint64_t epoch, uint64_t step):
        """Outputs of one batch in training mode; `step_backward` completes the step."""
        cdef _Rows rows = _Rows.of(x, None, None, self.n_inputs, self.n_outputs)
        cdef nnc_status status
        result = np.empty((rows.data.n, self.n_outputs), np.float32)
        cdef float *outputs = _pointer(result)
        with self._lock, nogil:
            status = nnc_plan_step_forward(self._plan, &rows.data, epoch, step, outputs)
        _raise(status, f"this plan has a loss of its own, or {rows.data.n} rows are not from 1 to {self.batch_size}")
        return result

    def step_backward(self, d_outputs, float learning_rate, uint64_t step):
        """One update, given dL/d outputs of the batch of the last `step_forward`."""
        cdef nnc_status status
        d_outputs = _as_float(d_outputs, 2)
        if d_outputs.shape[1] != self.n_outputs:
            raise ValueError(f"d_outputs has shape {d_outputs.shape}, this plan gives (n, {self.n_outputs})")
        cdef const float *d = _read_pointer(d_outputs)
        cdef size_t n = d_outputs.shape[0]
        with self._lock, nogil:
            status = nnc_plan_step_backward(self._plan, n, d, learning_rate, step)
        _raise(status, f"this plan has a loss of its own or no optimizer, or {n} rows are not from 1 to its batch_size")


# ---- single kernels ------------------------------------------------------------------------------------------------------


def activation(name, z, float alpha=0.0, out=None):
    """a = f(z); softmax along the last axis."""
    z = _as_float(z)
    out = _out(out, z.shape)
    cdef int id_ = _id(nnc_activation_id, name, "activation")
    cdef size_t N = z.shape[z.ndim - 1] if z.ndim else 1
    cdef size_t M = z.size // N if N else 0
    cdef const float *p = _read_pointer(z)
    cdef float *a = _pointer(out)
    with nogil:
        nnc_activation_forward(id_, M, N, p, a, alpha)
    return out


def activation_backward(name, z, da, float alpha=0.0, out=None):
    """dz = da f'(z)."""
    z, da = _as_float(z), _as_float(da)
    if z.shape != da.shape:
        raise ValueError(f"z has shape {z.shape}, da {da.shape}: they must be the same")
    out = _out(out, z.shape)
    cdef int id_ = _id(nnc_activation_id, name, "activation")
    cdef size_t N = z.shape[z.ndim - 1] if z.ndim else 1
    cdef size_t M = z.size // N if N else 0
    cdef const float *zp = _read_pointer(z)
    cdef const float *dap = _read_pointer(da)
    cdef float *dz = _pointer(out)
    cdef nnc_status status
    with nogil:
        status = nnc_activation_backward(id_, M, N, zp, dap, dz, alpha)
    _raise(status, "activation_backward")
    return out


cdef int _gemm(size_t M, size_t N, size_t K, a, size_t ars, size_t acs, b, size_t brs, size_t bcs, init, c) except -1:
    cdef const float *ap = _read_pointer(a)
    cdef const float *bp = _read_pointer(b)
    cdef const float *ip = NULL
    if init is not None:
        ip = _read_pointer(init)
    cdef float *cp = _pointer(c)
    cdef nnc_status status = NNC_OK
    if M and N:
        with nogil:
            status = nnc_gemm(M, N, K, ap, ars, acs, bp, brs, bcs, ip, cp, N)
    return _raise(status, "gemm")


def dense(x, w, b=None, activation="linear", float alpha=0.0, out=None):
    """a = f(x w + b): x (B, I), w (I, O), b (O,) -> (B, O). x.T and w.T of C-contiguous arrays are read as they lie."""
    x_base, xrs, xcs = _as_matrix(x)
    w_base, wrs, wcs = _as_matrix(w)
    B, I = np.shape(x)
    O = np.shape(w)[1]
    if np.shape(w)[0] != I:
        raise ValueError(f"x {np.shape(x)} and w {np.shape(w)} do not fit: x (B, I), w (I, O)")
    if b is not None:
        b = _as_float(b, 1)
        if b.shape[0] != O:
            raise ValueError(f"b has shape {b.shape}, w {np.shape(w)} wants ({O},)")
    out = _out(out, (B, O))
    _gemm(B, O, I, x_base, xrs, xcs, w_base, wrs, wcs, b, out)
    cdef int id_ = _id(nnc_activation_id, activation, "activation")
    cdef float *a = _pointer(out)
    cdef size_t M = B, N = O
    with nogil:
        nnc_activation_forward(id_, M, N, a, a, alpha)
    return out


def dense_backward(x, w, dz, out=None):
    """dx = dz w^T, dw = x^T dz, db = sum of dz over rows; out: a tuple of three arrays for them."""
    x, w, dz = _as_float(x, 2), _as_float(w, 2), _as_float(dz, 2)
    B, I, O = x.shape[0], x.shape[1], w.shape[1]
    if w.shape[0] != I or dz.shape != (B, O):
        raise ValueError(f"x {x.shape}, w {w.shape} and dz {dz.shape} do not fit: x (B, I), w (I, O), dz (B, O)")
    dx, dw, db = (None, None, None) if out is None else out
    dx, dw, db = _out(dx, (B, I)), _out(dw, (I, O)), _out(db, (O,))
    _gemm(B, I, O, dz, O, 1, w, 1, O, None, dx)
    _gemm(I, O, B, x, 1, I, dz, O, 1, None, dw)
    cdef const float *dzp = _read_pointer(dz)
    cdef float *dbp = _pointer(db)
    cdef size_t M = B, N = O
    if N:
        with nogil:
            nnc_column_sums(M, N, dzp, dbp)
    return dx, dw, db


cdef _Rows _targets(y, a, sample_weight):
    cdef _Rows rows = _Rows.__new__(_Rows)
    y = np.asarray(y)
    if y.ndim == 1 and y.dtype.kind in "iu":
        y = np.ascontiguousarray(y, dtype=np.int32)
    else:
        y = _as_float(y, 2)
    if sample_weight is not None:
        sample_weight = _as_float(sample_weight, 1)
    rows.arrays = (a, y, sample_weight)
    rows.data.n = a.shape[0]
    rows.set_targets(y, sample_weight, a.shape[1])
    return rows


def loss(spec, y, a, sample_weight=None, out=None):
    """Mean loss over rows and its gradient wrt a (B, N); y ids (B,) or rows (B, N)."""
    a = _as_float(a, 2)
    cdef _Rows targets = _targets(y, a, sample_weight)
    cdef nnc_loss_spec c_spec = _loss_spec(spec)
    out = _out(out, a.shape)
    cdef size_t M = a.shape[0], N = a.shape[1]
    cdef const float *ap = _read_pointer(a)
    cdef float *da = _pointer(out)
    cdef double value = 0
    cdef nnc_status status
    with nogil:
        status = nnc_loss(&c_spec, M, N, ap, &targets.data, &value, da)
    _raise(status, "loss")
    return value, out


def metric(spec, y, a):
    """Mean of a metric over rows."""
    a = _as_float(a, 2)
    cdef _Rows targets = _targets(y, a, None)
    cdef nnc_metric_spec c_spec = _metric_spec(spec)
    cdef size_t M = a.shape[0], N = a.shape[1]
    cdef const float *ap = _read_pointer(a)
    cdef double value = 0
    with nogil:
        nnc_metric(&c_spec, M, N, ap, &targets.data, &value)
    return value


def update(spec, w, g, slots, float learning_rate, uint64_t step):
    """One update of w and its slots in place, all float32 of one shape."""
    cdef nnc_optimizer_spec c_spec = _optimizer_spec(spec)
    cdef float *c_slots[NNC_MAX_SLOTS]
    wanted = nnc_optimizer_slots(&c_spec)
    if len(slots) != wanted:
        raise ValueError(f"{spec['name']} with these settings has {wanted} slots, got {len(slots)}")
    for array in (w, *slots):
        _out(array, w.shape)
    g = _as_float(g)
    if g.shape != w.shape:
        raise ValueError(f"w has shape {w.shape}, g {g.shape}: they must be the same")
    for i in range(wanted):
        c_slots[i] = _pointer(slots[i])
    cdef size_t n = w.size
    cdef float *wp = _pointer(w)
    cdef const float *gp = _read_pointer(g)
    with nogil:
        nnc_update(&c_spec, n, wp, gp, c_slots, learning_rate, step)


def elementary(name, x):
    """The kernels' exp, expm1, log, log1p, tanh or sigmoid, for accuracy tests."""
    x = _as_float(x)
    out = np.empty_like(x)
    encoded = name.encode()
    cdef const char *c_name = encoded
    cdef size_t n = x.size
    cdef const float *xp = _read_pointer(x)
    cdef float *y = _pointer(out)
    if not nnc_elementary(c_name, n, xp, y):
        raise ValueError(f"unknown function {name!r}")
    return out


set_isa()
