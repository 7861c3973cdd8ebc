"""Update rules: how a parameter w is updated by its gradient g, and the state that this needs (its slots).

A step clips the gradients, shrinks w by the weight decay and applies the rule, all in place.
"""

from __future__ import annotations

import numpy as np

from .formulas import Array, look_up


def sgd(spec, w, g, slots, lr, t):
    """w -= lr g;  with momentum (Polyak 1964): v = momentum v - lr g, w += v, or (Nesterov 1983)
    w += momentum v - lr g.
    """
    if not spec["momentum"]:
        w -= lr * g
        return
    v = slots["v"]
    v[...] = spec["momentum"] * v - lr * g
    w += spec["momentum"] * v - lr * g if spec["nesterov"] else v


def adam(spec, w, g, slots, lr, t):
    """Kingma and Ba 2015; amsgrad: Reddi et al. 2018; with weight decay AdamW: Loshchilov and Hutter 2019.

    m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v);  amsgrad: then the largest v so far replaces v
    w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)
    """
    m, v = slots["m"], slots["v"]
    m += (1.0 - spec["beta_1"]) * (g - m)
    v += (1.0 - spec["beta_2"]) * (g * g - v)
    if spec["amsgrad"]:
        v = np.maximum(slots["v_max"], v, out=slots["v_max"])
    rate = lr * np.sqrt(1.0 - spec["beta_2"] ** t) / (1.0 - spec["beta_1"] ** t)
    w -= rate * m / (np.sqrt(v) + spec["epsilon"])


def rmsprop(spec, w, g, slots, lr, t):
    """Tieleman and Hinton 2012; centered: Graves 2013.

    a = rho a + (1 - rho) g^2;  d = a, or centered: c = rho c + (1 - rho) g, d = a - c^2
    i = lr g / sqrt(d + epsilon);  w -= i, or with momentum: u = momentum u + i, w -= u
    """
    a, rho = slots["a"], spec["rho"]
    a[...] = rho * a + (1.0 - rho) * g * g
    d = a
    if spec["centered"]:
        c = slots["c"]
        c[...] = rho * c + (1.0 - rho) * g
        d = a - c * c
    i = lr * g / np.sqrt(d + spec["epsilon"])
    if spec["momentum"]:
        u = slots["u"]
        u[...] = spec["momentum"] * u + i
        i = u
    w -= i


def adagrad(spec, w, g, slots, lr, t):
    """Duchi, Hazan and Singer 2011: s += g^2;  w -= lr g / sqrt(s + epsilon)."""
    s = slots["s"]
    s += g * g
    w -= lr * g / np.sqrt(s + spec["epsilon"])


def adamax(spec, w, g, slots, lr, t):
    """Kingma and Ba 2015, section 7: m += (1 - beta_1) (g - m);  u = max(beta_2 u, |g|)
    w -= lr / (1 - beta_1^t) m / (u + epsilon).
    """
    m, u = slots["m"], slots["u"]
    m += (1.0 - spec["beta_1"]) * (g - m)
    u[...] = np.maximum(spec["beta_2"] * u, np.abs(g))
    w -= lr / (1.0 - spec["beta_1"] ** t) * m / (u + spec["epsilon"])


def nadam(spec, w, g, slots, lr, t):
    """Dozat 2016, with c_t = beta_1 (1 - 0.96^t / 2) and C_t their product up to t:

    m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
    w -= lr (c_{t+1} m / (1 - C_{t+1}) + (1 - c_t) g / (1 - C_t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)
    """
    m, v = slots["m"], slots["v"]
    m += (1.0 - spec["beta_1"]) * (g - m)
    v += (1.0 - spec["beta_2"]) * (g * g - v)
    c = spec["beta_1"] * (1.0 - 0.5 * 0.96 ** np.arange(1, t + 2))
    ahead = c[-1] * m / (1.0 - np.prod(c)) + (1.0 - c[-2]) * g / (1.0 - np.prod(c[:-1]))
    w -= lr * ahead / (np.sqrt(v / (1.0 - spec["beta_2"] ** t)) + spec["epsilon"])


def lion(spec, w, g, slots, lr, t):
    """Chen et al. 2023: w -= lr sign(beta_1 m + (1 - beta_1) g);  m = beta_2 m + (1 - beta_2) g."""
    m = slots["m"]
    w -= lr * np.sign(m + (1.0 - spec["beta_1"]) * (g - m))
    m += (1.0 - spec["beta_2"]) * (g - m)


# name: rule(spec, w, g, slots, lr, t), with slots {name: array} and t counting the steps from 1
OPTIMIZERS = {
    "sgd": sgd,
    "adam": adam,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adamax": adamax,
    "nadam": nadam,
    "lion": lion,
}


