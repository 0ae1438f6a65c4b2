"""Ctrl-C, SIGTERM and SIGHUP end a verb within a second, whatever it is doing.

Rule 1: the signal is an exception in the main thread, so that each `with` and `finally` cleans up; a second one does
not interrupt that. Rule 2: where the main thread is in foreign code that Python cannot interrupt (a name being
resolved, a query, a thread that is waited for), or something swallows the exception, a thread ends the process after
`GRACE_S`: parts are removed, and no file has its final name before it is whole. Rule 3: a verb with handlers of its own
(run, serve, a running demo) is left alone.
"""

from __future__ import annotations

import _thread
import atexit
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from logger.boundary.whole_file import remove_unfinished

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 0.6
"""For cleaning up: unlinking a large file takes some tenths of a second on a slow card."""
_CODE_OF_SIGNAL = 128
"""A shell's convention: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""


class InterruptedBySignal(KeyboardInterrupt):
    """A signal that asks the program to end."""


_came: int | None = None
"""The signal that ends the program; further ones do not interrupt what is cleaned up."""
_is_done = False


def begin() -> None:
    """From here on the signals end the program; one that its parent has it ignore (nohup) stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _raise_again
    atexit.register(_ignore)
    # A handler in Python waits for the main thread; the number of a signal comes through this pair at once.
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_anyway, args=(woken, wakes), name="interruption", daemon=True).start()
    os.register_at_fork(after_in_child=_be_a_child)


def exit_code() -> int | None:
    """The program's exit code where a signal came, whatever the verb made of it."""
    return None if _came is None else _CODE_OF_SIGNAL + _came


def end() -> None:
    """The verb is done: a signal that comes now raises nothing. Threads that are waited for still end in time."""
    global _is_done  # noqa: PLW0603 - signals are the process's
    _is_done = True


def _raise(number: int, _frame: FrameType | None) -> None:
    global _came  # noqa: PLW0603
    if _came is None and not _is_done:
        _came = number
        raise InterruptedBySignal


def _raise_again(dropped: sys.UnraisableHookArgs) -> None:
    """Where Python has to drop an exception, as in a finalizer, the signal comes once more a moment later."""
    global _came
    if not issubclass(dropped.exc_type, InterruptedBySignal):
        sys.__unraisablehook__(dropped)
    elif _came is not None:
        number, _came = signal.Signals(_came), None
        _thread.interrupt_main(number)


def _end_anyway(woken: socket.socket, _wakes: socket.socket) -> NoReturn:
    while True:
        number = woken.recv(1)[0]
        if number in SIGNALS and signal.getsignal(number) is _raise:
            time.sleep(GRACE_S)
            _end_now(_CODE_OF_SIGNAL + number)


def end_now() -> None:
    """End here where a signal came: for what would take longer than `GRACE_S` to be ended in order."""
    if (code := exit_code()) is not None:
        _end_now(code)


def _end_now(code: int) -> NoReturn:
    remove_unfinished()
    os._exit(code)


def _ignore() -> None:
    """The interpreter itself ends, and would restore the default: an end by the signal, without our code."""
    for number in SIGNALS:
        if signal.getsignal(number) is _raise:
            signal.signal(number, signal.SIG_IGN)


def _be_a_child() -> None:
    """Children end when their parent says so: Ctrl-C reaches the whole group of a terminal, and the parent with it."""
    signal.set_wakeup_fd(-1)
    _ignore()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def blocked() -> Iterator[None]:
    """Threads and processes that are started in the body, by this thread, do not hear of the signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
