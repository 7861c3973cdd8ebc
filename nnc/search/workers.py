"""Where trials run: in threads of this process, which share the data, or on the backend of joblib.

Both take requests and yield outcomes in the order of completion. A trial does not depend on where it runs, so
the table is the same everywhere.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from nnc import _core
from nnc._machine import threads
from nnc.errors import warn
from nnc.models.interrupts import Interrupts
from nnc.search.data import Data
from nnc.search.trials import Job, Models, Outcome, Request

Task = tuple[Request, Models | None]
Done = tuple[Outcome, Models | None]


def in_threads(job: Job, data: Data, tasks: Iterable[Task], n_jobs: int, n_threads: int) -> Iterator[Done]:
    """Run the tasks in `n_jobs` threads of this process, each with `n_threads` threads for its kernels.

    If the system does not start that many, fewer run at a time, and if it starts none, this thread runs them.
    When the iterator is closed, by Ctrl-C too, running trials end within a fraction of a second, long steps
    included, and their outcomes are discarded.
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
        left = _start(workers)
        if not left:
            yield from _by_this_thread(job, data, todo, n_threads)
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
        started = [worker.ident for worker in workers if worker.ident is not None]
        try:
            for ident in started:
                _core.stop_thread(ident, True)
            for worker in workers:
                while worker.is_alive():
                    # fit resets stop_training when it starts, so it is set until the thread ends
                    for models in list(running.values()):
                        models.halt()
                    worker.join(0.02)
        finally:
            for ident in started:
                _core.stop_thread(ident, False)


def _start(workers: list[threading.Thread]) -> int:
    """How many of the threads could be started; warns if not all of them."""
    for started, worker in enumerate(workers):
        try:
            worker.start()
        except RuntimeError as error:
            running = f"{started} at a time" if started else "one at a time, in the calling thread"
            warn(f"{started} of {len(workers)} threads were started ({error}): trials run {running}")
            return started
    return len(workers)


def _by_this_thread(job: Job, data: Data, tasks: Iterable[Task], n_threads: int) -> Iterator[Done]:
    for request, models in tasks:
        with Interrupts() as interrupts:
            found = _run(job, data, request, models, n_threads)
            if interrupts.raised:  # and the estimator has caught it
                raise KeyboardInterrupt
        yield found


def joblib_is_chosen() -> bool:
    """Whether ``joblib.parallel_config`` chose a backend for this code; this does not import joblib."""
    module = sys.modules.get("joblib.parallel")
    config = getattr(getattr(module, "_backend", None), "config", None)
    return isinstance(config, dict) and isinstance(
        config.get("backend"), getattr(module, "ParallelBackendBase", ())
    )


def joblib_n_jobs(n_jobs: int | None) -> int:
    """How many tasks joblib runs at once."""
    from joblib import effective_n_jobs

    return effective_n_jobs(n_jobs)  # pyright: ignore[reportArgumentType]  # None: joblib's own setting


def by_joblib(
    job: Job, data: Data, tasks: Iterable[Task], n_jobs: int | None, n_threads: int
) -> Iterator[Done]:
    """Run the tasks with ``joblib.Parallel`` on the backend that ``joblib.parallel_config`` set.

    The data is the same object in every task, and backends do not send it twice: Loky's workers memory-map
    one file, Dask keeps it on a worker.
    """
    from joblib import Parallel, delayed

    call = delayed(_run)
    options: dict[str, Any] = {"n_jobs": n_jobs, "return_as": "generator_unordered", "max_nbytes": 1}
    try:
        parallel = Parallel(**options)
    except ValueError:  # a backend that returns all results at once
        parallel = Parallel(**options | {"return_as": "list"})
    # The threads of one process must not write while others read: no batches, one trial per task.
    outcomes: Any = parallel(call(job, data, request, models, n_threads) for request, models in tasks)
    yield from outcomes


def _run(job: Job, data: Data, request: Request, models: Models | None, n_threads: int) -> Done:
    """The task that a joblib worker runs."""
    with threads(min(n_threads, _core.get_num_threads())):
        return job.run(data, request, models)
