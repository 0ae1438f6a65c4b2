"""sqlite-utils without numpy.

sqlite-utils imports numpy wherever it is installed, only to recognise its number types in a schema. No schema of ours
has any, and that import would be a third of the time from power-on to the first row, and 15 MB. So numpy is
hidden for the moment of the import, unless somebody has it already.
"""

from __future__ import annotations

import sys

_hidden = "numpy" not in sys.modules
if _hidden:
    sys.modules["numpy"] = None  # type: ignore[assignment]
try:
    from sqlite_utils import Database, Migrations
finally:
    if _hidden:
        del sys.modules["numpy"]

__all__ = ["Database", "Migrations"]
