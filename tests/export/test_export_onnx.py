"""ONNX against onnxruntime: every layer and activation, dynamic batches, names, labels, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export_helpers import LAYERS, difference, layered, net, rows

import nnc
from nnc import layers

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def exported(model, folder, **options):
    path = folder / "net.onnx"
    return model.export_onnx(path, **options), session(path)


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_are_those_of_predict(name, tmp_path):
    model = layered(name)
    report, run = exported(model, tmp_path)
    assert report.difference <= 1e-5
    for n in (1, 40, 3):
        x = rows(model, n)
        wanted = model.predict(x)
        found = run.run([report.outputs[-1]], {"input": x})[0]
        assert found.shape == wanted.shape and found.dtype == np.float32
        assert difference(found.reshape(n, -1), wanted) <= 1e-5
    assert run.run(None, {"input": x[:0]})[-1].shape == (0, *model.output_shape[1:])


def test_the_file_is_of_opset_18(tmp_path):
    report, run = exported(layered("convolution, normalized"), tmp_path)
    proto = onnx.load(report.file)
    onnx.checker.check_model(proto, full_check=True)
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 18)]
    assert (proto.producer_name, proto.producer_version) == ("nnc", nnc.__version__)
    (given,) = run.get_inputs()
    assert (given.name, given.shape, given.type) == ("input", ["batch", 7, 6, 2], "tensor(float)")
    kinds = [node.op_type for node in proto.graph.node]
    assert "BatchNormalization" not in kinds and kinds.count("Transpose") == 1  # input


def classifier(last="softmax", loss=None):
    n = 1 if last == "sigmoid" else 3
    model = net(layers.Dense(6, "relu"), layers.Dense(n, None if loss else last), shape=(4,))
    if loss is not None:
        model.compile(loss=loss)
    return model


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_labels_and_probabilities(tmp_path):
    model = classifier()
    x = rows(model, 50)
    report, run = exported(model, tmp_path)
    assert report.outputs == ("label", "probabilities")
    label, probabilities = run.run(None, {"input": x})
    assert label.dtype == np.int64 and (label == model.predict(x).argmax(axis=1)).all()
    assert difference(probabilities, model.predict(x)) <= 1e-5
    report, run = exported(model, tmp_path, outputs="logits", label=False)
    assert report.outputs == ("logits",)
    (logits,) = run.run(None, {"input": x})
    assert difference(softmax(logits), model.predict(x)) <= 1e-5 and abs(logits.sum()) > 1


def test_logits_of_a_cross_entropy(tmp_path):
    model = classifier(loss=nnc.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = rows(model, 50)
    report, run = exported(model, tmp_path)
    assert report.outputs == ("label", "logits")
    label, logits = run.run(None, {"input": x})
    assert difference(logits, model.predict(x)) <= 1e-5 and (label == logits.argmax(axis=1)).all()
    report, run = exported(model, tmp_path, outputs="probabilities", classes=["a", "b", "c"])
    assert report.outputs == ("label", "probabilities")
    label, probabilities = run.run(None, {"input": x})
    assert difference(probabilities, softmax(model.predict(x))) <= 1e-5
    assert (label == np.array(["a", "b", "c"])[probabilities.argmax(axis=1)]).all()


@pytest.mark.parametrize("loss", [None, nnc.losses.BinaryCrossentropy(from_logits=True)])
def test_two_classes(loss, tmp_path):
    model = classifier("sigmoid")
    if loss is not None:
        model = net(layers.Dense(1), shape=(4,))
        model.compile(loss=loss)
    x = rows(model, 50)
    report, run = exported(model, tmp_path, classes=[-1, 1])
    label, values = run.run(None, {"input": x})
    above = model.predict(x)[:, 0] > (0.5 if loss is None else 0.0)
    assert label.shape == (50,) and (label == np.where(above, 1, -1)).all() and values.shape == (50, 1)
    assert report.outputs[1] == ("probabilities" if loss is None else "logits")
    _, run = exported(model, tmp_path, outputs="probabilities", zipmap=True)
    label, maps = run.run(None, {"input": x})
    assert sorted(maps[0]) == [0, 1] and (label == above).all()
    assert all(
        abs(sum(row.values()) - 1) < 1e-6 and (row[1] > 0.5) == one
        for row, one in zip(maps, above, strict=True)
    )


def test_zipmap_is_there_when_it_is_asked_for(tmp_path):
    model = classifier()
    x = rows(model, 5)
    report, run = exported(model, tmp_path)
    assert "ZipMap" not in [node.op_type for node in onnx.load(report.file).graph.node]
    report, run = exported(model, tmp_path, zipmap=True, classes=["a", "b", "c"])
    maps = run.run(["probabilities"], {"input": x})[0]
    found = np.array([[row[key] for key in "abc"] for row in maps])
    assert difference(found, model.predict(x)) <= 1e-5


def test_names(tmp_path):
    report, run = exported(classifier(), tmp_path, input_name="flowers", output_name="p", label=False)
    assert (report.inputs, report.outputs) == (("flowers",), ("p",))
    assert run.get_inputs()[0].name == "flowers" and run.get_outputs()[0].name == "p"
    assert exported(layered("dense"), tmp_path)[0].outputs == ("output",)
    model = classifier()
    inner = {name for node in onnx.load(exported(model, tmp_path)[0].file).graph.node for name in node.input}
    for name in sorted(inner - {"input"}):  # names that are used inside
        report, run = exported(model, tmp_path, input_name=name, output_name="softmax_2")
        values = run.run(["softmax_2"], {name: rows(model, 3)})[0]
        assert difference(values, model.predict(rows(model, 3))) <= 1e-5


def test_the_same_bytes_every_time(tmp_path):
    model = layered("convolution, normalized")
    first = model.export_onnx(tmp_path / "a.onnx")
    second = nnc.Sequential.from_state(model.state()).export_onnx(tmp_path / "b.onnx")
    assert Path(first.file).read_bytes() == Path(second.file).read_bytes()


def refused(model, folder, error, words, path="net.onnx", **options):
    before = sorted(os.listdir(folder))
    with pytest.raises(error, match=words):
        model.export_onnx(folder / path, **options)
    assert sorted(os.listdir(folder)) == before


def test_refusals(tmp_path):
    refused(nnc.Sequential([layers.Dense(3)]), tmp_path, ValueError, r"not built.*build\(\(None")
    model = classifier()
    refused(model, tmp_path, FileNotFoundError, r"no folder .*missing.*os\.makedirs", "missing/net.onnx")
    refused(model, tmp_path, ValueError, "path must be a file's path", ".")
    refused(model, tmp_path, ValueError, "outputs must be 'predict' or 'logits'", outputs="all")
    refused(model, tmp_path, ValueError, "classes must be 3 distinct names", classes=[0, 1])
    refused(model, tmp_path, ValueError, "classes must be 3 distinct names", classes=[0, 1, 1])
    refused(model, tmp_path, ValueError, "classes must be 3 distinct names", classes="abc")
    refused(model, tmp_path, ValueError, "numbers in 64 bits", classes=[0, 1, 2**63])
    refused(model, tmp_path, TypeError, "classes must be integers or strings", classes=[0, 1, 2.5])
    refused(model, tmp_path, ValueError, "must differ, also from 'label'", input_name="label")
    refused(model, tmp_path, ValueError, "input_name must be a string", input_name="")
    refused(model, tmp_path, ValueError, "zipmap is for probabilities", outputs="logits", zipmap=True)
    values = layered("dense")
    refused(values, tmp_path, ValueError, "label, classes and zipmap are for classifiers", label=True)
    refused(
        values, tmp_path, ValueError, "outputs must be 'predict', since .* not a classifier", outputs="logits"
    )
    model.compile(loss=lambda y, a: (np.zeros(len(y)), a))
    refused(model, tmp_path, ValueError, r"Python function.*compile\(loss=None\)")


def test_other_outputs_are_found_before_the_file_is_written(tmp_path, monkeypatch):
    from nnc.export import onnxmodel

    monkeypatch.setitem(onnxmodel.ACTIVATIONS, "relu", onnxmodel.ACTIVATIONS["tanh"])
    refused(
        classifier(), tmp_path, RuntimeError, "onnxruntime's outputs differ from nnc's .* nothing was written"
    )


def test_without_onnxruntime_the_checker_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    report = classifier().export_onnx(tmp_path / "net.onnx")
    assert report.difference is None and os.path.exists(report.file)


def test_without_onnx(tmp_path):
    code = f"""
import sys; sys.modules["onnx"] = None
import nnc
model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
try: model.export_onnx({str(tmp_path / "net.onnx")!r})
except ImportError as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'nnc[onnx]'" in done.stdout and not os.listdir(tmp_path)
