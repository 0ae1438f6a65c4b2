"""Import sqlite-utils without numpy and pandas.

sqlite-utils imports both if they are installed, only to recognise their number types in a schema. Our schema uses
none, and the imports would take a third of the time from power-on to the first row. So the thread that imports
sqlite-utils cannot find them during that import, unless they are already imported; other threads can.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

HIDDEN = frozenset({"numpy", "pandas"})


class _Hiding:
    """A finder for `sys.meta_path` that hides some packages from one thread."""

    def __init__(self, names: frozenset[str], thread: int) -> None:
        self._names, self._thread = names, thread

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Refuse the hidden names; None passes any other name to the next finder."""
        if name in self._names and get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def _hidden(names: frozenset[str]) -> Iterator[None]:
    hiding = _Hiding(names, get_ident())
    sys.meta_path.insert(0, hiding)
    try:
        yield
    finally:
        sys.meta_path.remove(hiding)


with _hidden(HIDDEN):
    from sqlite_utils import Database, Migrations

__all__ = ["Database", "Migrations"]
