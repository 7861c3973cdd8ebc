"""The environment of a process: OpenMP's variables, its limits of memory and threads, its CPUs.

Whatever they are, calls return the same bits, with fewer threads if need be, or raise MemoryError.
"""

import itertools
import os
import sys

import pytest
from programs import run

from nnc import _core

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and CPU affinity of Linux")

# Each call prints its name and a checksum of its result, or MemoryError.
PROGRAM = """
import csv, ctypes, hashlib, os, resource, sys, tempfile, warnings
import numpy as np

def limit(stage):
    if stage == {stage!r}:
        {limit}

def limit_memory(mib):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(mib * 2**20),) * 2)

def limit_threads(n):
    resource.setrlimit(resource.RLIMIT_NPROC, (n, n))
    os.setgid(64321)
    os.setuid(64321)

def attempt(name, call):
    limit(name)
    try:
        arrays = call()
        print(name, hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in arrays)).hexdigest(), flush=True)
    except MemoryError:
        print(name, "MemoryError", flush=True)

rng = np.random.default_rng(0)
x, y = rng.random((256, 28, 28, 1)).astype(np.float32), rng.integers(0, 10, 256)
libgcc = ctypes.CDLL("libgcc_s.so.1")  # the end of a thread needs it
limit("import")
try:
    import nnc
    from nnc import _core, layers
except (ImportError, MemoryError):
    print("import MemoryError")
    os._exit(0)
{threads}

def model_of(*hidden):
    model = nnc.Sequential([nnc.Input((28, 28, 1)), *hidden, layers.Dense(10, "softmax")], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model

def dense(params=None):
    return model_of(layers.Flatten(), layers.Dense(300, "relu"))

def fit(model, batch_size):
    model.fit(x, y, epochs=2, batch_size=batch_size, verbose=0)
    return model.get_weights()

def save_and_load():
    with tempfile.TemporaryDirectory() as folder:
        trained.save(folder + "/model")
        return nnc.load_model(folder + "/model").get_weights()

def search():
    grid = nnc.search.GridSearch(dense, {{"a": [1, 2, 3]}}, epochs=2, folds=2, verbose=0)
    trials = grid.run(x, y).trials
    if any(t.reason.startswith("MemoryError") for t in trials):
        raise MemoryError
    return [[t.score for t in trials]]

# The modules that are imported on first use; another user may not be able to read them.
try:
    with nnc.threads(1):
        trained = dense()
        fit(trained, 256), trained.predict(x), save_and_load(), search()
except MemoryError:
    print("import MemoryError")
    os._exit(0)
warnings.simplefilter("ignore")
attempt("fit", lambda: fit(dense(), 128))
convolutions = layers.Conv2D(40, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(40, 3)
attempt("convolution", lambda: fit(model_of(*convolutions, layers.Flatten(), layers.Dense(300)), 32))
attempt("predict", lambda: [trained.predict(x)])
attempt("save", save_and_load)
attempt("search", search)
"""
CALLS = ["fit", "convolution", "predict", "save", "search"]


def outcomes(stage=None, limit="pass", n=2, **environment):
    """The calls and their results with n threads (None: nnc's own number), `limit` imposed before `stage`."""
    threads = "" if n is None else f"nnc.set_num_threads({n}), _core.use_all_threads(True)"
    lines = run(PROGRAM.format(stage=stage, limit=limit, threads=threads), **environment)
    return dict(line.split() for line in lines if line.split()[0] in [*CALLS, "import"])


@pytest.fixture(scope="module")
def expected():
    found = outcomes()
    assert list(found) == CALLS and "MemoryError" not in found.values()
    return found


