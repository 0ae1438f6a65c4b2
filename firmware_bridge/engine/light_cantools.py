"""cantools without its tester.

cantools imports the tester always, the tester python-can, and that all it finds to read MF4 files with: asammdf,
canmatrix, pandas. Half a second that a recorder has no use for. So an empty module stands in the tester's place for the
moment of the import, unless somebody has the real one already; who imports `cantools.tester` later gets that.
"""

from __future__ import annotations

import sys
from types import ModuleType

_TESTER = "cantools.tester"
_is_replaced = _TESTER not in sys.modules
if _is_replaced:
    sys.modules[_TESTER] = ModuleType(_TESTER)
try:
    from cantools.database.can import Message, Signal
    from cantools.database.conversion import BaseConversion
    from cantools.database.namedsignalvalue import NamedSignalValue
    from cantools.database.utils import start_bit
finally:
    if _is_replaced:
        del sys.modules[_TESTER]

__all__ = ["BaseConversion", "Message", "NamedSignalValue", "Signal", "start_bit"]
