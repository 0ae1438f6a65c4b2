"""The files of `systemd/`, wherever this copy of stagelog keeps them: a checkout, or an installed package."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from pathlib import Path

from firmware_bridge.errors import ConfigurationError
from logger.install.plan import OPTIONS, SHIPPED

_CHECKOUT = Path(__file__).parents[2] / "systemd"
_PACKAGED = Path(sysconfig.get_path("data")) / "share/stagelog/systemd"


def shipped() -> Mapping[str, bytes]:
    """All files that the plan may ask for, by name. Raises ConfigurationError when this copy is not whole."""
    names = [*SHIPPED, *(name for files in OPTIONS.values() for name in files)]
    for folder in (_CHECKOUT, _PACKAGED):
        if all((folder / name).is_file() for name in names):
            return {name: (folder / name).read_bytes() for name in names}
    mend = "install stagelog again, from a whole checkout or wheel"
    raise ConfigurationError("the units are missing in this copy", where=str(_PACKAGED), mend=mend)
