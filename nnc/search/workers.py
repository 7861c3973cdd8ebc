"""Where trials run: in threads of this process, which share the data, or wherever joblib is told to.

Both take requests and give outcomes in the order in which they are done. A trial does not know where it runs,
so the table is the same everywhere.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from nnc import _core
from nnc._machine import threads
from nnc.search.data import Data
from nnc.search.trials import Job, Models, Outcome, Request

Task = tuple[Request, Models | None]
Done = tuple[Outcome, Models | None]


def in_threads(job: Job, data: Data, tasks: Iterable[Task], n_jobs: int, n_threads: int) -> Iterator[Done]:
    """Run the tasks in `n_jobs` threads of this process, each with `n_threads` threads for its kernels.

    When the iterator is closed, by Ctrl-C as well, trials that are running are ended within a slice of
    training and their outcomes thrown away.
    """
    todo = iter(tasks)
    done: queue.SimpleQueue[Done | BaseException | None] = queue.SimpleQueue()
    lock, stop = threading.Lock(), threading.Event()
    running: dict[int, Models] = {}

    def work() -> None:
        me = threading.get_ident()
        try:
            with threads(n_threads):
                while not stop.is_set():
                    with lock:
                        task = next(todo, None)
                    if task is None:
                        break
                    found = job.run(data, *task, watch=lambda models: running.__setitem__(me, models))
                    running.pop(me, None)
                    if not stop.is_set():
                        done.put(found)
        except BaseException as error:
            done.put(error)
        done.put(None)

    workers = [threading.Thread(target=work, name=f"nnc-search-{i}", daemon=True) for i in range(n_jobs)]
    try:
        for worker in workers:
            worker.start()
        left = n_jobs
        while left:
            found = done.get()
            if isinstance(found, BaseException):
                raise found
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        stop.set()
        for worker in workers:
            while worker.is_alive():
                # fit begins with stop_training = False: say it until it is heard
                for models in list(running.values()):
                    models.halt()
                worker.join(0.02)


def joblib_is_chosen() -> bool:
    """Whether ``joblib.parallel_config`` chose a backend for this code; joblib is not imported to see."""
    module = sys.modules.get("joblib.parallel")
    config = getattr(getattr(module, "_backend", None), "config", None)
    return isinstance(config, dict) and isinstance(
        config.get("backend"), getattr(module, "ParallelBackendBase", ())
    )


def joblib_n_jobs(n_jobs: int | None) -> int:
    """How many tasks joblib runs at once."""
    from joblib import effective_n_jobs

    return effective_n_jobs(n_jobs)  # pyright: ignore[reportArgumentType]  # None: as many as joblib is told


def by_joblib(
    job: Job, data: Data, tasks: Iterable[Task], n_jobs: int | None, n_threads: int
) -> Iterator[Done]:
    """Run the tasks by ``joblib.Parallel``, whose backend is the one that ``joblib.parallel_config`` set.

    The data is one and the same argument of every task, which backends do not send twice: Loky's workers map
    one file into their memory, Dask keeps it on a worker once it is there.
    """
    from joblib import Parallel, delayed

    call = delayed(_run)
    options: dict[str, Any] = {"n_jobs": n_jobs, "return_as": "generator_unordered", "max_nbytes": 1}
    try:
        parallel = Parallel(**options)
    except ValueError:  # a backend that gives all results at once
        parallel = Parallel(**options | {"return_as": "list"})
    # The threads of one process may not write while others read: no batches, each trial is given by itself.
    outcomes: Any = parallel(call(job, data, request, models, n_threads) for request, models in tasks)
    yield from outcomes


def _run(job: Job, data: Data, request: Request, models: Models | None, n_threads: int) -> Done:
    """What a worker of joblib does."""
    with threads(min(n_threads, _core.get_num_threads())):
        return job.run(data, request, models)
