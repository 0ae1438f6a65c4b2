"""Judging the machine: its power supply, its services, and whether a recorder runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from logger.doctor.findings import SUDO, Finding, note, ok, wrong

RESTARTS = 3
"""More starts than an update and a changed configuration make."""
_NOW = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "close to its temperature limit"}
"""Bits of the Raspberry's get_throttled; the same 16 higher say that it has been so since the start."""


@dataclass(frozen=True, slots=True)
class Power:
    """What a Raspberry says: the bits of get_throttled, or the alarm of its voltage monitor. None: it says nothing."""

    throttled: int | None = None
    is_low: bool | None = None


def judge_power(power: Power) -> Iterator[Finding]:
    """What is to be said of the supply."""
    hint = "a supply of 5.1 V and 3 A from the car's own converter, with short thick wires"
    if power.throttled is not None:
        now = [word for bit, word in _NOW.items() if power.throttled >> bit & 1]
        past = [word for bit, word in _NOW.items() if power.throttled >> (bit + 16) & 1]
        if now or past:
            when = f"now: {', '.join(now)}" if now else f"since the start: {', '.join(past)}"
            is_supply = 0 in (
                bit for bit in _NOW if power.throttled >> bit & 1 or power.throttled >> (bit + 16) & 1
            )
            yield wrong("power", when, hint if is_supply else "give it air: a heat sink, and shade")
            return
    if power.is_low:
        yield wrong("power", "the voltage is, or was, too low", hint)
    elif power.throttled is None and power.is_low is None:
        yield note("power", "this machine does not tell")
    else:
        yield ok("power", "the voltage has been good since the start")


def judge_unit(unit: str, told: Mapping[str, str]) -> Finding:
    """What systemd tells of a service; `told` are the properties of `systemctl show`."""
    where = f"service {unit.removesuffix('.service')}"
    state, restarts = told.get("ActiveState", ""), int(told.get("NRestarts") or 0)
    if told.get("LoadState") == "not-found":
        return note(where, "is not installed", "`sudo stagelog install` does it")
    trouble: tuple[str, str] | None = None
    if told.get("LoadState") == "masked":
        trouble = "is masked", f"sudo systemctl unmask {unit}"
    elif told.get("UnitFileState") == "disabled":
        trouble = f"{state}, but not started with the machine", f"sudo systemctl enable --now {unit}"
    elif state != "active" and told.get("ExecMainStatus") == "64":
        trouble = "refuses its configuration", f"mend what is wrong there, then sudo systemctl restart {unit}"
    elif state != "active":
        trouble = (
            f"{state} ({told.get('SubState') or told.get('Result', '')})",
            f"journalctl -u {unit} says why",
        )
    elif restarts > RESTARTS:
        trouble = f"running, but restarted {restarts} times", f"journalctl -u {unit} says why"
    if trouble is not None:
        return wrong(where, *trouble)
    return ok(where, f"running{f', restarted {restarts} times' if restarts else ''}")


def judge_power_off(told: Mapping[str, str]) -> Finding:
    """Whether anybody obeys `[shutdown]`; `told` are systemd's properties of the unit that waits for the wish."""
    if told.get("ActiveState") != "active":
        hint = "`sudo stagelog install --with power-off`"
        return wrong("power-off", "[shutdown] is set, and nothing obeys it", hint)
    return ok("power-off", "the machine is switched off when [shutdown] says so")


def judge_chrony(path: Path, *, is_there: bool) -> Finding:
    """Whether anybody takes the time of GPS at the socket of `[clock] chrony`."""
    if not is_there:
        hint = "`sudo stagelog install --with chrony`; chrony itself is to be installed, and to run"
        return wrong("chrony", f"{path}: there is no such socket, so GPS sets no clock", hint)
    return ok("chrony", f"takes the time of GPS at {path}")


def judge_recorder(state: str, why: str, recording: Mapping[str, object]) -> Finding:
    """Whether a recorder runs, and writes. `recording` is that group of the live state."""
    where = "recorder"
    if state == "absent":
        return note(where, "is not running: the doctor opens the ports itself")
    if state == "denied":
        return wrong(
            where,
            f"runs, but may not be asked: {why}",
            f"{SUDO}, or as a member of its group",
        )
    if state == "hangs":
        return wrong(
            where, f"is there, but does not answer: {why}", "sudo systemctl restart stagelog-recorder"
        )
    if not recording.get("ok"):
        return wrong(
            where, str(recording.get("trouble") or "does not write"), "see the findings on disk and card"
        )
    if recording.get("dropped"):
        return wrong(
            where,
            f"{recording['dropped']} rows did not fit and are lost",
            "the card is too slow: take one made for video",
        )
    return ok(where, f"recording into {recording.get('path')}, {recording.get('rows')} rows, nothing lost")


def judge_rows(state: str) -> Iterator[Finding]:
    """Whether what came could be read in the log of a recorder that runs; `state` is a word of asking.Recorder.rows."""
    what, hint = {
        "denied": ("its log may not be read", SUDO),
        "unreadable": ("its log cannot be read", "see the findings on logs and card"),
        "none": ("no new row reached its log meanwhile", "see the findings on disk and card"),
    }.get(state, ("", ""))
    if what:
        yield note("recorder", f"{what}: what the receiver and the buses say is not known", hint)


def judge_configuration(changed: Sequence[str]) -> Iterator[Finding]:
    """Whether a recorder runs under the present configuration; `changed` are the tables in which that differs."""
    if changed:
        tables = ", ".join(f"[{table}]" for table in changed)
        what = f"runs under an earlier configuration: {tables} differ{'s' if len(changed) == 1 else ''}"
        yield wrong("recorder", what, "sudo systemctl restart stagelog-recorder")
