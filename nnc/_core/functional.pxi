# Part of binding.pyx: single kernels on a caller's arrays.


def activation(name, z, float alpha=0.0, out=None):
    """Return a = f(z); softmax along the last axis.

    Parameters
    ----------
    name : str
        A name from `nnc.activations.names`.
    z : array_like, any shape
    alpha : float, at least 0
        Slope of leaky_relu, scale of elu; ignored by the activations without a parameter.
    out : ndarray of float32, C-contiguous, shape of z, optional
        Where a is written; may be z itself.

    Returns
    -------
    ndarray of float32, shape of z

    Examples
    --------
    >>> from nnc import functional
    >>> functional.activation("leaky_relu", [[-2.0, 3.0]], alpha=0.5)
    array([[-1.,  3.]], dtype=float32)
    """
    z = _as_float(z)
    out = _out(out, z.shape)
    cdef int id_ = _activation_id(name)
    cdef size_t N = z.shape[z.ndim - 1] if z.ndim else 1
    cdef size_t M = z.size // N if N else 0
    cdef const float *p = _read_pointer(z)
    cdef float *a = _pointer(out)
    with nogil:
        nnc_activation_forward(id_, M, N, p, a, alpha)
    return out


def activation_backward(name, z, da, float alpha=0.0, out=None, *, a=None):
    """Return dz = da f'(z), the gradient before the activation from the gradient after it.

    With `a`, the output a = f(z) of `activation`, f' is computed from it, and z is not read::

        linear      1                       sigmoid     a (1 - a)
        relu        1 if a > 0 else 0       tanh        1 - a^2
        leaky_relu  1 if a > 0 else alpha   softplus    1 - exp(-a)
        elu         1 if a > 0 else a + alpha
        selu        s if a > 0 else a + s t, s = 1.05070098, t = 1.67326324
        softmax     dz_j = a_j (da_j - sum_k a_k da_k)

    The derivatives of gelu, gelu_tanh and silu are not functions of a. Without `a`, the output is first computed
    from z, which takes several times as long; the result is the same.

    Parameters
    ----------
    name : str
        A name from `nnc.activations.names`.
    z : array_like, any shape, or None if `a` is given
        Pre-activations.
    da : array_like, shape of z
        dL/da.
    alpha : float, at least 0
        Slope of leaky_relu, scale of elu; ignored by the others.
    out : ndarray of float32, C-contiguous, shape of da, optional
        Where dz is written; may be da, z or a itself. da avoids a copy.
    a : array_like, shape of da, optional
        The result of `activation` for z, with the same alpha.

    Returns
    -------
    ndarray of float32, shape of da

    Raises
    ------
    ValueError
        If the name is unknown, shapes differ, alpha is negative, z and a are both None, or `a` is given for an
        activation whose derivative is not a function of it.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import functional
    >>> da = np.ones(3, np.float32)
    >>> a = functional.activation("sigmoid", [-1.0, 0.0, 1.0])
    >>> functional.activation_backward("sigmoid", None, da, a=a).round(4)
    array([0.1966, 0.25  , 0.1966], dtype=float32)
    """
    cdef int id_ = _activation_id(name)
    if alpha < 0:  # a would not determine the sign of z
        raise ValueError(f"alpha is {alpha}: it must be at least 0")
    if a is None and z is None:
        raise ValueError("z is None: give z, or a=, the output of the activation")
    if a is not None and nnc_activation_keeps_d(id_):
        raise ValueError(f"the derivative of {name} is not a function of its output: give z instead of a=")
    kept, da = _as_float(z if a is None else a), _as_float(da)
    if kept.shape != da.shape:
        raise ValueError(f"{'z' if a is None else 'a'} has shape {kept.shape}, da {da.shape}: they must be the same")
    out = _out(out, da.shape)
    cdef size_t N = da.shape[da.ndim - 1] if da.ndim else 1
    cdef size_t M = da.size // N if N else 0
    cdef const float *zp = NULL
    cdef const float *ap = NULL
    if a is None:
        zp = _read_pointer(kept)
    else:
        ap = _read_pointer(kept)
    cdef const float *dap = _read_pointer(da)
    cdef float *dz = _pointer(out)
    cdef nnc_status status
    with nogil:
        status = nnc_activation_backward(id_, M, N, zp, ap, dap, dz, alpha)
    _raise(status, "activation_backward")
    return out


