"""Models in other forms: C99 source (`nnc.export.c`), ONNX (`nnc.export.onnx`).

`Sequential.export_c` and `Sequential.export_onnx` are the public face. `lowering` makes a model's list of
operations, `folding` the one of inference; a target has one function for each class of `operations`.
"""
