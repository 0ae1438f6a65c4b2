"""The judging on Dask distributed: workers of this machine, or those of a scheduler that is there already.

A worker that dies is Dask's business: what it was at is given to another one. Knows nothing of what is judged.
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
"""A scheduler that has no worker after so long has none."""
_TRIM = "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_"
"""Dask has glibc give back each 64 kB that becomes free. The review's arrays come and go: it then takes 1.7 times as
long (0.98 s of the processor a log, not 0.55), and holds no less at its peak."""

_SAFE_PATH = f"distributed.nanny.pre-spawn-environ.{own_process.SAFE_PATH}"


@contextmanager
def workers(scheduler: str | None, count: int | None) -> Iterator[Judge]:
    """The processors of a scheduler's workers, or of `count` processes here (None: one a core).

    Raises DeviceError when the scheduler does not answer or has no workers.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its comings and goings are not the user's
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
    """Start worker processes, by a thread without signals: Ctrl-C is this process's alone, and ends them with it."""
    # Its first start would unblock the signals; and after Ctrl-C it would print a warning about semaphores.
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
    except Exception as error:  # noqa: BLE001 - raised again by whoever waits for the result
        starting.set_exception(error)


@contextmanager
def _exit_at_once() -> Iterator[None]:
    """Ctrl-C ends the process here: Dask takes seconds to close, and prints what it could not."""
    try:
        yield
    except KeyboardInterrupt:
        for worker in multiprocessing.active_children():
            worker.kill()
        interruption.end_now()
        raise


def local_cluster(count: int) -> LocalCluster:
    """So many worker processes on this machine."""
    with dask.config.set({_TRIM: None, _SAFE_PATH: "1"}):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,  # the review is Python and SQLite: threads would take turns
            dashboard_address="127.0.0.1:0",  # the scheduler listens anyway: at any port, or a second run complains
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )


def _judging(client: Client) -> Judge:
    def judged(run: Run, found: list[Entry]) -> Iterator[Verdict]:
        futures = {client.submit(judge, run, entry, pure=False): entry for entry in found}
        for future in as_completed(list(futures), loop=client.loop):
            entry = futures.pop(future)
            if future.status == "finished":
                yield future.result()
            else:  # a log on which worker after worker dies
                yield Verdict(entry, None, None, error=f"{entry.name}: {future.exception()}", exit_code=1)
            future.release()

    return judged
