"""Judge the machine: power supply, systemd services, and the running recorder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from logger.doctor.findings import SUDO, Finding, note, ok, wrong

RESTARTS = 3
"""More restarts than an update and a changed configuration cause."""
_THROTTLED_BITS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "close to its temperature limit"}
"""Bits of the Raspberry's get_throttled; the same bits, 16 higher: it has happened since the start."""


@dataclass(frozen=True, slots=True)
class Power:
    """A Raspberry's get_throttled bits, or the alarm of its voltage monitor; None if not reported."""

    throttled: int | None = None
    is_low: bool | None = None


def judge_power(power: Power) -> Iterator[Finding]:
    """Findings about the power supply."""
    hint = "a supply of 5.1 V and 3 A from the car's own converter, with short thick wires"
    if power.throttled is not None:
        now = [text for bit, text in _THROTTLED_BITS.items() if power.throttled >> bit & 1]
        past = [text for bit, text in _THROTTLED_BITS.items() if power.throttled >> (bit + 16) & 1]
        if now or past:
            when = f"now: {', '.join(now)}" if now else f"since the start: {', '.join(past)}"
            is_supply = bool(power.throttled & 1 or power.throttled >> 16 & 1)
            yield wrong("power", when, hint if is_supply else "cool it: a heat sink, and shade")
            return
    if power.is_low:
        yield wrong("power", "the voltage is, or was, too low", hint)
    elif power.throttled is None and power.is_low is None:
        yield note("power", "this machine does not report its supply voltage")
    else:
        yield ok("power", "the voltage has been good since the start")


def judge_unit(unit: str, properties: Mapping[str, str]) -> Finding:
    """The state of a service, from its properties in `systemctl show`."""
    where = f"service {unit.removesuffix('.service')}"
    state, restarts = properties.get("ActiveState", ""), int(properties.get("NRestarts") or 0)
    if properties.get("LoadState") == "not-found":
        return note(where, "is not installed", "`sudo stagelog install` installs it")
    problem: tuple[str, str] | None = None
    if properties.get("LoadState") == "masked":
        problem = "is masked", f"sudo systemctl unmask {unit}"
    elif properties.get("UnitFileState") == "disabled":
        problem = f"{state}, but not started with the machine", f"sudo systemctl enable --now {unit}"
    elif state != "active" and properties.get("ExecMainStatus") == "64":
        problem = "refuses its configuration", f"fix the configuration, then sudo systemctl restart {unit}"
    elif state != "active":
        problem = (
            f"{state} ({properties.get('SubState') or properties.get('Result', '')})",
            f"see the reason with journalctl -u {unit}",
        )
    elif restarts > RESTARTS:
        problem = f"running, but restarted {restarts} times", f"see the reason with journalctl -u {unit}"
    if problem is not None:
        return wrong(where, *problem)
    return ok(where, f"running{f', restarted {restarts} times' if restarts else ''}")


def judge_power_off(properties: Mapping[str, str]) -> Finding:
    """Whether the unit that executes `[shutdown]` is active, from its properties in `systemctl show`."""
    if properties.get("ActiveState") != "active":
        hint = "`sudo stagelog install --with power-off`"
        return wrong("power-off", "[shutdown] is set, but no service executes it", hint)
    return ok("power-off", "the machine is switched off as set in [shutdown]")


def judge_chrony(path: Path, *, exists: bool) -> Finding:
    """Whether chrony listens for GPS time on the socket of `[clock] chrony`."""
    if not exists:
        hint = "`sudo stagelog install --with chrony`; chrony itself must be installed and running"
        return wrong("chrony", f"{path}: no such socket, so GPS does not set the clock", hint)
    return ok("chrony", f"receives GPS time at {path}")


def judge_recorder(state: str, why: str, recording: Mapping[str, object]) -> Finding:
    """Whether a recorder runs and writes. `recording` is that group of the live state."""
    where = "recorder"
    if state == "absent":
        return note(where, "is not running: the doctor opens the ports itself")
    if state == "denied":
        return wrong(
            where,
            f"runs, but access to its socket is denied: {why}",
            f"{SUDO}, or as a member of its group",
        )
    if state == "hangs":
        return wrong(where, f"runs, but does not answer: {why}", "sudo systemctl restart stagelog-recorder")
    if not recording.get("ok"):
        return wrong(
            where, str(recording.get("trouble") or "does not write"), "see the findings on disk and card"
        )
    if recording.get("dropped"):
        return wrong(
            where,
            f"{recording['dropped']} rows were dropped and are lost",
            "the card is too slow: use one made for video",
        )
    return ok(where, f"recording into {recording.get('path')}, {recording.get('rows')} rows, nothing lost")


def judge_rows(state: str) -> Iterator[Finding]:
    """Whether the new rows of a running recorder's log could be read; `state` is probe_recorder.Recorder.rows."""
    what, hint = {
        "denied": ("its log cannot be read without permission", SUDO),
        "unreadable": ("its log cannot be read", "see the findings on logs and card"),
        "none": ("no new row reached its log meanwhile", "see the findings on disk and card"),
    }.get(state, ("", ""))
    if what:
        yield note("recorder", f"{what}: the data of receiver and buses is not known", hint)


def judge_configuration(changed: Sequence[str]) -> Iterator[Finding]:
    """Whether a running recorder uses the present configuration; `changed` are the tables that differ."""
    if changed:
        tables = ", ".join(f"[{table}]" for table in changed)
        what = f"runs with an earlier configuration: {tables} differ{'s' if len(changed) == 1 else ''}"
        yield wrong("recorder", what, "sudo systemctl restart stagelog-recorder")
