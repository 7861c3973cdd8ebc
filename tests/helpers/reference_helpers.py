"""Helpers for the tests of the reference: specs with every key, central differences, tolerances."""

from __future__ import annotations

import numpy as np

from nnc import optimizers
from nnc.reference import Plan

_FLAT = ["dense", "activation", "dropout", "gaussian", "rescaling", "standardization", "unit_normalization"]
WITHOUT_MAPS = {f"nnc.reference.{name}" for name in _FLAT}


def loss_spec(name, from_logits=False, label_smoothing=0.0, param=0.0):
    return {"name": name, "from_logits": from_logits, "label_smoothing": label_smoothing, "param": param}


def optimizer_spec(name, **options):
    off = dict.fromkeys(["momentum", "beta_1", "beta_2", "epsilon", "rho", "weight_decay"], 0.0)
    off |= dict.fromkeys(["clipnorm", "global_clipnorm", "clipvalue"], 0.0)
    return with_slots(off | {"name": name, "nesterov": False, "amsgrad": False, "centered": False} | options)


def with_slots(spec):
    """The spec of an optimizer with the names of its slots."""
    slots = next(cls.slots for cls in optimizers.registry.values() if cls.rule == spec["name"])
    return spec | {"slots": [name for name, option in slots.items() if option is None or spec[option]]}


def dense_row(units, activation="linear", use_bias=True, alpha=0.3, **penalties):
    row = {"kind": "dense", "units": units, "use_bias": use_bias, "activation": activation, "alpha": alpha}
    none = dict.fromkeys(["kernel_l1", "kernel_l2", "bias_l1", "bias_l2"], 0.0)
    return row | {"group": units} | none | penalties


def activation_row(activation, group, alpha=0.3):
    return {"kind": "activation", "activation": activation, "alpha": alpha, "group": group}


def random_plan(n_inputs, rows, rng, **options):
    """A plan whose parameters are drawn from a normal distribution."""
    plan = Plan(n_inputs, rows, **options)
    plan.set_parameters([rng.normal(0.0, 0.7, shape) for shape in plan.parameter_shapes])
    return plan


def numerical_gradient(f, x, h=1e-4):
    """df/dx of a scalar f() that reads x: central differences, extrapolated (Richardson) to O(h^4)."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        here, slopes = x[i], []
        for d in (h, h / 2):
            x[i] = here + d
            above = f()
            x[i] = here - d
            slopes.append((above - f()) / (2 * d))
        x[i] = here
        gradient[i] = (4 * slopes[1] - slopes[0]) / 3
    return gradient


def assert_gradient(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=5e-6, atol=1e-10)


def assert_worked(actual, expected):
    """Compare with a number computed by hand, to 13 digits."""
    np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-15)
