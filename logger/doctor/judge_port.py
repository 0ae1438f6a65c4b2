"""Judging a port: is it there, may it be used, is the right device at its other end, and how clean is the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from firmware_bridge.devices.link_health import foreign
from firmware_bridge.protocols import ALLOW_NORMAL
from logger.doctor.findings import Finding, note, ok, wrong
from logger.doctor.port_observation import Heard

DAMAGED_SHARE = 0.01
"""More damaged pieces than this point to a cable, its ground or its shield: a sound wire has none but the first."""
OTHER_RATES = (
    "a wrong bit rate is as silent: `sudo systemctl stop stagelog-recorder`, and the doctor tries others"
)
"""An adapter that the recorder has open is not set to other rates."""
NEVER_ANSWERS = f"one whose firmware never answers is not opened: {ALLOW_NORMAL}"
NO_COMMANDS = ("realdash", "canserial")
"""Protocols of home-made firmware that takes no command."""
ASK = "start the recorder, which asks the engine (poll = true), and call the doctor again"
_CANNOT_OPEN = ("missing", "down", "denied", "busy", "unusable", "normal_only", "lost", "opening")


def judge(heard: Heard, neighbours: Mapping[str, str]) -> Iterator[Finding]:
    """What is to be said of a port; `neighbours` are the other ports' names by protocol."""
    where = f"port {heard.name}"
    if heard.warning:
        yield note(where, heard.warning)
    if heard.state in _CANNOT_OPEN:
        yield _not_open(heard, where)
    elif heard.speaks is not None:
        yield _another(heard, where, neighbours)
    elif heard.state in ("wrong_baud", "no_protocol") or heard.is_unknown:
        what = heard.detail if heard.state != "open" else f"bytes arrive, and none is {_word(heard.protocol)}"
        hint = "check which device this is, its ground and its levels"
        yield wrong(where, what.partition(": ")[0], heard.detail.partition(": ")[2] or hint)
    elif heard.is_mute:
        yield _silent(heard, where)
    elif not heard.good:
        yield note(where, "open, and the adapter is alive, but no frame came")
    else:
        yield _open(heard, where)


def _not_open(heard: Heard, where: str) -> Finding:
    if heard.url.startswith("gpsd://") and heard.state != "opening":  # its own words: there is no device
        what, _, hint = heard.detail.partition("; ")
        return wrong(where, what, hint)
    if heard.state == "denied" and heard.protocol != "socketcan":
        group = heard.group or "dialout"
        hint = f"sudo usermod -aG {group} USER, then log in again; or call the doctor with sudo"
        return wrong(where, f"{heard.url} may be used by group {group} only", hint)
    if heard.state == "busy":
        hint = f"`sudo fuser -v {heard.url}` names it: stop it (gpsd and ModemManager are the usual ones)"
        return wrong(where, f"{heard.url} is in use by another program", hint)
    if heard.state == "opening":
        return note(where, f"{heard.url} was not open within {heard.seconds:g} s", "give it more --seconds")
    what, _, hint = heard.detail.partition("; ")
    if heard.state == "normal_only" and heard.may_acknowledge:
        return note(
            where, f"{what} by the doctor; the recorder opens it, and it acknowledges frames on the bus"
        )
    return wrong(where, what, hint or "plug it in, or correct `port`")


def _another(heard: Heard, where: str, neighbours: Mapping[str, str]) -> Finding:
    assert heard.speaks is not None  # noqa: S101 - the caller has looked
    protocol, baud = heard.speaks
    if protocol == heard.protocol:
        what = f"it speaks {_word(protocol)} at {baud} baud, not at the configured rate"
        return wrong(where, what, f'set baud = {baud}, or baud = "auto"')
    what = f"this port speaks {_word(protocol)} (at {baud} baud), not {_word(heard.protocol)}"
    if protocol in neighbours:
        return wrong(
            where, f"{what}: the cables of {heard.name} and {neighbours[protocol]} are swapped", "swap them"
        )
    if protocol == "nmea":
        return wrong(where, what, "that is a GPS receiver: correct `port`")
    if heard.protocol == "nmea":
        return wrong(where, what, "that is a CAN adapter: correct `port`")
    return wrong(where, what, f'set protocol = "{protocol}"')


def _silent(heard: Heard, where: str) -> Finding:
    if heard.url.startswith("gpsd://"):
        what, _, hint = heard.detail.partition(": ")
        usual = "`gpspipe -r` shows what it has", f"gpsd is there, but sends nothing for {heard.seconds:g} s"
        return wrong(where, what or usual[1], hint or usual[0])
    what = f"open, but silent for {heard.seconds:g} s"
    if heard.protocol == "nmea":
        return wrong(
            where,
            what,
            "check the receiver's power and its TX wire; a CAN adapter on the GPS port is silent too",
        )
    never = "" if heard.may_acknowledge or heard.protocol in NO_COMMANDS else f"; {NEVER_ANSWERS}"
    if heard.by_recorder:
        hint = f"switch the ignition on; check the adapter's power and the wires of the bus{never}"
        return wrong(where, what, f"{hint}; {OTHER_RATES}" if heard.protocol == "slcan" else hint)
    if heard.protocol == "slcan":
        tried = f", at {len(heard.tried_bitrates) + 1} bit rates" if heard.tried_bitrates else ""
        hint = "switch the ignition on; check the adapter's power, the wires of the bus, and which device this is"
        return wrong(where, f"{what}{tried}, and the adapter answers nothing", f"{hint}{never}")
    if heard.is_polled:
        return note(where, f"{what}; the doctor asks the engine nothing", ASK)
    return wrong(where, what, f"check power and wiring; switch the ignition on{never}")


def _open(heard: Heard, where: str) -> Finding:
    pieces = "sentences" if heard.protocol == "nmea" else "frames"
    rate = f"{heard.good / heard.seconds:.0f} {pieces}/s" if heard.seconds else f"{heard.good} {pieces}"
    mixture = foreign(_word(heard.protocol), heard.foreign_bytes / max(1, heard.bytes))
    said = (
        heard.detail
        if "are another protocol" in heard.detail
        else "; ".join(filter(None, (heard.detail, mixture)))
    )
    what = ", ".join(word for word in (_word(heard.protocol), said, rate) if word)
    bad = max(0, heard.bad - (not heard.by_recorder))  # the first piece after an opening is torn
    share = bad / max(1, heard.good + bad)
    if share > DAMAGED_SHARE:
        hint = "check plug, ground and shield, and keep the cable away from the alternator and the radio"
        return wrong(where, f"{what}, but {share:.1%} of them damaged", hint)
    if bad:
        return note(where, f"{what}, {bad} damaged")
    return ok(where, f"{what}, none damaged")


def _word(protocol: str) -> str:
    return "NMEA" if protocol == "nmea" else protocol
