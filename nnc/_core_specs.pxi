# Part of _core.pyx: specifications, dicts of names and numbers, as structs of the core.


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
