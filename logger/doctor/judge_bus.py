"""Judge a CAN bus by its frames: silent, at a wrong bit rate, or not matching the DBC file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from firmware_bridge.records import EFF_FLAG, ERR_FLAG, EXTENDED_MASK
from logger.doctor.findings import Finding, first_few, note, ok, wrong
from logger.doctor.judge_port import NO_COMMANDS, OTHER_RATES, POLL
from logger.doctor.port_observation import PortObservation

_ID_BITS = EFF_FLAG | EXTENDED_MASK
_ERROR_STATES = ("passive", "off")
_ERROR_FLAGS = ("error_passive", "bus_error", "error_warning")


class Message(NamedTuple):
    """A message of a DBC file; `can_id` includes the EFF flag, `length` is in bytes."""

    can_id: int
    name: str
    length: int


class Wiring(NamedTuple):
    """The configuration of a bus."""

    bitrate: int | None
    listen_only: bool
    preset: str | None


def judge(port: PortObservation, wiring: Wiring) -> Iterator[Finding]:
    """Findings about the bus behind an adapter."""
    where = f"bus {port.name}"
    if lost := sum(notice.detail["frames"] for notice in port.notices if notice.kind == "frames_dropped"):
        hint = (
            "`sudo stagelog install --with socketcan` enlarges its buffer; see the findings on disk and card"
        )
        yield wrong(where, f"the kernel dropped {lost} frames that were not read in time", hint)
    if wiring.listen_only and port.protocol in NO_COMMANDS and port.good:
        what = f"a {port.protocol} device accepts no commands: its firmware decides whether it acknowledges frames"
        yield note(where, what)
    if port.frames is None:
        yield note(where, "frames arrive; their identifiers are not known, because no new row could be read")
        return
    frames = {key: count for key, count in port.frames.items() if not key[0] & ERR_FLAG}
    errors = _errors(port)
    if frames:
        ids = {can_id & _ID_BITS for can_id, _ in frames}
        what = f"{_rate_hz(port, sum(frames.values())):.0f} frames/s of {len(ids)} identifiers"
        if errors:
            hint = "check the two wires, the 120-ohm terminations and the ground"
            yield wrong(where, f"{what}, and bus errors ({first_few(errors)})", hint)
        else:
            yield ok(where, what)
    elif port.state in ("open", "silent") and not (port.is_mute or port.speaks or port.bad):
        yield _silence(port, wiring, where, errors)


def judge_dbc(
    name: str, messages: Sequence[Message], frames: Mapping[tuple[int, int], int], seconds: float
) -> Iterator[Finding]:
    """Findings about a DBC file compared with the frames on the bus; none without frames."""
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
            yield wrong(where, what, "it is for another car or another bus, or the ignition is off")
        return
    missing = [f"{m.name} ({hex_id(m.can_id)})" for m in messages if m.can_id not in lengths]
    for message in seen:
        shortest = min(lengths[message.can_id])
        if shortest < message.length:
            what = f"{message.name} ({hex_id(message.can_id)}) has {shortest} bytes on the bus, {message.length} in it"
            yield wrong(where, what, "the file is for another version of the unit: get the matching file")
    if missing:
        what = f"{len(seen)} of its {len(messages)} messages seen; not within {seconds:g} s: {first_few(missing)}"
        yield note(where, what)
    else:
        yield ok(where, f"all of its {len(messages)} messages are on the bus")


def judge_unknown(
    name: str, frames: Mapping[tuple[int, int], int], known: Collection[int]
) -> Iterator[Finding]:
    """A note on identifiers that no DBC file and no preset decodes; `known` is empty if nothing is to be decoded."""
    unknown = sorted(can_id for can_id in _lengths(frames) if can_id not in known)
    if known and unknown:
        what = f"{len(unknown)} identifiers without a decoder: {first_few([hex_id(i) for i in unknown])}"
        yield note(f"bus {name}", f"{what}; they are recorded all the same")


def hex_id(can_id: int) -> str:
    """An identifier in the usual notation: 3 hex digits, or 8 for an extended one."""
    return f"0x{can_id & EXTENDED_MASK:08X}" if can_id & EFF_FLAG else f"0x{can_id:03X}"


def _silence(port: PortObservation, wiring: Wiring, where: str, errors: list[str]) -> Finding:
    others = f"; {OTHER_RATES}" if port.by_recorder and port.protocol == "slcan" else ""
    set_to = f"{wiring.bitrate} bit/s" if wiring.bitrate else "the adapter's own bit rate"
    if port.bitrate is not None:
        return wrong(
            where,
            f"no frame at {set_to}, but frames at {port.bitrate} bit/s",
            f"set bitrate = {port.bitrate}",
        )
    if errors:
        hint = "correct `bitrate` first; then check the two wires (CAN-H and CAN-L swapped?) and the ground"
        return wrong(where, f"no frame at {set_to}, but bus errors ({first_few(errors)})", f"{hint}{others}")
    tried = (
        f" nor at {first_few([str(rate) for rate in port.tried_bitrates], 8)} bit/s"
        if port.tried_bitrates
        else ""
    )
    adapter = "the adapter answers, but " if port.has_answered else ""
    what = f"{adapter}no frame came in {port.seconds:g} s at {set_to}{tried}"
    if port.is_polled and not port.by_recorder:
        return note(where, f"{what}; the doctor does not poll the engine", POLL)
    if wiring.preset == "obd2" and not port.is_polled:
        hint = (
            "switch the ignition on; many OBD sockets are silent without requests: "
            "set poll = true and listen_only = false"
        )
    else:
        hint = "switch the ignition on; check that both wires of the bus are connected"
    return wrong(where, what, f"{hint}{others}")


def _rate_hz(port: PortObservation, count: int) -> float:
    """Frame rate, from the frames' own times if known: the number written during the observation varies."""
    if count > 1 and port.frames_s > 0:
        return (count - 1) / port.frames_s
    return count / port.seconds if port.seconds else count


def _errors(port: PortObservation) -> list[str]:
    """Signs of frames on the wire that cannot be received, without duplicates."""
    signs = []
    for _, kind, detail in port.notices:
        if kind == "bus_error":
            errors = detail.get("errors") or ["reported by the adapter"]
            signs += [f"{error} error" if error.isalnum() else error for error in errors]
        elif kind == "bus_state" and detail.get("state") in _ERROR_STATES:
            signs.append(f"bus {detail['state']}")
        elif kind == "adapter_status":
            signs += [flag.replace("_", " ") for flag in detail.get("flags", ()) if flag in _ERROR_FLAGS]
    if any(can_id & ERR_FLAG for can_id, _ in port.frames or ()):
        signs.append("error frames")
    return list(dict.fromkeys(signs))


def _lengths(frames: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    """The data lengths of each identifier, without error frames."""
    lengths: dict[int, set[int]] = defaultdict(set)
    for can_id, length in frames:
        if not can_id & ERR_FLAG:
            lengths[can_id & _ID_BITS].add(length)
    return lengths