HUGE = ["9999999G", "18014398509481983", "16G", "17179869184G"]
STACK_VARIABLES = {
    "OMP_STACKSIZE": [
        *HUGE[:2],
        "16k",
        *HUGE[2:],
        "-5",
        "abc",
        "0",
        "100",
        "64K",
        "16384B",
        "1M",
        " 4 M ",
        "",
    ],
    "OMP_STACKSIZE_ALL": ["9999999G"],
    "GOMP_STACKSIZE": ["9999999G", "16k"],
    "KMP_STACKSIZE": ["1"],
}
OTHERS = {
    "OMP_NUM_THREADS": ["0", "abc", "1000000", "99999999999999999999", "-3", "2,3"],
    "NNC_NUM_THREADS": ["0", "abc", "1000000", "99999999999999999999", "-3"],
    "OMP_THREAD_LIMIT": ["0", "99999999999999999999", "1"],
    "OMP_PROC_BIND": ["true", "spread", "close,spread", "x"],
    "OMP_PLACES": ["cores", "{0}:1", "{99}", "}{", "{0},{0},{0}"],
    "GOMP_CPU_AFFINITY": ["0", "77", "1-0", "x", "0 0 0"],
    "OMP_WAIT_POLICY": ["active", "passive"],
    "OMP_DYNAMIC": ["true"],
    "OMP_NESTED": ["true"],
    "OMP_CANCELLATION": ["true"],
    "OMP_DISPLAY_ENV": ["verbose"],
    "OMP_MAX_ACTIVE_LEVELS": ["1", "0"],
    "GOMP_SPINCOUNT": ["infinite", "0", "-1"],
    "KMP_AFFINITY": ["disabled"],
}


def each(variables):
    return [{name: value} for name, values in variables.items() for value in values]


def together(variables):
    """The first values of all variables, the second ones, and so on."""
    rounds = itertools.zip_longest(*variables.values())
    return [{n: v for n, v in zip(variables, values, strict=True) if v is not None} for values in rounds]


def test_stack_sizes_of_openmp(expected, trials):
    for environment in each(STACK_VARIABLES) if trials.long else together(STACK_VARIABLES)[:3]:
        assert outcomes(**environment) == expected, environment


def test_variables_of_openmp(expected, trials):
    for environment in each(OTHERS) if trials.long else together(OTHERS):
        for n in (2, None)[: trials(1, 2)]:
            assert outcomes(n=n, **environment) == expected, environment


@pytest.mark.parametrize("stage", ["import", *CALLS])
def test_little_memory(stage, expected, trials):
    """In processes that may take a few MiB more; a thread takes 8 MiB."""
    for mib in (*range(40), *range(40, 200, 10)) if trials.long else (9,):
        found = outcomes(stage, f"limit_memory({mib} + 0.3)", n=3)
        assert list(found) == (CALLS if "import" not in found else ["import"])
        for name, result in found.items():
            assert result in ("MemoryError", expected.get(name)), (mib, name)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can change the user")
def test_few_threads_can_be_started(expected, trials):
    for n in range(trials(3, 6)):
        assert outcomes("fit", f"limit_threads({n})", n=4) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_an_affinity_that_is_narrowed_later():
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one CPU")
    code = """
import os, numpy as np, nnc
from nnc import _core
cpus = sorted(os.sched_getaffinity(0))
rng = np.random.default_rng(0)
x, y = rng.normal(size=(2000, 60)).astype(np.float32), rng.integers(0, 5, 2000)
others = set(os.listdir("/proc/self/task")) - {str(os.getpid())}
stack = [nnc.Input((60,)), nnc.layers.Dense(300, "relu"), nnc.layers.Dense(5, "softmax")]
model = nnc.Sequential(stack, seed=3)
model.compile("sgd", "sparse_categorical_crossentropy")
_core.use_all_threads(True)
model.fit(x, y, batch_size=200, verbose=0)
ours = set(os.listdir("/proc/self/task")) - others
before = nnc.get_num_threads()
os.sched_setaffinity(0, cpus[:1])
print(before == len(cpus), nnc.get_num_threads())
nnc.set_num_threads(2)
model.fit(x, y, batch_size=200, epochs=3, verbose=0)
print(all(os.sched_getaffinity(int(task)) == {cpus[0]} for task in ours), len(ours) > 1)
nnc.set_num_threads(None)
os.sched_setaffinity(0, cpus)
print(nnc.get_num_threads() == len(cpus))
"""
    environment = {name: "" for name in ("OMP_NUM_THREADS", "NNC_NUM_THREADS")}
    assert run(code, **environment) == ["True 1", "True True", "True"]


def test_a_search_has_no_more_threads_than_cpus():
    from nnc.search import planner

    cpus = _core.get_num_threads()
    for n_jobs in (1, 2, 4, 64, 1024):
        plan = planner.choose(n_jobs, 100, None)
        assert plan.n_jobs * plan.n_threads <= cpus
