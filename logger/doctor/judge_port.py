"""Judge a port: does it exist, is access allowed, is the right device connected, how many bytes are damaged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from firmware_bridge.devices.link_health import foreign
from firmware_bridge.protocols import ALLOW_NORMAL
from logger.doctor.findings import Finding, note, ok, wrong
from logger.doctor.port_observation import PortObservation

DAMAGED_SHARE = 0.01
"""More damaged frames than this indicate a bad cable, ground or shield: on a good wire only the first is damaged."""
OTHER_RATES = (
    "a wrong bit rate is silent too: `sudo systemctl stop stagelog-recorder`, and the doctor tries others"
)
"""The bit rate of an adapter that the recorder has open is not changed."""
NEVER_ANSWERS = f"an adapter whose firmware never answers is not opened: {ALLOW_NORMAL}"
NO_COMMANDS = ("realdash", "canserial")
"""Protocols of home-made firmware that accepts no commands."""
POLL = "start the recorder, which polls the engine (poll = true), and run the doctor again"
_CANNOT_OPEN = ("missing", "down", "denied", "busy", "unusable", "normal_only", "lost", "opening")


def judge(port: PortObservation, neighbours: Mapping[str, str]) -> Iterator[Finding]:
    """Findings about a port; `neighbours` are the other ports' names by protocol."""
    where = f"port {port.name}"
    if port.warning:
        yield note(where, port.warning)
    if port.state in _CANNOT_OPEN:
        yield _not_open(port, where)
    elif port.speaks is not None:
        yield _another(port, where, neighbours)
    elif port.state in ("wrong_baud", "no_protocol") or port.is_unknown:
        what = port.detail if port.state != "open" else f"bytes arrive, but no {_word(port.protocol)}"
        hint = "check which device this is, its ground and its signal levels"
        yield wrong(where, what.partition(": ")[0], port.detail.partition(": ")[2] or hint)
    elif port.is_mute:
        yield _silent(port, where)
    elif not port.good:
        yield note(where, "open, and the adapter answers, but no frame came")
    else:
        yield _open(port, where)


def _not_open(port: PortObservation, where: str) -> Finding:
    if port.url.startswith("gpsd://") and port.state != "opening":  # gpsd reports the state itself
        what, _, hint = port.detail.partition("; ")
        return wrong(where, what, hint)
    if port.state == "denied" and port.protocol != "socketcan":
        group = port.group or "dialout"
        hint = f"sudo usermod -aG {group} USER, then log in again; or run the doctor with sudo"
        return wrong(where, f"only group {group} may use {port.url}", hint)
    if port.state == "busy":
        hint = f"find it with `sudo fuser -v {port.url}` and stop it (usually gpsd or ModemManager)"
        return wrong(where, f"{port.url} is in use by another program", hint)
    if port.state == "opening":
        return note(where, f"{port.url} was not open within {port.seconds:g} s", "use a larger --seconds")
    what, _, hint = port.detail.partition("; ")
    if port.state == "normal_only" and port.may_acknowledge:
        return note(
            where, f"{what} by the doctor; the recorder opens it, and it then acknowledges frames on the bus"
        )
    return wrong(where, what, hint or "plug it in, or correct `port`")


def _another(port: PortObservation, where: str, neighbours: Mapping[str, str]) -> Finding:
    assert port.speaks is not None  # noqa: S101 - the caller has checked
    protocol, baud = port.speaks
    if protocol == port.protocol:
        what = f"it speaks {_word(protocol)} at {baud} baud, not at the configured rate"
        return wrong(where, what, f'set baud = {baud}, or baud = "auto"')
    what = f"this port speaks {_word(protocol)} (at {baud} baud), not {_word(port.protocol)}"
    if protocol in neighbours:
        return wrong(
            where, f"{what}: the cables of {port.name} and {neighbours[protocol]} are swapped", "swap them"
        )
    if protocol == "nmea":
        return wrong(where, what, "that is a GPS receiver: correct `port`")
    if port.protocol == "nmea":
        return wrong(where, what, "that is a CAN adapter: correct `port`")
    return wrong(where, what, f'set protocol = "{protocol}"')


def _silent(port: PortObservation, where: str) -> Finding:
    if port.url.startswith("gpsd://"):
        what, _, hint = port.detail.partition(": ")
        usual = (
            f"gpsd runs, but sends nothing for {port.seconds:g} s",
            "see what it receives with `gpspipe -r`",
        )
        return wrong(where, what or usual[0], hint or usual[1])
    what = f"open, but silent for {port.seconds:g} s"
    if port.protocol == "nmea":
        return wrong(
            where,
            what,
            "check the receiver's power and its TX wire; a CAN adapter on the GPS port is silent too",
        )
    never = "" if port.may_acknowledge or port.protocol in NO_COMMANDS else f"; {NEVER_ANSWERS}"
    if port.by_recorder:
        hint = f"switch the ignition on; check the adapter's power and the wires of the bus{never}"
        return wrong(where, what, f"{hint}; {OTHER_RATES}" if port.protocol == "slcan" else hint)
    if port.protocol == "slcan":
        tried = f", at {len(port.tried_bitrates) + 1} bit rates" if port.tried_bitrates else ""
        hint = "switch the ignition on; check the adapter's power, the wires of the bus, and which device this is"
        return wrong(where, f"{what}{tried}, and the adapter answers nothing", f"{hint}{never}")
    if port.is_polled:
        return note(where, f"{what}; the doctor does not poll the engine", POLL)
    return wrong(where, what, f"check power and wiring; switch the ignition on{never}")


def _open(port: PortObservation, where: str) -> Finding:
    pieces = "sentences" if port.protocol == "nmea" else "frames"
    rate = f"{port.good / port.seconds:.0f} {pieces}/s" if port.seconds else f"{port.good} {pieces}"
    mixture = foreign(_word(port.protocol), port.foreign_bytes / max(1, port.bytes))
    link = (
        port.detail
        if "are another protocol" in port.detail
        else "; ".join(filter(None, (port.detail, mixture)))
    )
    what = ", ".join(word for word in (_word(port.protocol), link, rate) if word)
    bad = max(0, port.bad - (not port.by_recorder))  # the first frame after opening is incomplete
    share = bad / max(1, port.good + bad)
    if share > DAMAGED_SHARE:
        hint = "check plug, ground and shield, and keep the cable away from the alternator and the radio"
        return wrong(where, f"{what}, but {share:.1%} of them damaged", hint)
    if bad:
        return note(where, f"{what}, {bad} damaged")
    return ok(where, f"{what}, none damaged")


def _word(protocol: str) -> str:
    return "NMEA" if protocol == "nmea" else protocol
