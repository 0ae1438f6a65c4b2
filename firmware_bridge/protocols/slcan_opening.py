"""Open an SLCAN adapter of unknown firmware, listen-only if configured.

The dialogue: close, query the version, set the rates, request stamps, open. The version comes before all important
commands for two reasons: its answer is a fence (all answers to earlier commands have arrived, so the next CR answers
the next command), and it identifies the firmware (table in slcan_firmware). If a firmware with a version does not
answer another command at once, its version is queried again: an adapter behind Wi-Fi answers late, and a late answer
must not be taken for the answer to the next command. If only a second query is answered, this wait is longer.

Rule 1: `L` first. CR confirms it; so do frames, if the adapter answers no command at all.
Rule 2: with `listen_only = true` no other opening command is sent, except to a firmware that is known to listen then,
and it must confirm that. Rule 3: Y and custom bit rates are sent only to firmwares that have them; a WiCAN takes Y as
"open". A bare CR is never sent: stock CANables would repeat their last frame.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import ALLOW_NORMAL, OPEN_NORMAL, BusSettings, Opened, Opening, Step, sequence
from firmware_bridge.protocols.slcan_firmware import UNKNOWN, VERSION_S, Firmware, identify
from firmware_bridge.protocols.slcan_timing import solve

# USB adapters accept any rate; ESP32RET's UART runs at 1 Mbaud, FTDI converters at up to 2 or 3.
BAUDS = (115_200, 1_000_000, 2_000_000, 921_600, 500_000, 460_800, 230_400, 57_600, 3_000_000)
CLOSING = b"C\r"
SHORT_S = 0.05
"""Wait for most answers, which take a USB frame or two."""
LATE_VERSION_S = 1.5
"""Wait for the version if the first query was not answered in time: a radio link of up to a second each way."""
OPEN_S = 0.3
"""Wait for an opening: allows for the start of the CAN controller, and for Wi-Fi."""

_LINE = re.compile(rb"(\a)|([^\a\r\n]*)(?:\r\n|\r|\n)")
_TEXT = re.compile(rb"[\t -~\a\r\n]*")
_FRAME = re.compile(rb"[tTrRdDbB][0-9A-Fa-f]{4,}S?")


def opening(settings: BusSettings) -> Opening:
    """The opening dialogue. Raises NotOpenedError: state "normal_only" if the adapter cannot listen only, "unusable"
    if it does not have the bit rate."""
    yield Step(b"C\r", SHORT_S)
    yield Step(b"C\r", SHORT_S)  # the first one may only end an unfinished line
    firmware = yield from _identify()
    known = firmware or UNKNOWN
    for command in known.answering:
        yield from _ask(known, command, SHORT_S)
    if settings.bitrate is not None:
        yield from _set_bitrate(known, settings.bitrate)
    if settings.data_bitrate is not None:
        yield from _set_data_bitrate(known, settings.data_bitrate)
    stamps = yield from _ask(known, b"Z1\r", SHORT_S)
    if not settings.listen_only:
        return (yield from _open_normal(known))
    heard = yield from _ask(known, b"L\r", OPEN_S)
    if _accepted(heard) and b"#" not in heard:
        return Opened()
    is_mute = firmware is None and _accepted(stamps) is None and _accepted(heard) is None
    if is_mute and _has_frame(heard) and not _has_frame(stamps):
        return Opened()
    if known.listening and (yield from _is_confirmed(known)):
        return Opened()
    if settings.listen_only == "try":
        yield from _open_normal(known)
        return Opened(warning=OPEN_NORMAL)
    if is_mute:
        what = "the adapter answers nothing, so it is not opened: check its power and `baud`"
        return Opened(doubt=f"{what}, or {ALLOW_NORMAL}")
    what = "cannot listen only" if firmware else "does not confirm that it listens only"
    hint = ALLOW_NORMAL if settings.bitrate else f"set `bitrate`; or {ALLOW_NORMAL}"
    raise NotOpenedError("normal_only", f"{known.name} {what}, so it is not opened", hint=hint)


def _identify() -> Generator[Step, bytes, Firmware | None]:
    """Query the version. Returns None for an adapter that does not answer, or not with a version."""
    answer = yield _VERSION
    firmware = identify(_lines(answer), answer)
    if firmware is not None or not _TEXT.fullmatch(answer):
        return firmware
    answer = yield _VERSION
    firmware = identify(_lines(answer), answer)
    if firmware is None:
        return None
    yield Step(b"", LATE_VERSION_S, _has_version)  # the answer to the second query
    return replace(firmware, version_s=LATE_VERSION_S)


def _open_normal(firmware: Firmware) -> Opening:
    """Open in normal mode. Answers are ignored: a command that a firmware does not have changes nothing."""
    return sequence(*(Step(command, OPEN_S, _is_answer) for command in firmware.normal))


def _is_confirmed(firmware: Firmware) -> Generator[Step, bytes, bool]:
    """Send the listening commands, each only after the one before was accepted. Returns whether all were."""
    for command in firmware.listening:
        if not _accepted((yield from _ask(firmware, command, OPEN_S))):
            return False
    return True


def _ask(firmware: Firmware, command: bytes, wait_s: float) -> Generator[Step, bytes, bytes]:
    """Send a command and return its answer; a late one arrives before the answer to the next version query."""
    answer = yield Step(command, wait_s, _is_answer)
    if firmware is not UNKNOWN and not _is_answer(answer):
        answer += yield replace(_VERSION, wait_s=firmware.version_s)
    return answer


def _set_bitrate(firmware: Firmware, bitrate: int) -> Generator[Step, bytes, None]:
    code = firmware.code(bitrate)
    if code is not None:
        if _accepted((yield from _ask(firmware, b"S" + code + b"\r", SHORT_S))) is not False:
            return
    else:
        for controller, command in firmware.timing_commands:
            timing = solve(controller, bitrate)
            if timing is not None and _accepted((yield from _ask(firmware, command(timing), SHORT_S))):
                return
    rates = ", ".join(str(rate) for rate in sorted(firmware.codes) if firmware.codes[rate] != code)
    what = f"{firmware.name} has no bit rate {bitrate}"
    if code is not None:
        raise NotOpenedError("unusable", what, hint=f"it refuses S{code.decode()}; try one of {rates}")
    raise NotOpenedError("unusable", what, hint=f"it has {rates}")


def _set_data_bitrate(firmware: Firmware, bitrate: int) -> Generator[Step, bytes, None]:
    code = firmware.data_codes.get(bitrate)
    if code is not None and _accepted((yield from _ask(firmware, b"Y" + code + b"\r", SHORT_S))) is not False:
        return
    if firmware.data_codes:
        hint = f"it has {', '.join(map(str, sorted(firmware.data_codes)))}"
    else:
        hint = "it does not know CAN FD: leave data_bitrate out"
    raise NotOpenedError("unusable", f"{firmware.name} has no data bit rate {bitrate}", hint=hint)


def _lines(answer: bytes) -> list[bytes]:
    """Complete lines without line ends, BEL as a line of its own; without frames and their acknowledgements."""
    lines = [match[1] or match[2] for match in _LINE.finditer(answer)]
    return [line for line in lines if not _FRAME.fullmatch(line) and line not in (b"z", b"Z")]


def _accepted(answer: bytes) -> bool | None:
    """Whether a command was accepted: True for CR or # alone, False for BEL or # with a number.

    None without an answer. Bytes that are not text come from another protocol or baud rate and are not an answer.
    """
    if not _TEXT.fullmatch(answer):
        return None
    for line in _lines(answer):
        if line in (b"", b"#"):
            return True
        if line == b"\a" or (line[:1] == b"#" and len(line) == 2):
            return False
    return None


def _is_answer(answer: bytes) -> bool:
    return _accepted(answer) is not None


def _has_version(answer: bytes) -> bool:
    return identify(_lines(answer), answer) is not None


def _has_frame(answer: bytes) -> bool:
    return any(_FRAME.fullmatch(match[2] or b"") for match in _LINE.finditer(answer))


_VERSION = Step(b"V\r", VERSION_S, _has_version)
