"""Import cantools without its tester module, which saves half a second at start-up.

cantools always imports its tester, the tester imports python-can, and python-can imports every MF4 reader it finds:
asammdf, canmatrix, pandas. A recorder needs none of these. So an empty module replaces the tester during the import,
unless the real one is loaded already; a later import of `cantools.tester` gets the real one. Hiding it from the import
system does not do: cantools requires the module.
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
