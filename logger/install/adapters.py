"""Serial adapters bound to a stable name: the udev rules for chips that do not say what is behind them.

A rule goes by the adapter's serial number. Where it has none, or two that are plugged in share one (many CP210x
call themselves 0001), it goes by the USB socket. What an adapter says of itself is never trusted: a serial number that
has anything in it but letters, digits and a few signs is not written into a file that root's udev obeys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROLES = ("gps", "can")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
"""What may stand in a rule. udev's own signs (quotes, comma, * ? [ ] | $ %) are not among it."""
_HEADER = """\
# Adapters bound by `stagelog install --gps-port DEVICE --can-port DEVICE`. 70-stagelog.rules makes the names.
"""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A USB serial adapter that is plugged in. `place` is the kernel's name of its USB socket, such as 1-1.2."""

    device: str
    vendor_id: int
    product_id: int
    serial_number: str
    place: str
    words: str = ""


def plugged() -> list[Adapter]:
    """The USB serial adapters of this machine."""
    from serial.tools import list_ports  # noqa: PLC0415 - only the installer looks

    return [
        Adapter(
            port.device,
            port.vid,
            port.pid,
            port.serial_number or "",
            (port.location or "").partition(":")[0],
            port.description or "",
        )
        for port in list_ports.comports()
        if port.vid is not None and port.pid is not None
    ]


def find(port: str, adapters: Iterable[Adapter]) -> Adapter | None:
    """The adapter behind a device or a link to one; None for what is no USB adapter."""
    real = str(Path(port).resolve())
    return next((adapter for adapter in adapters if adapter.device == real), None)


def rule(role: str, adapter: Adapter, adapters: Iterable[Adapter]) -> str | None:
    """The line that names `adapter` for a role; None when nothing about it tells it from another."""
    twins = [
        other
        for other in adapters
        if (other.vendor_id, other.product_id, other.serial_number)
        == (adapter.vendor_id, adapter.product_id, adapter.serial_number)
    ]
    if _PLAIN.fullmatch(adapter.serial_number) and len(twins) <= 1:
        which = f'ATTRS{{serial}}=="{adapter.serial_number}"'
    elif _PLAIN.fullmatch(adapter.place):
        which = f'KERNELS=="{adapter.place}"'
    else:
        return None
    return (
        f'SUBSYSTEM=="tty", SUBSYSTEMS=="usb", ATTRS{{idVendor}}=="{adapter.vendor_id:04x}", '
        f'ATTRS{{idProduct}}=="{adapter.product_id:04x}", {which}, ENV{{STAGELOG}}="{role}"'
    )


def rules(present: str, bound: Mapping[str, str]) -> str:
    """The rules file with the lines of `bound` (by role) in place of those for the same roles in the present one."""
    lines = {role: line for role in ROLES for line in present.splitlines() if line.endswith(_ending(role))}
    lines.update(bound)
    return _HEADER + "".join(f"{lines[role]}\n" for role in ROLES if role in lines) if lines else ""


def _ending(role: str) -> str:
    return f'ENV{{STAGELOG}}="{role}"'
