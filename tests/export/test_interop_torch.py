"""PyTorch's Sequential to nnc and back: every layer, equal outputs, what nnc has not."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest
from export_helpers import LAYERS, difference, layered, net, rows

import nnc
from nnc import interop, layers

torch = pytest.importorskip("torch")
importlib.import_module("nnc.interop.modules")
nn = torch.nn


def outputs(sequential, x, sequences=False):
    """What PyTorch gives for nnc's x, as nnc lays it: images, and `sequences`, with their channels last."""
    axes = (3, 4) if sequences else (4,)
    with torch.no_grad():
        y = sequential(torch.tensor(np.moveaxis(x, -1, 1).copy() if x.ndim in axes else x)).numpy()
    return np.moveaxis(y, 1, -1) if y.ndim in axes else y


@pytest.mark.parametrize("name", LAYERS)
def test_there_and_back(name):
    model = layered(name)
    x = rows(model, 20)
    wanted = model.predict(x)
    sequential = interop.to_torch(model)
    assert not sequential.training and type(sequential) is nn.Sequential
    found = outputs(sequential, x)
    assert found.shape == wanted.shape and difference(found.reshape(20, -1), wanted) <= 1e-5
    if name == "nothing":
        return
    shape = model.input_shape[1:]
    shape = (shape[-1], *shape[:-1]) if len(shape) == 3 else shape
    back = interop.from_torch(sequential, shape)
    assert back.input_shape == model.input_shape and back.output_shape == model.output_shape
    assert difference(back.predict(x).reshape(20, -1), wanted) <= 1e-5


def grown(*modules, seed=0):
    """A Sequential as training leaves it."""
    torch.manual_seed(seed)
    sequential = nn.Sequential(*modules)
    with torch.no_grad():
        for name, value in [*sequential.named_parameters(), *sequential.named_buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in name else torch.randn_like(value) * 0.3)
    return sequential.eval()


SEQUENTIALS = {
    "linear": ((7,), [nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3, bias=False), nn.Softmax(dim=1)]),
    "activations": (
        (7,),
        [
            nn.LeakyReLU(0.1), nn.Linear(7, 9), nn.ELU(0.5), nn.SELU(), nn.Linear(9, 9), nn.GELU(),
            nn.Linear(9, 9), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Linear(9, 9), nn.Sigmoid(), nn.Tanh(),
            nn.Softplus(), nn.Identity(), nn.Dropout(0.5), nn.Linear(9, 4), nn.LogSoftmax(dim=-1),
        ],
    ),
    "normalized": ((7,), [nn.Linear(7, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.LayerNorm(5), nn.PReLU(5)]),
    "without weights": ((7,), [nn.BatchNorm1d(7, affine=False), nn.LayerNorm(7, elementwise_affine=False)]),
    "bias only": ((7,), [nn.LayerNorm(7, bias=False), nn.PReLU()]),
    "LeNet": (
        (1, 28, 28),
        [
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 10),
        ],
    ),
    "what lies between Flatten and Linear": (
        (2, 6, 5),
        [
            nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.PReLU(4), nn.MaxPool2d(2, 1), nn.Flatten(),
            nn.BatchNorm1d(24), nn.PReLU(24), nn.LayerNorm(24), nn.Softmax(dim=1), nn.Dropout(0.3),
            nn.Linear(24, 3),
        ],
    ),
    "paddings": (
        (2, 9, 8),
        [
            nn.Conv2d(2, 3, 3, padding="same"), nn.Conv2d(3, 3, (2, 4), padding="same"),
            nn.Conv2d(3, 3, 3, padding=(2, 0)), nn.Conv2d(3, 3, 3, stride=2, padding=1),
            nn.Conv2d(3, 3, 2, dilation=2, padding=3), nn.Conv2d(3, 3, 2, padding="valid"),
            nn.ZeroPad2d((1, 0, 2, 3)), nn.ConstantPad2d(1, 0.0),
        ],
    ),
    "groups": (
        (6, 9, 8),
        [
            nn.Conv2d(6, 6, 3, groups=6, bias=False), nn.Conv2d(6, 12, (2, 3), padding="same", groups=3),
            nn.ReLU(), nn.Conv2d(12, 4, 3, stride=2, padding=1, groups=2), nn.Flatten(), nn.Linear(48, 3),
        ],
    ),
    "poolings": (
        (2, 13, 13),
        [
            nn.MaxPool2d(3, 2, padding=1), nn.AvgPool2d(3, 1, padding=1), nn.MaxPool2d(2, ceil_mode=True),
            nn.AvgPool2d(3, 1, padding=1, count_include_pad=False), nn.AvgPool2d((2, 1)),
        ],
    ),
    "adaptive": (
        (3, 8, 6),
        [nn.AdaptiveAvgPool2d((4, None)), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(3, 2)],
    ),
    "images out": (
        (2, 5, 4),
        [nn.Conv2d(2, 3, 2), nn.Softmax2d(), nn.Dropout2d(0.2), nn.LayerNorm((3, 4, 3))],
    ),
    "nested": ((7,), [nn.Sequential(nn.Linear(7, 5), nn.Sequential(nn.ReLU())), nn.Linear(5, 2)]),
    "sequences": (
        (4, 19),
        [
            nn.Conv1d(4, 6, 3, padding=1), nn.BatchNorm1d(6), nn.PReLU(6), nn.MaxPool1d(2, ceil_mode=True),
            nn.Conv1d(6, 6, 3, padding="same", dilation=2, groups=3, bias=False), nn.Dropout1d(0.2),
            nn.Tanh(), nn.ZeroPad1d((4, 0)), nn.Conv1d(6, 5, 3, dilation=2), nn.AvgPool1d(3, 1, padding=1),
            nn.LayerNorm((5, 10)), nn.PReLU(), nn.Conv1d(5, 3, 2, stride=2, padding=1), nn.Softmax(dim=1),
            nn.Flatten(), nn.Linear(18, 4),
        ],
    ),
    "sequences out": (
        (3, 12),
        [
            nn.ConstantPad1d(1, 0.0), nn.Conv1d(3, 4, 3), nn.AdaptiveMaxPool1d(6), nn.GELU(),
            nn.AvgPool1d(3, 1, padding=1, count_include_pad=False), nn.MaxPool1d(3, 1, padding=1),
            nn.AdaptiveAvgPool1d(1),
        ],
    ),
    "a sequence of a flat sample": (
        (12,),
        [nn.Linear(12, 12), nn.Unflatten(1, (1, 12)), nn.Conv1d(1, 3, 5), nn.Flatten(), nn.Linear(24, 2)],
    ),
    "unflattened": ((12,), [nn.Linear(12, 12), nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 2, 2)]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", SEQUENTIALS)
