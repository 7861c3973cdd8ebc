"""Files of trained models are written from the plan, part by part."""

import os
import threading

import numpy as np
import pytest

from nnc import Sequential, layers, optimizers
from nnc.models import modelfile


def trained_with_odd_shapes(backend):
    """A trained model whose arrays do not fill the blocks of a plan's memory layout."""
    model = Sequential(
        [
            layers.Input((7, 6, 3)),
            layers.Conv2D(5, (3, 2), use_bias=False),
            layers.BatchNormalization(),
            layers.PReLU(),
            layers.Flatten(),
            layers.Dense(70, "relu"),
            layers.Dense(33),
        ],
        seed=2,
    )
    model.compile(optimizers.Adam(amsgrad=True), "mse", backend=backend)
    rng = np.random.default_rng(0)
    model.fit(rng.random((9, 7, 6, 3)), rng.random((9, 33)), batch_size=4, verbose=0)
    return model


def test_parts_of_a_plan(backend):
    model = trained_with_odd_shapes(backend)
    plan = model._engine.plan_for(4)
    for i, (weight, slots) in enumerate(zip(plan.get_parameters(), plan.get_slots(), strict=True)):
        for slot, array in [(None, weight), *enumerate(slots)]:
            flat = array.reshape(-1)
            for first, n in (
                (0, flat.size),
                (0, 0),
                (flat.size, 0),
                (1, flat.size - 1),
                (flat.size // 3, 31),
            ):
                n = min(n, flat.size - first)
                part = plan.read_part(i, slot, first, n)
                assert part.dtype == flat.dtype
                np.testing.assert_array_equal(part, flat[first : first + n])
            for first, n in ((0, flat.size + 1), (flat.size + 1, 0), (-1, 1), (2, -1)):
                with pytest.raises(ValueError, match=f"parameter {i}"):
                    plan.read_part(i, slot, first, n)


def test_a_file_written_from_a_plan_is_that_of_its_copies(backend, tmp_path, monkeypatch):
    model = trained_with_odd_shapes(backend)
    monkeypatch.setattr("nnc.models.planarrays._PART", 100)
    model.save(tmp_path / "in parts")
    modelfile.write(model.state(), tmp_path / "copied")
    assert (tmp_path / "in parts").read_bytes() == (tmp_path / "copied").read_bytes()


def test_other_threads_do_not_wait_for_the_disk(tmp_path, monkeypatch):
    """The model's lock is held while the arrays are read, but not in fsync."""
    model = trained_with_odd_shapes("compiled")
    free, sync = [], os.fsync

    def fsync(descriptor):
        def look():
            taken = model._stack.lock._lock.acquire(blocking=False)
            free.append(taken)
            if taken:
                model._stack.lock._lock.release()

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    model.save(tmp_path / "model")
    assert free and all(free)
    with pytest.raises(OSError, match="no such folder"):
        model.save(tmp_path / "no such folder" / "model")
    free.clear()
    model.save(tmp_path / "model")
    assert free and all(free)
