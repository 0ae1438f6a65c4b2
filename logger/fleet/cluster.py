"""Run reviews on Dask distributed: local worker processes, or the workers of an existing scheduler.

Dask reschedules the work of a worker that dies. Knows nothing of the review itself.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from threading import Thread

import dask
from distributed import Client, LocalCluster, as_completed

from firmware_bridge.errors import DeviceError
from logger.boundary import interruption, own_process
from logger.fleet.catalogue import Entry
from logger.fleet.review import Judge, Run, Verdict, judge

SCHEDULER_TIMEOUT_S = 30.0
"""Time to wait for a scheduler to answer and to have a worker."""
_TRIM = "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_"
"""By default Dask makes glibc return each free 64 kB to the system. With the review's short-lived arrays that takes 1.7
times the CPU time (0.98 s per log instead of 0.55) and does not lower the peak memory."""

_SAFE_PATH = f"distributed.nanny.pre-spawn-environ.{own_process.SAFE_PATH}"


@contextmanager
def workers(scheduler: str | None, count: int | None) -> Iterator[Judge]:
    """Yield a judge that runs on a scheduler's workers, or on `count` local processes (None: one per core).

    Raises DeviceError if the scheduler does not answer or has no workers.
    """
    logging.getLogger("distributed").setLevel(
        logging.CRITICAL
    )  # hides its messages about workers from the user
    if scheduler is None:
        with (
            _start_cluster(count or os.cpu_count() or 1) as cluster,
            Client(cluster) as client,
            _exit_at_once(),
        ):
            yield _judging(client)
        return
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        hint = "start one with `dask scheduler`, and give its address as tcp://host:8786"
        raise DeviceError("no scheduler answers", where=scheduler, hint=hint) from error
    with client:
        with suppress(TimeoutError):
            client.wait_for_workers(1, timeout=SCHEDULER_TIMEOUT_S)
        if not client.scheduler_info(n_workers=-1)["workers"]:
            hint = f"start one with `dask worker {scheduler}` where stagelog[fleet] is installed"
            raise DeviceError("the scheduler has no worker", where=scheduler, hint=hint)
        yield _judging(client)


def _start_cluster(count: int) -> LocalCluster:
    """Start worker processes from a thread with blocked signals, so that only this process receives Ctrl-C."""
    # The first start of the resource tracker unblocks signals; after Ctrl-C it prints a warning about semaphores.
    before = os.environ.get("PYTHONWARNINGS", "")
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker"
    with own_process.safe_path():
        resource_tracker.ensure_running()
    os.environ["PYTHONWARNINGS"] = before
    with interruption.blocked():
        starting: Future[LocalCluster] = Future()
        Thread(target=_start_in_thread, args=(starting, count), daemon=True).start()
    with _exit_at_once():
        return starting.result()


def _start_in_thread(starting: Future[LocalCluster], count: int) -> None:
    try:
        starting.set_result(local_cluster(count))
    except Exception as error:  # noqa: BLE001 - raised again by Future.result
        starting.set_exception(error)


@contextmanager
def _exit_at_once() -> Iterator[None]:
    """Exit at once on Ctrl-C: closing Dask takes seconds and prints errors."""
    try:
        yield
    except KeyboardInterrupt:
        for worker in multiprocessing.active_children():
            worker.kill()
        interruption.end_now()
        raise


def local_cluster(count: int) -> LocalCluster:
    """Start `count` worker processes on this machine."""
    with dask.config.set({_TRIM: None, _SAFE_PATH: "1"}):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,  # the review is bound by Python: threads would not run in parallel
            dashboard_address="127.0.0.1:0",  # always listens; a fixed port would conflict with a second run
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )


def _judging(client: Client) -> Judge:
    def judge_on_workers(run: Run, logs: list[Entry]) -> Iterator[Verdict]:
        futures = {client.submit(judge, run, entry, pure=False): entry for entry in logs}
        for future in as_completed(list(futures), loop=client.loop):
            entry = futures.pop(future)
            if future.status == "finished":
                yield future.result()
            else:  # a log that kills every worker
                yield Verdict(entry, None, None, error=f"{entry.name}: {future.exception()}", exit_code=1)
            future.release()

    return judge_on_workers
