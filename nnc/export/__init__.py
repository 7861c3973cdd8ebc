"""Models in other forms: C99 source (`nnc.export.c`), ONNX (`nnc.export.onnx`).

`Sequential.export_c` and `Sequential.export_onnx` are the public API. `lowering` converts a model to a list
of operations, `folding` reduces it to that of inference; a target has one function per class of `operations`.
"""
