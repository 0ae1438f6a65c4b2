"""Write udev rules that give USB serial adapters stable names, for chips used in many devices.

A rule matches the adapter's serial number. Without one, or if two adapters share it (many CP210x report 0001), the
rule matches the USB socket. The adapter's own strings are not trusted: a serial number with anything but letters,
digits and a few signs is not written into a file that udev executes as root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROLES = ("gps", "can")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
"""Characters allowed in a rule, without those that udev interprets (quotes, comma, * ? [ ] | $ %)."""
_HEADER = """\
# Adapters bound by `stagelog install --gps-port DEVICE --can-port DEVICE`. 70-stagelog.rules creates the names.
"""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A connected USB serial adapter. `usb_path` is the kernel's name of its USB socket, such as 1-1.2."""

    device: str
    vendor_id: int
    product_id: int
    serial_number: str
    usb_path: str
    description: str = ""


def plugged() -> list[Adapter]:
    """The USB serial adapters connected to this machine."""
    from serial.tools import list_ports  # noqa: PLC0415 - only the installer needs it

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
    """The adapter of a device or of a link to one; None if it is not a USB adapter."""
    real = str(Path(port).resolve())
    return next((adapter for adapter in adapters if adapter.device == real), None)


def rule(role: str, adapter: Adapter, adapters: Iterable[Adapter]) -> str | None:
    """The rule that names `adapter` for a role; None if nothing distinguishes it from other adapters."""
    twins = [
        other
        for other in adapters
        if (other.vendor_id, other.product_id, other.serial_number)
        == (adapter.vendor_id, adapter.product_id, adapter.serial_number)
    ]
    if _PLAIN.fullmatch(adapter.serial_number) and len(twins) <= 1:
        which = f'ATTRS{{serial}}=="{adapter.serial_number}"'
    elif _PLAIN.fullmatch(adapter.usb_path):
        which = f'KERNELS=="{adapter.usb_path}"'
    else:
        return None
    return (
        f'SUBSYSTEM=="tty", SUBSYSTEMS=="usb", ATTRS{{idVendor}}=="{adapter.vendor_id:04x}", '
        f'ATTRS{{idProduct}}=="{adapter.product_id:04x}", {which}, ENV{{STAGELOG}}="{role}"'
    )


def rules(present: str, bound: Mapping[str, str]) -> str:
    """The new rules file: the lines of `bound` (by role) replace those for the same roles in the present file."""
    lines = {role: line for role in ROLES for line in present.splitlines() if line.endswith(_ending(role))}
    lines.update(bound)
    return _HEADER + "".join(f"{lines[role]}\n" for role in ROLES if role in lines) if lines else ""


def _ending(role: str) -> str:
    return f'ENV{{STAGELOG}}="{role}"'
