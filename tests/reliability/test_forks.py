"""Forking processes: whatever the parent's threads do, calls in the child return, with bitwise equal results.

Each case runs in a separate process, since one that hangs has to be killed.
"""

import ctypes.util

import programs
import pytest

# The common beginning of all cases.
PRELUDE = """
import ctypes, hashlib, os, sys, threading, time
import numpy as np

def other_user_of_openmp():
    library = ctypes.CDLL("libgomp.so.1")
    libc = ctypes.CDLL(None)
    library.GOMP_parallel(ctypes.cast(libc.getpid, ctypes.c_void_p), None, 2, 0)

def build():
    import nnc
    from nnc import _core
    nnc.set_num_threads(2)
    _core.use_all_threads(True)
    layers = nnc.layers
    model = nnc.Sequential([nnc.Input((60,)), layers.Dense(300, "relu"), layers.Dense(5, "softmax")], seed=3)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model

rng = np.random.default_rng(0)
x, y = rng.normal(size=(2000, 60)).astype(np.float32), rng.integers(0, 5, 2000)

def trained():
    model = build()
    model.fit(x, y, batch_size=200, epochs=3, verbose=0)
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()

def in_child(function):
    "Fork; the child prints the function's result; return its exit code."
    pid = os.fork()
    if pid == 0:
        try:
            print("child", function(), flush=True)
        except BaseException as error:
            print("child", repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1]
"""


def run(code):
    return programs.run(PRELUDE + code)


has_libgomp = pytest.mark.skipif(ctypes.util.find_library("gomp") is None, reason="no libgomp")


@has_libgomp
@pytest.mark.parametrize("imported", ["import nnc", ""], ids=["imported before", "imported in the child"])
def test_openmp_was_used_by_others(imported):
    child, parent = run(f"""
{imported}
other_user_of_openmp()
assert in_child(trained) == 0
print("parent", trained())
""")
    assert child.split()[1] == parent.split()[1]


def test_a_child_has_threads_of_its_own():
    """Their results are bitwise equal to those of OpenMP in the parent."""
    lines = run("""
print("parent", trained())
def child():
    found = trained()
    return found, len(os.listdir("/proc/self/task"))
assert in_child(child) == 0
assert in_child(lambda: (in_child(trained), trained())[1]) == 0
""")
    hashes = {word.strip("(',") for line in lines for word in line.split() if len(word.strip("(',")) == 64}
    assert len(hashes) == 1 and len(lines) == 4
    assert int(lines[1].split()[-1].strip(")")) == 2


WHILE_TRAINING = """
model = build()
def train():
    while True:
        model.fit(x, y, batch_size=200, epochs=50, verbose=0)
threading.Thread(target=train, daemon=True).start()
time.sleep(0.3)
for _ in range(10):
    assert in_child(lambda: {action}) == 0
os._exit(0)
"""


@pytest.mark.parametrize(
    "action",
    [
        "model.predict(x).shape",
        "model.evaluate(x, y)",
        "model.save('forked.nnc')",
        "len(model.get_weights())",
        "len(model.fit(x, y, verbose=0).epoch)",
        "len(model.gradients(x[:500], y[:500]))",
    ],
)
def test_another_thread_trains(action, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = run(WHILE_TRAINING.format(action=action))
    assert len(lines) == 10


def test_locks_of_deleted_models_are_forgotten():
    assert run("""
import nnc
from nnc import _locks
models = [build() for _ in range(5)]
for _ in range(300):
    build().predict(x[:3])
models += [build() for _ in range(5)]
def child():
    return len(_locks._owners) < 200, all(model.predict(x).shape == (2000, 5) for model in models)
assert in_child(child) == 0
""") == ["child (True, True)"]


def test_a_new_model_is_being_built():
    """The model's own lock is new in the child, too, if it is held during the fork."""
    lines = run("""
model = build()
taken = threading.Event()
def hold():
    with model._stack.lock:
        taken.set()
        time.sleep(100)
threading.Thread(target=hold, daemon=True).start()
taken.wait()
assert in_child(lambda: model.predict(x).shape) == 0
os._exit(0)
""")
    assert lines == ["child (2000, 5)"]
