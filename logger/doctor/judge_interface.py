"""Judge a kernel CAN interface: its settings against the configuration, and its controller's errors.

judge_port.py reports whether it exists and is up.
"""

from __future__ import annotations

from collections.abc import Iterator

from firmware_bridge.devices.can_interface import Expected, Interface
from logger.doctor.findings import Finding, note, ok, wrong

_ERROR_STATES = ("passive", "off")
_WIRES = "check the two wires, the 120-ohm terminations, the ground and the bit rate"


def judge(expected: Expected, actual: Interface | None) -> Iterator[Finding]:
    """Findings about an interface; none if it is missing, down, or not a CAN interface."""
    if actual is None or not (actual.is_can and actual.is_up):
        return
    where = f"interface {actual.name}"
    if actual.bitrate is None:
        yield note(where, f"up; {actual.kind or 'its driver'} reports neither bit rate nor listen-only")
    else:
        yield from _settings(where, expected, actual)
    if actual.state in _ERROR_STATES:
        counters = f"{actual.rx_errors} receive and {actual.tx_errors} transmit errors counted"
        restart = f"sudo ip link set {actual.name} type can restart" if actual.state == "off" else ""
        what = f"the controller is {'off the bus' if actual.state == 'off' else 'error passive'}: {counters}"
        yield wrong(where, what, f"{_WIRES}{f'; then {restart}' if restart else ''}")
    if lost := actual.dropped + actual.overruns:
        yield note(where, f"{lost} frames lost by driver and controller since it was plugged in")


def _settings(where: str, expected: Expected, actual: Interface) -> Iterator[Finding]:
    if expected.bitrate not in (None, actual.bitrate):
        what = f"set to {actual.bitrate} bit/s, not to {expected.bitrate}"
        yield wrong(where, what, f"{expected.set_again}, or correct `bitrate`")
    elif expected.data_bitrate not in (None, actual.data_bitrate):
        what = f"data at {actual.data_bitrate or 'no'} bit/s, not at {expected.data_bitrate}"
        yield wrong(where, what, f"{expected.set_again}, or correct `data_bitrate`")
    elif expected.listen_only and not actual.listen_only:
        finding = wrong if expected.listen_only is True else note
        yield finding(
            where,
            "not listen-only: it acknowledges the car's frames, whether they are recorded or not",
            f"{expected.set_again}, or listen_only = false",
        )
    else:
        silent = ", listen-only" if actual.listen_only else ""
        data = f", data at {actual.data_bitrate} bit/s" if actual.is_fd and actual.data_bitrate else ""
        state = f", controller {actual.state}" if actual.state else ""
        yield ok(where, f"{actual.bitrate} bit/s{data}{silent}{state}")
    if not (actual.listen_only or expected.listen_only is True or actual.restart_ms):
        hint = f"sudo ip link set {actual.name} type can restart-ms 100 (while it is down)"
        yield note(where, "a controller that goes off the bus stays off", hint)
