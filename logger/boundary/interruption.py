"""End a verb within a second on Ctrl-C, SIGTERM or SIGHUP.

Rule 1: a signal raises an exception in the main thread, so that each `with` and `finally` cleans up; a second signal
does not interrupt the clean-up. Rule 2: if the main thread is in foreign code that Python cannot interrupt (name
resolution, a query, waiting for a thread), or code swallows the exception, a thread ends the process after `GRACE_S`:
it removes unfinished files, and no file gets its final name before it is complete. Rule 3: verbs with their own
signal handlers (run, serve, a running demo) do not use this module.
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
"""Time for clean-up: unlinking a large file takes some tenths of a second on a slow card."""
_CODE_OF_SIGNAL = 128
"""The shell's convention: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""


class InterruptedBySignal(KeyboardInterrupt):
    """A signal that asks the program to end."""


_signal: int | None = None
"""The signal that ends the program; later signals do not interrupt the clean-up."""
_is_done = False


def begin() -> None:
    """Install the handlers. A signal that the parent process set to be ignored (nohup) stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _raise_again
    atexit.register(_ignore)
    # A Python handler waits for the main thread; this pair delivers the signal's number at once.
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_grace, args=(woken, wakes), name="interruption", daemon=True).start()
    os.register_at_fork(after_in_child=_reset_in_child)


def exit_code() -> int | None:
    """The program's exit code if a signal arrived, whatever the verb did with the exception."""
    return None if _signal is None else _CODE_OF_SIGNAL + _signal


def end() -> None:
    """The verb is done: a later signal raises nothing. The time limit for waiting threads still applies."""
    global _is_done  # noqa: PLW0603 - signals belong to the process
    _is_done = True


def _raise(number: int, _frame: FrameType | None) -> None:
    global _signal  # noqa: PLW0603
    if _signal is None and not _is_done:
        _signal = number
        raise InterruptedBySignal


def _raise_again(dropped: sys.UnraisableHookArgs) -> None:
    """Raise the signal again if Python had to drop its exception, as in a finalizer."""
    global _signal
    if not issubclass(dropped.exc_type, InterruptedBySignal):
        sys.__unraisablehook__(dropped)
    elif _signal is not None:
        number, _signal = signal.Signals(_signal), None
        _thread.interrupt_main(number)


def _end_after_grace(woken: socket.socket, _wakes: socket.socket) -> NoReturn:
    while True:
        number = woken.recv(1)[0]
        if number in SIGNALS and signal.getsignal(number) is _raise:
            time.sleep(GRACE_S)
            _end_now(_CODE_OF_SIGNAL + number)


def end_now() -> None:
    """End at once if a signal arrived: for clean-up that would take longer than `GRACE_S`."""
    if (code := exit_code()) is not None:
        _end_now(code)


def _end_now(code: int) -> NoReturn:
    remove_unfinished()
    os._exit(code)


def _ignore() -> None:
    """Ignore further signals at interpreter shutdown, which would restore their default action."""
    for number in SIGNALS:
        if signal.getsignal(number) is _raise:
            signal.signal(number, signal.SIG_IGN)


def _reset_in_child() -> None:
    """A child ignores Ctrl-C, which the terminal sends to the whole group; its parent ends it with SIGTERM."""
    signal.set_wakeup_fd(-1)
    _ignore()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def blocked() -> Iterator[None]:
    """Threads and processes that this thread starts in the body do not receive the signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
