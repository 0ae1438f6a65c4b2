"""Judging a CAN bus by its frames: asleep, set to a wrong bit rate, or another car's than the DBC file's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from firmware_bridge.records import EFF_FLAG, ERR_FLAG, EXTENDED_MASK
from logger.doctor.findings import Finding, note, ok, some, wrong
from logger.doctor.judge_port import ASK, NO_COMMANDS, OTHER_RATES
from logger.doctor.port_observation import Heard

_ID_BITS = EFF_FLAG | EXTENDED_MASK
_TROUBLED_STATES = ("passive", "off")
_TROUBLED_FLAGS = ("error_passive", "bus_error", "error_warning")


class Message(NamedTuple):
    """One message of a DBC file; `can_id` carries the EFF flag. `is_fd` ones come in any length."""

    can_id: int
    name: str
    length: int


class Wiring(NamedTuple):
    """What the configuration says of a bus."""

    bitrate: int | None
    listen_only: bool
    preset: str | None


def judge(heard: Heard, wiring: Wiring) -> Iterator[Finding]:
    """What is to be said of the bus behind an adapter."""
    where = f"bus {heard.name}"
    if lost := sum(notice.detail["frames"] for notice in heard.notices if notice.kind == "frames_dropped"):
        hint = (
            "`sudo stagelog install --with socketcan` gives it more room; see the findings on disk and card"
        )
        yield wrong(where, f"the kernel dropped {lost} frames that were not read in time", hint)
    if wiring.listen_only and heard.protocol in NO_COMMANDS and heard.good:
        what = f"a {heard.protocol} device takes no command: its own firmware decides whether it acknowledges frames"
        yield note(where, what)
    if heard.frames is None:
        yield note(where, "frames come; which ones is not known, for no new row was read")
        return
    frames = {key: count for key, count in heard.frames.items() if not key[0] & ERR_FLAG}
    troubles = _troubles(heard)
    if frames:
        ids = {can_id & _ID_BITS for can_id, _ in frames}
        what = f"{_rate_hz(heard, sum(frames.values())):.0f} frames/s of {len(ids)} identifiers"
        if troubles:
            hint = "check the two wires, the ends' 120 ohms and the ground"
            yield wrong(where, f"{what}, and bus errors ({some(troubles)})", hint)
        else:
            yield ok(where, what)
    elif heard.state in ("open", "silent") and not (heard.is_mute or heard.speaks or heard.bad):
        yield _silence(heard, wiring, where, troubles)


def judge_dbc(
    name: str, messages: Sequence[Message], frames: Mapping[tuple[int, int], int], seconds: float
) -> Iterator[Finding]:
    """What a DBC file says against what is on the bus; nothing where nothing is."""
    where = f"dbc {name}"
    lengths = _lengths(frames)
    if not lengths:
        return
    seen = [message for message in messages if message.can_id in lengths]
    if not seen:
        twins = [m for m in messages if m.can_id ^ EFF_FLAG in lengths]
        if twins:
            what = f"{len(twins)} of its identifiers are on the bus in the other format (standard, extended)"
            yield wrong(where, what, "export the file again with the right identifier format")
        else:
            what = f"none of its {len(messages)} messages is on the bus"
            yield wrong(where, what, "it is of another car or another bus, or the ignition is off")
        return
    missing = [f"{m.name} ({hex_id(m.can_id)})" for m in messages if m.can_id not in lengths]
    for message in seen:
        shortest = min(lengths[message.can_id])
        if shortest < message.length:
            what = f"{message.name} ({hex_id(message.can_id)}) has {shortest} bytes on the bus, {message.length} in it"
            yield wrong(where, what, "the file is of another version of the unit: get the one that fits")
    if missing:
        what = f"{len(seen)} of its {len(messages)} messages seen; not within {seconds:g} s: {some(missing)}"
        yield note(where, what)
    else:
        yield ok(where, f"all of its {len(messages)} messages are on the bus")


def judge_unknown(
    name: str, frames: Mapping[tuple[int, int], int], known: Collection[int]
) -> Iterator[Finding]:
    """Identifiers on a bus that no DBC file and no preset knows; `known` is empty where nothing is to be read."""
    strangers = sorted(can_id for can_id in _lengths(frames) if can_id not in known)
    if known and strangers:
        what = (
            f"{len(strangers)} identifiers that nothing here can read: {some([hex_id(i) for i in strangers])}"
        )
        yield note(f"bus {name}", f"{what}; they are recorded all the same")


def hex_id(can_id: int) -> str:
    """An identifier as people write it: 3 digits, or 8 for an extended one."""
    return f"0x{can_id & EXTENDED_MASK:08X}" if can_id & EFF_FLAG else f"0x{can_id:03X}"


def _silence(heard: Heard, wiring: Wiring, where: str, troubles: list[str]) -> Finding:
    others = f"; {OTHER_RATES}" if heard.by_recorder and heard.protocol == "slcan" else ""
    set_to = f"{wiring.bitrate} bit/s" if wiring.bitrate else "the adapter's own bit rate"
    if heard.bitrate is not None:
        return wrong(
            where,
            f"no frame at {set_to}, but there are at {heard.bitrate} bit/s",
            f"set bitrate = {heard.bitrate}",
        )
    if troubles:
        hint = "correct `bitrate` first; then look at the two wires (CAN-H and CAN-L swapped?) and the ground"
        return wrong(where, f"no frame at {set_to}, but bus errors ({some(troubles)})", f"{hint}{others}")
    tried = (
        f" nor at {some([str(rate) for rate in heard.tried_bitrates], 8)} bit/s"
        if heard.tried_bitrates
        else ""
    )
    adapter = "the adapter answers, but " if heard.has_answered else ""
    what = f"{adapter}no frame came in {heard.seconds:g} s at {set_to}{tried}"
    if heard.is_polled and not heard.by_recorder:
        return note(where, f"{what}; the doctor asks the engine nothing", ASK)
    if wiring.preset == "obd2" and not heard.is_polled:
        hint = "switch the ignition on; many OBD sockets say nothing unasked: set poll = true and listen_only = false"
    else:
        hint = "switch the ignition on; check that both wires of the bus are connected"
    return wrong(where, what, f"{hint}{others}")


def _rate_hz(heard: Heard, count: int) -> float:
    """By the frames' own times where they were told: how many were written while one listened is chance."""
    if count > 1 and heard.frames_s > 0:
        return (count - 1) / heard.frames_s
    return count / heard.seconds if heard.seconds else count


def _troubles(heard: Heard) -> list[str]:
    """Signs that frames are on the wire but cannot be read, each once."""
    found = []
    for _, kind, detail in heard.notices:
        if kind == "bus_error":
            errors = detail.get("errors") or ["reported by the adapter"]
            found += [f"{error} error" if error.isalnum() else error for error in errors]
        elif kind == "bus_state" and detail.get("state") in _TROUBLED_STATES:
            found.append(f"bus {detail['state']}")
        elif kind == "adapter_status":
            found += [flag.replace("_", " ") for flag in detail.get("flags", ()) if flag in _TROUBLED_FLAGS]
    if any(can_id & ERR_FLAG for can_id, _ in heard.frames or ()):
        found.append("error frames")
    return list(dict.fromkeys(found))


def _lengths(frames: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    """Lengths seen of each identifier, error frames aside."""
    lengths: dict[int, set[int]] = defaultdict(set)
    for can_id, length in frames:
        if not can_id & ERR_FLAG:
            lengths[can_id & _ID_BITS].add(length)
    return lengths