cdef int _gemm(nnc_matrix a, nnc_matrix b, init, c) except -1:
    cdef const float *ip = NULL
    if init is not None:
        ip = _read_pointer(init)
    cdef float *cp = _pointer(c)
    cdef nnc_status status = NNC_OK
    if a.rows and b.cols:
        with nogil:
            status = nnc_gemm(&a, &b, ip, cp, b.cols)
    return _raise(status, "gemm")


cdef nnc_matrix _matrix(array, size_t rows, size_t cols, size_t rs, size_t cs) except *:
    cdef nnc_matrix matrix
    matrix.data, matrix.rows, matrix.cols, matrix.rs, matrix.cs = _read_pointer(array), rows, cols, rs, cs
    return matrix


def dense(x, w, b=None, activation="linear", float alpha=0.0, out=None):
    """Return a = f(x w + b): x (B, I), w (I, O), b (O,) -> (B, O). Transposed C-contiguous x and w are not copied.

    Parameters
    ----------
    x : array_like (B, I)
    w : array_like (I, O)
    b : array_like (O,), optional
    activation : str
        A name from `nnc.activations.names`.
    alpha : float, at least 0
        The activation's parameter.
    out : ndarray of float32, C-contiguous (B, O), optional
        Where a is written.

    Returns
    -------
    ndarray of float32 (B, O)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import functional
    >>> x, w, b = np.ones((2, 3)), np.ones((3, 1)), np.array([-1.0])
    >>> functional.dense(x, w, b, "relu")
    array([[2.],
           [2.]], dtype=float32)
    """
    x_base, B, I, xrs, xcs = _as_matrix(x)
    w_base, K, O, wrs, wcs = _as_matrix(w)
    if K != I:
        raise ValueError(f"x {(B, I)} and w {(K, O)} do not fit: x (B, I), w (I, O)")
    if b is not None:
        b = _as_float(b, 1)
        if b.shape[0] != O:
            raise ValueError(f"b must have shape ({O},) for w {(K, O)}, got {b.shape}")
    out = _out(out, (B, O))
    _gemm(_matrix(x_base, B, I, xrs, xcs), _matrix(w_base, I, O, wrs, wcs), b, out)
    cdef int id_ = _activation_id(activation)
    cdef float *a = _pointer(out)
    cdef size_t M = B, N = O
    with nogil:
        nnc_activation_forward(id_, M, N, a, a, alpha)
    return out


def dense_backward(x, w, dz, out=None):
    """Return dx = dz w^T, dw = x^T dz and db = sum of dz over rows; out: a tuple of three arrays for them.

    Parameters
    ----------
    x : array_like (B, I)
    w : array_like (I, O)
    dz : array_like (B, O)
        dL/dz.
    out : tuple of ndarray, optional
        Where dx, dw and db are written: float32, C-contiguous.

    Returns
    -------
    dx, dw, db : ndarray of float32 (B, I), (I, O), (O,)

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import functional
    >>> x, w, dz = np.ones((2, 3)), np.ones((3, 1)), np.ones((2, 1))
    >>> dx, dw, db = functional.dense_backward(x, w, dz)
    >>> dx.shape, dw.ravel().tolist(), db.tolist()
    ((2, 3), [2.0, 2.0, 2.0], [2.0])
    """
    x, w, dz = _as_float(x, 2), _as_float(w, 2), _as_float(dz, 2)
    B, I, O = x.shape[0], x.shape[1], w.shape[1]
    if w.shape[0] != I or dz.shape != (B, O):
        raise ValueError(f"x {x.shape}, w {w.shape} and dz {dz.shape} do not fit: x (B, I), w (I, O), dz (B, O)")
    dx, dw, db = (None, None, None) if out is None else out
    dx, dw, db = _out(dx, (B, I)), _out(dw, (I, O)), _out(db, (O,))
    _gemm(_matrix(dz, B, O, O, 1), _matrix(w, O, I, 1, O), None, dx)
    _gemm(_matrix(x, I, B, 1, I), _matrix(dz, B, O, O, 1), None, dw)
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
        y = np.array(y, dtype=np.int32)  # a copy: y may change between the check and the kernel
    else:
        y = _as_float(y, 2)
    if sample_weight is not None:
        sample_weight = _as_float(sample_weight, 1)
    rows.arrays = (a, y, sample_weight)
    rows.data.n = a.shape[0]
    rows.set_targets(y, sample_weight, a.shape[1])
    return rows


