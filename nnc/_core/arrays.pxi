# Part of binding.pyx: pointers to the data of arrays.

# Looked up once: the lookups take as long as a layer of a tiny network, and NumPy converts a type to a dtype in each call.
cdef object _new_array = np.empty
cdef object _FLOAT32 = np.dtype(np.float32)


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
        # The buffer protocol itself: a typed memoryview takes longer than the forward pass of a tiny network. The array
        # is kept alive by `arrays`, therefore its memory outlives the buffer.
        cdef Py_buffer view
        cdef const char *format
        PyObject_GetBuffer(x, &view, PyBUF_STRIDES | PyBUF_FORMAT)
        format = view.format
        if format[0] == c"=":  # native byte order, not aligned: the kernels accept that
            format += 1
        try:
            if view.ndim != 2 or <size_t>view.shape[1] != n_inputs:
                raise ValueError(f"x must have shape (n, {n_inputs}) in this plan, got {x.shape}")
            self.data.n = view.shape[0]
            if self.data.n == 0:
                return 0
            if view.shape[1] > 1 and view.strides[1] != view.itemsize:
                raise ValueError(f"x must have contiguous features, got strides {x.strides}")
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
            raise ValueError(f"x has {self.data.n} rows, but y has {y.shape[0]}")
        if y.ndim == 1:
            ids = y
            for i in range(ids.shape[0]):
                if ids[i] < 0 or <size_t>ids[i] >= n_outputs:
                    raise ValueError(f"y[{i}] is class {ids[i]}, there are {n_outputs} outputs")
            self.data.ids = &ids[0] if self.data.n else NULL
        else:
            if y.ndim != 2 or y.shape[1] != n_outputs:
                raise ValueError(f"y must have shape (n, {n_outputs}) in this plan, got {y.shape}")
            rows = y
            self.data.rows = &rows[0, 0] if self.data.n else NULL
        if sample_weight is not None:
            weights = sample_weight
            if <size_t>weights.shape[0] != self.data.n:
                raise ValueError(f"x has {self.data.n} rows, but sample_weight has {weights.shape[0]}")
            self.data.weights = &weights[0] if self.data.n else NULL
        return 0


cdef _as_float(array, int ndim=-1):
    array = np.ascontiguousarray(array, dtype=np.float32)
    if ndim >= 0 and array.ndim != ndim:
        raise ValueError(f"an array must have {ndim} axes here, got shape {array.shape}")
    return array


cdef _as_matrix(array):
    """(C-contiguous base, rows, columns, row stride, column stride); a transposed matrix is not copied."""
    array = np.asarray(array, dtype=np.float32)
    flags = array.flags
    if array.ndim != 2 or not (flags.c_contiguous or flags.f_contiguous):
        array = _as_float(array, 2)
        flags = array.flags
    rows, cols = array.shape
    return (array, rows, cols, cols, 1) if flags.c_contiguous else (array.T, rows, cols, 1, rows)


cdef _out(out, shape):
    if out is None:
        return _new_array(shape, _FLOAT32)
    flags = out.flags
    if out.dtype != np.float32 or out.shape != tuple(shape) or not flags.c_contiguous or not flags.writeable:
        raise ValueError(
            f"out must be a writeable C-contiguous float32 array of shape {tuple(shape)}, got {out.dtype} {out.shape}"
        )
    return out


cdef float *_pointer(array) except? NULL:
    """The pointer to a C-contiguous float32 array that is written to; NULL if it is empty."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_WRITABLE)
    PyBuffer_Release(&view)
    return <float *>view.buf if view.len else NULL


cdef const float *_read_pointer(array) except? NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return <const float *>view.buf if view.len else NULL


def is_within_owner(array):
    """Whether a view of another array, with strides of at least 0, is within the memory of that array."""
    cdef Py_buffer view, owned
    cdef const char *end
    cdef int axis
    owner = array.base
    if not isinstance(owner, np.ndarray) or owner.base is not None:
        return True  # nothing else can be resized while there are views
    PyObject_GetBuffer(array, &view, PyBUF_STRIDES)
    end = <const char *>view.buf + view.itemsize
    for axis in range(view.ndim):
        end += (view.shape[axis] - 1) * view.strides[axis]
    PyBuffer_Release(&view)
    try:
        PyObject_GetBuffer(owner, &owned, PyBUF_STRIDES)
    except ValueError:  # records with dates: their memory is not known
        return True
    PyBuffer_Release(&owned)
    return view.len == 0 or (owned.buf <= view.buf and end <= <const char *>owned.buf + owned.len)
