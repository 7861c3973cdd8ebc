"""Schedules and learning rates against hand-computed values, and an optimizer's spec for a plan."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

from nnc import _core, optimizers, reference, schedules

HALF = math.sqrt(0.5)

# schedule, times, rates
TABLE = [
    (schedules.ExponentialDecay(0.8, 4, 0.25), [0, 2, 4, 6, 8], [0.8, 0.4, 0.2, 0.1, 0.05]),
    (schedules.ExponentialDecay(0.8, 4, 0.25, staircase=True), [0, 3, 4, 7, 8], [0.8, 0.8, 0.2, 0.2, 0.05]),
    (schedules.InverseTimeDecay(0.6, 10, 2.0), [0, 5, 10, 15], [0.6, 0.3, 0.2, 0.15]),
    (schedules.InverseTimeDecay(0.6, 10, 2.0, staircase=True), [0, 9, 10, 19], [0.6, 0.6, 0.2, 0.2]),
    (schedules.InverseTimeDecay(1e-3, 1, 1e-3, per="epoch"), [0, 1, 150], [1e-3, 1e-3 / 1.001, 1e-3 / 1.15]),
    (
        schedules.PiecewiseConstantDecay([100, 200], [1, 0.5, 0.1]),
        [0, 100, 101, 200, 201],
        [1, 1, 0.5, 0.5, 0.1],
    ),
    (schedules.PiecewiseConstantDecay([], [0.3]), [0, 7], [0.3, 0.3]),
    (
        schedules.CosineDecay(2.0, 100),
        [0, 25, 50, 75, 100, 500],
        [2.0, 1 + HALF, 1.0, 1 - HALF, 0.0, 0.0],
    ),
    (schedules.CosineDecay(2.0, 100, alpha=0.5), [0, 50, 100, 101], [2.0, 1.5, 1.0, 1.0]),
    (
        schedules.CosineDecay(0.1, 100, alpha=0.1, warmup_target=1.0, warmup_steps=10),
        [0, 5, 9, 10, 60, 110, 200],
        [0.1, 0.55, 0.91, 1.0, 0.55, 0.1, 0.1],
    ),
    (schedules.CosineDecay(0.1, 100, warmup_target=1.0), [0, 50, 100], [1.0, 0.5, 0.0]),
    (schedules.PolynomialDecay(1.0, 4, 0.2, power=2.0), [0, 1, 2, 4, 9], [1.0, 0.65, 0.4, 0.2, 0.2]),
    (schedules.PolynomialDecay(1.0, 4, 0.2, cycle=True), [0, 4, 5, 8, 9], [1.0, 0.2, 0.5, 0.2, 0.4]),
    (
        schedules.CosineDecayRestarts(2.0, 100, m_mul=0.5, alpha=0.1),
        [0, 50, 100, 200, 299.999999999, 300, 500, 700],
        [2.0, 1.1, 1.1, 0.65, 0.2, 0.65, 0.425, 0.425],
    ),
    (schedules.CosineDecayRestarts(2.0, 10, t_mul=1.0), [0, 5, 10, 15, 30], [2.0, 1.0, 2.0, 1.0, 2.0]),
    (schedules.CosineDecayRestarts(2.0, 10, t_mul=3.0), [10, 25, 40, 130], [2.0, 1.0, 2.0, 2.0]),
    # the values of torch.optim.lr_scheduler.OneCycleLR(max_lr=1, total_steps=10, pct_start=0.5, div_factor=4,
    # final_div_factor=5): 1/4 at 0, the top at 4, 1/20 at 9, half a cosine between
    (
        schedules.OneCycle(1.0, 10, pct_start=0.5, div_factor=4, final_div_factor=5),
        [0, 2, 4, 9, 20],
        [0.25, 0.625, 1.0, 0.05, 0.05],
    ),
    (schedules.OneCycle(1.0, 10, pct_start=0.0, div_factor=4, final_div_factor=5), [0, 9], [1.0, 0.05]),
    (schedules.OneCycle(1.0, 10, pct_start=1.0, div_factor=4, final_div_factor=5), [0, 9], [0.25, 1.0]),
    (schedules.OneCycle(1.0, 1, div_factor=4, final_div_factor=5), [0, 3], [0.05, 0.05]),
]


@pytest.mark.parametrize(("schedule", "times", "rates"), TABLE, ids=lambda v: repr(v)[:60])
def test_values(schedule, times, rates):
    together = schedule(np.array(times))
    np.testing.assert_allclose(together, rates, rtol=1e-14, atol=1e-16)
    assert together.dtype == np.float64
    for t, rate in zip(times, together, strict=True):
        assert type(schedule(t)) is float
        assert schedule(t) == rate
    assert schedule(np.zeros((2, 3))).shape == (2, 3)
    assert schedule([]).shape == (0,)


def test_every_schedule_is_in_the_table_and_never_negative():
    assert {type(row[0]) for row in TABLE} == set(schedules.registry.values())
    for schedule, _, _ in TABLE:
        rates = schedule(np.arange(1000))
        assert np.isfinite(rates).all()
        assert (rates >= 0).all()


def test_one_cycle_rises_then_falls():
    rates = schedules.OneCycle(0.5, 100)(np.arange(100))
    top = int(rates.argmax())
    assert top == 29
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates[-1] == pytest.approx(0.5 / 25 / 1e4)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()


# ------------------------------------------------------------------------------------------------- optimizers


def test_rates_of_a_slice_of_steps():
    plain = optimizers.SGD(0.25)
    per_step = optimizers.SGD(schedules.InverseTimeDecay(0.6, 10, 2.0))
    per_epoch = optimizers.SGD(schedules.InverseTimeDecay(0.6, 10, 2.0, per="epoch"))
    for optimizer, expected in (
        (plain, [0.25] * 3),
        (per_step, [0.3, 0.6 / 2.2, 0.25]),
        (per_epoch, [0.2] * 3),
    ):
        rates = optimizer.learning_rates(step=5, count=3, epoch=10)
        assert rates.dtype == np.float32
        np.testing.assert_allclose(rates, expected, rtol=1e-7)
    assert plain.learning_rates(0, 0, 0).shape == (0,)


def test_the_rate_can_be_set_and_is_checked():
    optimizer = optimizers.Adam()
    optimizer.learning_rate = np.float32(0.5)
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate = schedules.CosineDecay(0.1, 5)
    assert optimizer.get_config()["learning_rate"]["class_name"] == "CosineDecay"
    for bad, error in ((math.nan, ValueError), (-1, ValueError), ("x", TypeError), (None, TypeError)):
        with pytest.raises(error, match="learning_rate"):
            optimizer.learning_rate = bad
    assert isinstance(optimizer.learning_rate, schedules.CosineDecay)
    assert optimizer.iterations == 0


def test_slots_and_their_order():
    names = {
        optimizers.SGD(): [],
        optimizers.SGD(momentum=0.5): ["v"],
        optimizers.Adam(): ["m", "v"],
        optimizers.AdamW(amsgrad=True): ["m", "v", "v_max"],
        optimizers.RMSprop(): ["a"],
        optimizers.RMSprop(momentum=0.5, centered=True): ["a", "u", "c"],
        optimizers.RMSprop(centered=True): ["a", "c"],
        optimizers.Adagrad(): ["s"],
        optimizers.Adamax(): ["m", "u"],
        optimizers.Nadam(): ["m", "v"],
        optimizers.Lion(): ["m"],
    }
    assert {type(optimizer) for optimizer in names} == set(optimizers.registry.values())
    for optimizer, slots in names.items():
        assert optimizer.slot_names() == slots == optimizer.spec()["slots"]
        plans = [module.Plan(1, [], optimizer=optimizer.spec()) for module in (_core, reference)]
        assert [plan.n_slots for plan in plans] == [len(slots)] * 2


def test_every_rule_is_some_optimizers():
    rules = {cls.rule for cls in optimizers.registry.values()}
    assert rules == set(reference.OPTIMIZERS)
    for cls in optimizers.registry.values():
        options = {option for option in cls.slots.values() if option is not None}
        assert options <= cls.arguments().keys()


def test_spec_has_every_key_and_zeros_for_what_is_off():
    off = {
        "momentum": 0.0,
        "slots": [],
        "nesterov": False,
        "beta_1": 0.0,
        "beta_2": 0.0,
        "epsilon": 0.0,
        "amsgrad": False,
        "rho": 0.0,
        "centered": False,
        "weight_decay": 0.0,
        "clipnorm": 0.0,
        "global_clipnorm": 0.0,
        "clipvalue": 0.0,
    }
    adam = {"name": "adam", "slots": ["m", "v"], "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    assert optimizers.SGD().spec() == off | {"name": "sgd"}
    assert optimizers.Adam(clipnorm=2).spec() == off | adam | {"clipnorm": 2.0}
    assert optimizers.AdamW().spec() == off | adam | {"weight_decay": 0.004}
    assert optimizers.RMSprop(momentum=0.5, centered=True).spec() == off | {
        "name": "rmsprop",
        "slots": ["a", "u", "c"],
        "rho": 0.9,
        "momentum": 0.5,
        "epsilon": 1e-7,
        "centered": True,
    }
    sgd = optimizers.SGD(momentum=0.9, nesterov=True, weight_decay=0.1, clipvalue=3)
    assert sgd.spec() == off | {
        "name": "sgd",
        "slots": ["v"],
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.1,
        "clipvalue": 3.0,
    }
    flags = [key for key, value in optimizers.SGD().spec().items() if isinstance(value, bool)]
    assert sorted(flags) == ["amsgrad", "centered", "nesterov"]


def test_names():
    assert schedules.ExponentialDecay(0.1, 5, 0.5).name == "ExponentialDecay"
    assert schedules.PiecewiseConstantDecay([1], [2.0, 1.0], name="steps").name == "steps"


def test_a_constant_rate_has_the_methods_of_a_variable():
    optimizer = optimizers.SGD(0.5)
    rate = optimizer.learning_rate
    assert isinstance(rate, float) and rate == 0.5 and rate.value == 0.5 and type(rate.value) is float
    assert rate.numpy().dtype == np.float32 and rate.numpy().shape == ()
    rate.assign(0.25)
    assert optimizer.learning_rate == 0.25 and rate == 0.5
    with pytest.raises(ValueError, match="learning_rate must be"):
        rate.assign(-1.0)
    assert type(optimizer.get_config()["learning_rate"]) is float
    assert type(copy.deepcopy(rate)) is float and type(pickle.loads(pickle.dumps(rate))) is float
    assert optimizers.get(None) is None


def test_restarts_are_exact():
    """Where a period ends in theory, although the quotient of the logarithms may be rounded down."""
    for first, t_mul in ((10, 1.5), (4, 1.5), (5, 3.0), (10, 2.0)):
        rate = schedules.CosineDecayRestarts(0.1, first, t_mul=t_mul, m_mul=0.8, alpha=0.1)
        ends = np.cumsum(first * t_mul ** np.arange(4.0))
        wanted = 0.1 * (0.9 * 0.8 ** np.arange(1.0, 5.0) + 0.1)
        np.testing.assert_allclose(rate(ends), wanted, rtol=1e-12)