def slot_names(spec: dict) -> list[str]:
    """Return the names of the slots that the optimizer keeps for each parameter, in their order.

    They are the spec's "slots", which `nnc.optimizers` determines from the optimizer's options.

    Parameters
    ----------
    spec : dict

    Returns
    -------
    list of str

    Examples
    --------
    >>> from nnc import optimizers, reference
    >>> reference.slot_names(optimizers.Adam().spec())
    ['m', 'v']
    """
    look_up(OPTIMIZERS, spec["name"], "optimizer")
    if "slots" not in spec:
        raise ValueError(f"spec {spec}: it lacks 'slots', the list of the names of {spec['name']}'s slots")
    return list(spec["slots"])


def clip(spec: dict, gradients: list[Array]) -> list[Array]:
    """Return the gradients (a list of arrays) clipped; the given arrays are not modified.

    clipvalue limits each element to [-clipvalue, clipvalue]; clipnorm scales each parameter's gradient down
    to that Euclidean norm; global_clipnorm does the same for the norm of all gradients together. 0 is off.
    """

    def shrink(norm, limit):
        return limit / np.maximum(norm, limit)

    if spec["clipvalue"]:
        gradients = [np.clip(g, -spec["clipvalue"], spec["clipvalue"]) for g in gradients]
    if spec["clipnorm"]:
        gradients = [g * shrink(np.sqrt(np.sum(g * g)), spec["clipnorm"]) for g in gradients]
    if spec["global_clipnorm"]:
        norm = np.sqrt(sum(np.sum(g * g) for g in gradients))
        gradients = [g * shrink(norm, spec["global_clipnorm"]) for g in gradients]
    return gradients


def move(spec: dict, w: Array, g: Array, slots: list[Array], learning_rate: float, step: int) -> None:
    """Update w in place by a gradient that is already clipped: weight decay, then the optimizer's rule."""
    rule = look_up(OPTIMIZERS, spec["name"], "optimizer")
    w -= w * (spec["weight_decay"] * learning_rate)
    rule(spec, w, g, dict(zip(slot_names(spec), slots, strict=True)), learning_rate, step + 1)


def constrained(rules: dict[str, float], w: Array) -> Array:
    """Return w with a constraint applied, as after an update (Srivastava et al. 2014, as in Keras 3).

    "nonnegative": w -> max(w, 0). "norm_length" L, "norm_stride" N: each vector of L elements, N apart in the
    row-major w, is scaled to the norm rate clip(norm, min_norm, max_norm) + (1 - rate) norm, with rate =
    "norm_rate".

    Examples
    --------
    >>> rules = {"norm_length": 2, "norm_stride": 2, "min_norm": 0.0, "max_norm": 1.0, "norm_rate": 1.0}
    >>> constrained(rules, np.array([[3.0, 0.3], [4.0, 0.4]])).round(3)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """
    if rules.get("nonnegative"):
        return np.where(w < 0.0, 0.0, w)
    if not rules.get("norm_length"):
        return w
    runs = w.reshape(-1, int(rules["norm_length"]), int(rules["norm_stride"]))
    norm = np.sqrt(np.sum(runs * runs, axis=1, keepdims=True))
    limited = np.clip(norm, rules["min_norm"], rules["max_norm"])
    wanted = rules["norm_rate"] * limited + (1.0 - rules["norm_rate"]) * norm
    return (runs * (wanted / (1e-7 + norm))).reshape(w.shape)


def update(spec: dict, w: Array, g: Array, slots: list[Array], learning_rate: float, step: int) -> None:
    """Apply one optimizer step to one parameter, in place (as in Keras 3).

    clip g;  w -= w weight_decay learning_rate;  then the rule: see `sgd`, `adam`, `rmsprop`.

    Parameters
    ----------
    spec : dict
        "name" (of ``OPTIMIZERS``), "slots" (the names of its state arrays), "weight_decay", "clipnorm",
        "global_clipnorm", "clipvalue", and the rule's own options, such as "momentum"; 0 or False is off.
        See `nnc.optimizers.Optimizer.spec`.
    w, g : ndarray of float, the same shape
        Parameter (modified) and gradient (not modified). The two norms are of this g alone.
    slots : list of ndarray, shape of w
        The optimizer's state (modified), one array for each of ``slot_names(spec)``; initially zeros.
    learning_rate : float
    step : int
        Number of steps before this one.

    Raises
    ------
    ValueError
        If the name is unknown, or the number of slots is wrong.

    Examples
    --------
    >>> spec = dict.fromkeys(["nesterov", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue"], 0)
    >>> spec |= {"name": "sgd", "slots": ["v"], "momentum": 0.5}
    >>> w, v = np.array([1.0]), np.array([0.0])
    >>> for step in range(2):
    ...     update(spec, w, np.array([1.0]), [v], 0.25, step)
    >>> w, v  # v: 0 -> -0.25 -> -0.125 - 0.25
    (array([0.375]), array([-0.375]))
    """
    (g,) = clip(spec, [np.asarray(g)])
    move(spec, w, g, slots, learning_rate, step)