def test_sequentials_of_pytorch(name):
    shape, modules = SEQUENTIALS[name]
    sequential = grown(*modules)
    before = {key: value.clone() for key, value in sequential.state_dict().items()}
    model = interop.from_torch(sequential, shape)
    channels_last = (*shape[1:], shape[0])
    x = np.random.default_rng(0).normal(size=(20, *channels_last)).astype(np.float32)
    found, wanted = model.predict(x), outputs(sequential, x, sequences=True)
    assert found.shape == wanted.shape and difference(found.reshape(20, -1), wanted) <= 1e-5
    assert all(torch.equal(before[key], value) for key, value in sequential.state_dict().items())
    assert difference(outputs(interop.to_torch(model), x).reshape(20, -1), wanted) <= 1e-5


def test_shapes_that_need_not_be_given():
    for name in ("linear", "LeNet", "normalized", "nested", "sequences"):
        shape, modules = SEQUENTIALS[name]
        model = interop.from_torch(grown(*modules))
        assert model.input_shape[1:] == (*shape[1:], shape[0])
    for modules in (
        [nn.Conv2d(1, 2, 3)],
        [nn.ReLU()],
        [nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    ):
        with pytest.raises(ValueError, match=r"input_shape must be given, as PyTorch has it: \(C, H, W\)"):
            interop.from_torch(grown(*modules))


def test_scales_below_0():
    model = net(layers.Conv2D(3, 2), layers.Rescaling(-0.5, 0.3), shape=(4, 3, 2))
    x = rows(model, 5)
    back = interop.from_torch(interop.to_torch(model), (2, 4, 3))
    assert (
        back.layers[1].scale == -0.5 and difference(back.predict(x).reshape(5, -1), model.predict(x)) < 1e-6
    )
    ones = torch.ones(3)
    standardization = interop.modules.Standardization(0 * ones, -ones, ones)
    with pytest.raises(ValueError, match="with a scale above 0 only, got -1"):
        interop.from_torch(nn.Sequential(standardization), (3,))


class Swish(nn.Module):
    def forward(self, x):
        return x


class Linear(nn.Module):  # another one of that name
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ([nn.Linear(4, 4), nn.Tanhshrink()], r"layer '1', Tanhshrink\(.*not supported by nnc.* reads Linear"),
        ([nn.Sequential(nn.Linear(4, 4), Swish())], r"layer '0\.1', Swish\(\), is not supported"),
        ([Linear()], "is not supported by nnc"),
        ([nn.LSTM(4, 4)], "LSTM.*is not supported by nnc"),
        ([nn.ConvTranspose2d(2, 2, 2)], "ConvTranspose2d.*is not supported by nnc"),
        ([nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")], "padding_mode='zeros' only"),
        ([nn.Conv2d(2, 2, 3, stride=2, dilation=2)], "dilation_rate must be 1"),
        ([nn.MaxPool2d(3, 2, padding=1)], "other windows for images of 8 x 8"),
        ([nn.MaxPool2d(2, dilation=2)], "dilation=1"),
        ([nn.AvgPool2d(2, divisor_override=3)], "divisor_override=None only"),
        ([nn.AdaptiveAvgPool2d(3)], r"\(3, 3\) divides the image's 8 x 8"),
        ([nn.Conv2d(2, 3, 3), nn.Flatten()], "Flatten of images or sequences must have a Linear after it"),
        ([nn.Conv2d(3, 2, 3)], r"layer '0'.*kernel has the shape \(3, 3, 3, 2\).*need \(3, 3, 2, 2\)"),
        ([nn.BatchNorm2d(5)], r"layer '0'.*gamma has the shape \(5,\).*need \(2,\)"),
        ([nn.Softmax(dim=3)], "here with dim=1 only"),
        ([nn.Softplus(beta=2)], "beta=1 only"),
        ([nn.BatchNorm2d(2, track_running_stats=False)], "track_running_stats=True"),
        ([nn.LayerNorm(8)], r"over a complete sample, \(2, 8, 8\)"),
        ([nn.Flatten(0)], "start_dim=1"),
        ([nn.Linear(8, 3)], "takes 8 values, but the samples have the shape"),
        ([nn.Conv2d(2, 8, 1), nn.Linear(8, 3)], r"\(8, 8, 8\).*channels.*last: put a Flatten before it"),
        ([nn.ConstantPad2d(1, 2.0)], "pads with zeros only"),
        ([nn.Unflatten(1, (1, 2))], "flat samples only"),
        ([nn.Conv2d(2, 3, 9)], "layer '0'.*window spans 9 x 9"),
        ([], "no layers"),
    ],
)  # fmt: skip
def test_what_nnc_has_not_is_named(modules, words):
    with pytest.raises(ValueError, match=words):
        interop.from_torch(nn.Sequential(*modules), (2, 8, 8))


def test_what_is_no_sequential():
    for value in (nn.Linear(2, 2), None, [nn.Linear(2, 2)]):
        with pytest.raises(TypeError, match=r"sequential must be a torch\.nn\.Sequential, got"):
            interop.from_torch(value)


def test_models_that_are_not_built():
    with pytest.raises(ValueError, match="not built"):
        interop.to_torch(nnc.Sequential([layers.Dense(3)]))


def test_training_goes_on_there():
    """Dropout, batch normalization with its momentum, and weights that gradients move."""
    model = net(layers.Dense(5), layers.BatchNormalization(momentum=0.9), layers.Dropout(0.4), shape=(4,))
    linear, norm, dropout = interop.to_torch(model)
    assert (norm.momentum, norm.eps, dropout.p) == (pytest.approx(0.1), 1e-3, 0.4)
    assert all(each.requires_grad for each in linear.parameters())
    back = interop.from_torch(nn.Sequential(linear, norm, dropout))
    assert all(np.array_equal(a, b) for a, b in zip(back.get_weights(), model.get_weights(), strict=True))
    assert back.layers[1].momentum == pytest.approx(0.9) and back.layers[2].rate == 0.4


def test_double_precision_and_modules_that_can_be_saved(tmp_path):
    sequential = grown(nn.Linear(4, 3), nn.Tanh()).double()
    x = np.random.default_rng(0).normal(size=(5, 4))
    wanted = sequential(torch.tensor(x)).detach().numpy()
    assert difference(interop.from_torch(sequential).predict(x), wanted) <= 1e-5
    model = layered("max pooling, same")
    torch.save(interop.to_torch(model), tmp_path / "net.pt")
    again = torch.load(tmp_path / "net.pt", weights_only=False)
    x = rows(model, 3)
    assert np.array_equal(outputs(again, x), model.predict(x))


def test_nnc_imports_torch_only_when_it_is_asked():
    code = """
import sys, nnc, nnc.interop
try: nnc.interop.from_torch([])
except TypeError as error: print(error)
print("torch" in sys.modules)
sys.modules["torch"] = None
try: nnc.interop.to_torch(nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)]))
except ImportError as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert (
        "must be a torch.nn.Sequential" in lines[0]
        and lines[1] == "False"
        and "pip install torch" in lines[2]
    )
