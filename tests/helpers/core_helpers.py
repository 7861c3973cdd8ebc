"""Helpers for the tests of the compiled core: rows and specs, pairs of plans and their data, comparisons."""

import hashlib
import itertools

import numpy as np
from reference_helpers import with_slots

from nnc import _core, reference

MR = _core.cpu_info()["tile_rows"]


FMA_SETS = [name for name in _core.cpu_info()["isa_available"] if name != "generic"]


ALPHAS = {"leaky_relu": 0.1, "elu": 0.7, "celu": 0.7, "soft_shrink": 0.4, "hard_shrink": 0.4}


def rng_of(*key):
    return np.random.default_rng(list(key))


def loss_spec(name, **changes):
    return {"name": name, "from_logits": False, "label_smoothing": 0.0, "param": 1.0} | changes


BASE = {
    "momentum": 0.0,
    "nesterov": False,
    "beta_1": 0.9,
    "beta_2": 0.999,
    "epsilon": 1e-7,
    "amsgrad": False,
    "rho": 0.9,
    "centered": False,
    "weight_decay": 0.0,
    "clipnorm": 0.0,
    "global_clipnorm": 0.0,
    "clipvalue": 0.0,
}


SETTINGS = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "adam": [{}, {"amsgrad": True}],
    "adagrad": [{}],
    "adamax": [{}],
    "nadam": [{}],
    "lion": [{}],
    "rmsprop": [{}, {"momentum": 0.9}, {"centered": True}, {"centered": True, "momentum": 0.5}],
}


COMMON = [{}, {"weight_decay": 0.01}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.1}]


def optimizer_specs():
    for name in reference.OPTIMIZERS:
        for settings, common in itertools.product(SETTINGS[name], COMMON):
            yield with_slots(BASE | {"name": name} | settings | common)


def dense(units, activation="linear", bias=True, **changes):
    return {
        "kind": "dense",
        "units": units,
        "use_bias": bias,
        "activation": activation,
        "alpha": ALPHAS.get(activation, 0.0),
        "group": units,
        "kernel_l1": 0.0,
        "kernel_l2": 0.0,
        "bias_l1": 0.0,
        "bias_l2": 0.0,
    } | changes


def activation(name, group):
    return {"kind": "activation", "activation": name, "alpha": ALPHAS.get(name, 0.0), "group": group}


PRELU = {"kind": "prelu", "alpha_l1": 0.01, "alpha_l2": 0.02}


def normalization(kind, group, center=True, scale=True, **more):
    row = {"kind": f"{kind}_normalization", "group": group, "epsilon": 1e-3, "center": center, "scale": scale}
    row |= {"momentum": 0.9} if kind == "batch" else {}
    return row | dict.fromkeys(["gamma_l1", "gamma_l2", "beta_l1", "beta_l2"], 0.0) | more


def make_plans(
    n_inputs, layers, batch_size=64, loss="mean_squared_error", metrics=(), optimizer=None, seed=7
):
    spec = loss if isinstance(loss, dict) or loss is None else loss_spec(loss)
    settings = {
        "loss": spec,
        "metrics": metrics,
        "optimizer": optimizer and with_slots(optimizer),
        "batch_size": batch_size,
        "seed": seed,
    }
    compiled, expected = (module.Plan(n_inputs, layers, **settings) for module in (_core, reference))
    rng = rng_of(n_inputs, len(layers))
    parameters = []
    for name, shape in zip(expected.parameter_names, expected.parameter_shapes, strict=True):
        values = rng.normal(size=shape) / np.prod(shape[:-1] or shape) ** 0.5
        parameters.append((np.abs(values) if name == "moving_variance" else values).astype(np.float32))
    for plan in (compiled, expected):
        plan.set_parameters(parameters)
    return compiled, expected


def make_data(n, n_inputs, n_outputs, seed=0):
    rng = rng_of(n, n_inputs, n_outputs, seed)
    return (
        rng.normal(size=(n, n_inputs)).astype(np.float32),
        rng.uniform(size=(n, n_outputs)).astype(np.float32),
        rng.integers(0, n_outputs, n).astype(np.int32),
        rng.uniform(0, 2, n).astype(np.float32),
    )


def train(plan, x, y, weights=None, order=None, steps=50, batch_size=13, rate=0.02, epoch=0, step=0):
    """The losses of `steps` steps."""
    losses, start, n = [], 0, len(x) if order is None else len(order)
    for i in range(steps):
        done, rows, loss_sum, _ = plan.train(
            x, y, weights, order, start, np.full(1, rate, np.float32), batch_size, epoch, step + i, 10.0
        )
        assert done == 1
        losses.append(loss_sum / rows)
        start = start + rows if start + rows < n else 0
    return losses


def assert_near(compiled, expected, tolerance=2e-5):
    """The largest difference is at most `tolerance` times the largest value."""
    for got, wanted in zip(compiled, expected, strict=True):
        got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max(initial=0) <= tolerance * max(1e-2, np.abs(wanted).max(initial=0))


def digest(arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()
