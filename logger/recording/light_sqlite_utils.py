"""sqlite-utils without numpy and pandas.

sqlite-utils imports both wherever they are installed, only to recognise their number types in a schema. No schema of
ours has any, and those imports would be a third of the time from power-on to the first row. So they are hidden
for the moment of the import, unless somebody has them already.
"""

from __future__ import annotations

import sys

_hidden = [name for name in ("numpy", "pandas") if name not in sys.modules]
for _name in _hidden:
    sys.modules[_name] = None  # type: ignore[assignment]
try:
    from sqlite_utils import Database, Migrations
finally:
    for _name in _hidden:
        del sys.modules[_name]

__all__ = ["Database", "Migrations"]
