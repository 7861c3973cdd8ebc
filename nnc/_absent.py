"""Names that Keras has and nnc does not, with what to use instead: messages of the modules' __getattr__."""

from __future__ import annotations

from collections.abc import Iterable

from nnc._config import did_you_mean

_RECURRENT = "nnc has no recurrent layers; for short sequences use Conv1D or Flatten with Dense"
_GRAPH = "nnc has only Sequential: a chain of layers from one input to one output"
_TEXT = "nnc has no layers for text or tables; encode them as numbers first (scikit-learn's preprocessing)"
_ATTENTION = "nnc has no attention; its layers are listed in nnc.layers"
_CONVOLUTION = "the convolutional layers of nnc are Conv1D and Conv2D"
_DEPTHWISE = "Conv{0}(filters, kernel_size, groups=channels), with as many filters as channels or a multiple"
_TRAINING = "models are trained by fit; for custom training steps use gradients and set_weights"
_LOGGING = "use CSVLogger, or a Callback with on_epoch_end"
_DATASETS = "nnc.datasets has iris, mnist and fashion_mnist; fit takes NumPy arrays and iterables of batches"

_INSTEAD = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "TimeDistributed"), _RECURRENT),
    **dict.fromkeys(
        ("Model", "Functional", "Add", "Concatenate", "Multiply", "Average", "Subtract", "Lambda", "Layer"),
        _GRAPH,
    ),
    **dict.fromkeys(
        ("Embedding", "TextVectorization", "StringLookup", "IntegerLookup", "CategoryEncoding", "Hashing"),
        _TEXT,
    ),
    **dict.fromkeys(("MultiHeadAttention", "Attention", "AdditiveAttention"), _ATTENTION),
    **dict.fromkeys(("Conv3D", "Conv2DTranspose", "Conv1DTranspose", "MaxPooling3D"), _CONVOLUTION),
    **{f"DepthwiseConv{axes}": f"use {_DEPTHWISE.format(axes)}" for axes in ("1D", "2D")},
    **{
        f"SeparableConv{axes}": f"use {_DEPTHWISE.format(axes)}, then Conv{axes}(filters, 1)"
        for axes in ("1D", "2D")
    },
    **dict.fromkeys(
        ("RepeatVector", "UpSampling1D", "Cropping1D", "Cropping2D", "ZeroPadding1D"),
        "repeat, crop or pad the data with NumPy; nnc has Reshape, Permute and ZeroPadding2D",
    ),
    "Accuracy": "use 'accuracy', or BinaryAccuracy, CategoricalAccuracy or SparseCategoricalAccuracy",
    **dict.fromkeys(
        ("Mean", "Sum", "MeanMetricWrapper"), "a metric is a Python function or a class of Metric"
    ),
    "UpSampling2D": "nnc has convolutions, poolings, ZeroPadding2D and random transformations",
    "GroupNormalization": "use BatchNormalization or LayerNormalization",
    "GradientTape": _TRAINING,
    "ops": "use NumPy; a custom loss or metric is a function of arrays",
    "backend": "nnc has one backend, its C core, and nnc.reference; choose with compile(backend=...)",
    "config": "nnc computes in float32; see nnc.show_config and nnc.set_num_threads",
    "mixed_precision": "nnc computes in float32",
    "distribution": "nnc trains in one process; nnc.search uses many",
    "applications": "nnc is for small networks and has no pretrained models",
    "preprocessing": "read images with another library, such as Pillow, into NumPy arrays",
    "image_dataset_from_directory": _DATASETS,
    "TensorBoard": _LOGGING,
    "RemoteMonitor": _LOGGING,
    "BackupAndRestore": "use ModelCheckpoint, nnc.load_model and fit(initial_epoch=...)",
    "SwapEMAWeights": "nnc keeps no moving averages of weights",
    "plot_model": "use Sequential.summary",
    "Ftrl": "nnc has SGD, Adam, AdamW, RMSprop and those listed in nnc.optimizers",
    "Adadelta": "nnc has SGD, Adam, AdamW, RMSprop and those listed in nnc.optimizers",
    "Adafactor": "nnc has SGD, Adam, AdamW, RMSprop and those listed in nnc.optimizers",
    "LossScaleOptimizer": "nnc computes in float32 and needs no scaling of the loss",
    "OrthogonalRegularizer": "use L1, L2 or L1L2",
    "register_keras_serializable": "nnc's files contain only nnc's own classes",
    "custom_object_scope": "nnc's files contain only nnc's own classes",
}


def no_attribute(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that `module` does not have: what to use instead, or the closest known name."""
    message = f"module {module!r} has no attribute {name!r}"
    if name in _INSTEAD:
        message += f": {_INSTEAD[name]}"
    elif not name.startswith("__"):  # each import from a module looks for its __path__
        message += did_you_mean(name, [each for each in known if not each.startswith("_")])
    return AttributeError(message)