def loss(spec, y, a, sample_weight=None, out=None):
    """Return the mean loss over rows and its gradient with respect to a (B, N); y: ids (B,) or rows (B, N).

    Parameters
    ----------
    spec : dict
        Of a loss: `nnc.losses.Loss.spec`.
    y : array_like
        Class ids (B,) or rows (B, N).
    a : array_like (B, N)
        The outputs.
    sample_weight : array_like (B,), optional
    out : ndarray of float32, C-contiguous (B, N), optional
        Where the gradient is written.

    Returns
    -------
    value : float
    gradient : ndarray of float32 (B, N)

    Raises
    ------
    ValueError
        If the shapes do not fit or the loss is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import functional, losses
    >>> spec = losses.MeanSquaredError().spec()
    >>> functional.loss(spec, np.zeros((1, 2)), np.array([[1.0, 3.0]]))
    (5.0, array([[1., 3.]], dtype=float32))
    """
    a = _as_float(a, 2)
    cdef _Rows targets = _targets(y, a, sample_weight)
    cdef _Spec c_spec = _Spec.of(spec, "name")
    cdef char message[256]
    out = _out(out, a.shape)
    cdef size_t N = a.shape[1]
    cdef const float *ap = _read_pointer(a)
    cdef float *da = _pointer(out)
    cdef double value = 0
    cdef nnc_status status
    with nogil:
        status = nnc_loss(&c_spec.spec, N, ap, &targets.data, &value, da, message)
    _raise(status, message.decode() if status == NNC_INVALID else "no memory for the rows of a loss")
    return value, out


def metric(spec, y, a):
    """Return the mean of a metric over rows.

    Parameters
    ----------
    spec : dict
        Of a metric: `nnc.metrics.Metric.spec`.
    y : array_like
        Class ids (B,) or rows (B, N).
    a : array_like (B, N)
        The outputs.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes do not fit or the metric is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import functional, metrics
    >>> spec = metrics.SparseCategoricalAccuracy().spec()
    >>> functional.metric(spec, np.array([1, 0]), np.array([[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """
    a = _as_float(a, 2)
    cdef _Rows targets = _targets(y, a, None)
    cdef _Spec c_spec = _Spec.of(spec, "name")
    cdef char message[256]
    cdef nnc_status status
    cdef size_t N = a.shape[1]
    cdef const float *ap = _read_pointer(a)
    cdef double value = 0
    with nogil:
        status = nnc_metric(&c_spec.spec, N, ap, &targets.data, &value, message)
    if status != NNC_OK:
        _raise(status, message.decode())
    return value


def update(spec, w, g, slots, float learning_rate, uint64_t step):
    """Update w and its slots in place, all float32 with the same shape.

    Parameters
    ----------
    spec : dict
        Of an optimizer: `nnc.optimizers.Optimizer.spec`.
    w : ndarray of float32, C-contiguous
    g : array_like, shape of w
        The gradient dL/dw.
    slots : list of ndarray, like w
        One for each of the optimizer's `slot_names`.
    learning_rate : float
    step : int
        The number of steps before this one, for the bias correction of Adam.

    Raises
    ------
    ValueError
        If a shape or the number of slots does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import functional, optimizers
    >>> w, g = np.array([1.0, 2.0], np.float32), np.array([1.0, -1.0])
    >>> functional.update(optimizers.SGD().spec(), w, g, [], learning_rate=0.5, step=1)
    >>> w
    array([0.5, 2.5], dtype=float32)
    """
    cdef nnc_optimizer *optimizer = NULL
    cdef char message[256]
    cdef nnc_weights weights
    cdef _Spec c_spec = _Spec.of(spec, "name")
    cdef nnc_status status = nnc_optimizer_create(&optimizer, &c_spec.spec, message)
    if status != NNC_OK:
        _raise(status, message.decode() if status == NNC_INVALID else "no memory for an optimizer")
    try:
        wanted = <Py_ssize_t>nnc_optimizer_slots(optimizer)
        if len(slots) != wanted:
            raise ValueError(f"{spec['name']} with these settings has {wanted} slots, got {len(slots)}")
        for array in (w, *slots):
            _out(array, w.shape)
        g = _as_float(g)
        if g.shape != w.shape:
            raise ValueError(f"w and g must have the same shape, got {w.shape} and {g.shape}")
        for i in range(wanted):
            weights.slots[i] = _pointer(slots[i])
        weights.n, weights.w, weights.g = w.size, _pointer(w), _read_pointer(g)
        with nogil:
            nnc_optimizer_update(optimizer, &weights, learning_rate, step)
    finally:
        nnc_optimizer_free(optimizer)


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
