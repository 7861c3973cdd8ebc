"""nnc and its environment: missing core, instruction sets, threads, forks, memory, denormals."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import nnc
from nnc import _core, layers


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, timeout=60
    )


def make_model(seed=3):
    model = nnc.Sequential([nnc.Input((60,)), layers.Dense(200, "relu"), layers.Dense(5)], seed=seed)
    model.compile("sgd", nnc.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def trained(seed=3):
    rng = np.random.default_rng(seed)
    model = make_model(seed)
    model.fit(rng.normal(size=(300, 60)), rng.integers(0, 5, 300), batch_size=100, epochs=3, verbose=0)
    return [w.tobytes() for w in model.get_weights()]


def test_import_from_sources_that_are_not_built(tmp_path):
    """In a checkout's root Python finds the folder nnc there, and not the package that is installed."""
    compiled = shutil.ignore_patterns("*.so", "*.pyd")
    shutil.copytree(os.path.dirname(nnc.__file__), tmp_path / "nnc", ignore=compiled)
    plain = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")
    }
    command = [sys.executable, "-c", "import nnc"]
    failed = subprocess.run(command, env=plain, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert failed.returncode != 0
    assert f"ImportError: there is no compiled core (nnc._core) in {tmp_path / 'nnc'}" in failed.stderr
    assert "start Python in another directory" in failed.stderr and "`pip install -e .`" in failed.stderr


def test_isa_of_the_environment():
    code = "from nnc import _core; print(_core.cpu_info()['isa'])"
    for isa in _core.cpu_info()["isa_available"]:
        assert run(code, NNC_ISA=isa).stdout.strip() == isa
    failed = run(code, NNC_ISA="avx9000")
    assert failed.returncode != 0
    assert "NNC_ISA is 'avx9000'" in failed.stderr
    assert "available: generic" in failed.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_threads_of_the_environment():
    code = "import nnc; nnc.show_config()"
    shown = run(code, NNC_NUM_THREADS="1").stdout
    if len(os.sched_getaffinity(0)) > 1:
        assert "1 (NNC_NUM_THREADS)" in shown
    assert nnc.get_num_threads() <= len(os.sched_getaffinity(0))
    alone = run(f"import os; os.sched_setaffinity(0, {{min({os.sched_getaffinity(0)})}}); {code}").stdout
    assert "1 (CPU affinity)" in alone


def test_set_num_threads(threads):
    before = nnc.get_num_threads()
    nnc.set_num_threads(3)
    assert nnc.get_num_threads() == 3
    nnc.set_num_threads(None)
    assert nnc.get_num_threads() == before


WRONG = {ValueError: (0, -1, 10**6), TypeError: (2.5, 2.0, True, "2")}


@pytest.mark.parametrize("error", WRONG)
@pytest.mark.parametrize("take", [nnc.set_num_threads, lambda n: nnc.threads(n).__enter__()])
def test_wrong_numbers_of_threads(take, error):
    for wrong in WRONG[error]:
        with pytest.raises(error, match=f"n must be an integer from 1 to 1024, got {wrong!r}"):
            take(wrong)


def test_threads_of_one_python_thread(threads):
    threads(3)
    with nnc.threads(2):
        assert nnc.get_num_threads() == 2
        with nnc.threads(5), ThreadPoolExecutor(1) as pool:
            assert nnc.get_num_threads() == 5
            assert pool.submit(nnc.get_num_threads).result() == 3
        assert nnc.get_num_threads() == 2 and _core.cpu_info()["threads_source"] == "nnc.threads"
    assert nnc.get_num_threads() == 3


def test_show_config(capsys):
    nnc.show_config()
    shown = capsys.readouterr().out
    for part in (nnc.__version__, _core.cpu_info()["isa"], "OpenMP", "compiler", "threads"):
        assert part in shown


def _train_in_child(queue):
    queue.put(trained())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_after_training(threads):
    """The child has none of the parent's threads: it starts its own, and computes the same bits."""
    threads(2)
    expected = trained()
    context = multiprocessing.get_context("fork")
    for _ in range(10):
        queue = context.SimpleQueue()
        child = context.Process(target=_train_in_child, args=(queue,))
        child.start()
        assert queue.get() == expected
        child.join(30)
        assert child.exitcode == 0


def test_models_in_several_python_threads(threads):
    threads(2)
    expected = [trained(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(trained, range(4))) == expected


def test_one_model_in_several_python_threads():
    model = make_model()
    x = np.random.default_rng(0).normal(size=(500, 60)).astype(np.float32)
    expected = model.predict(x)
    with ThreadPoolExecutor(4) as pool:
        for outputs in pool.map(lambda _: model.predict(x), range(40)):
            np.testing.assert_array_equal(outputs, expected)


def test_memory_stays_flat():
    resource = pytest.importorskip("resource")

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    x = np.random.default_rng(0).normal(size=(200, 60)).astype(np.float32)
    y = np.zeros(200, int)

    def cycle():
        model = make_model()
        model.fit(x, y, verbose=0)
        model.predict(x)
        model.gradients(x, y)

    for _ in range(100):
        cycle()
    before = peak()
    for _ in range(1000):
        cycle()
    assert peak() - before < 8 * 1024  # KiB; one leaked plan a cycle would be 1,000 times 1 MB


def test_denormals_elsewhere_are_left_alone(threads):
    """Training flushes them inside a call only, also on the pool's threads."""
    threads(2)
    tiny = np.full(10, 1e-40, np.float32)

    def survives(_):
        trained()
        return bool((tiny * np.float32(1.0) != 0).all())

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(survives, range(4)))
