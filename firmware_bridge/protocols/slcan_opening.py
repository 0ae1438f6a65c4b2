"""How to open an SLCAN adapter whose firmware is not known, so that it listens only if it is to.

The dialogue: close, ask for the version, set the rates, ask for stamps, open. The version comes before everything
that matters for two reasons: its answer is a fence (all answers to earlier commands are in, so that the next CR is
the answer to the next command), and it names the firmware (slcan_firmware has the table). A firmware with a version
that does not answer another command at once is asked for it again: an adapter behind Wi-Fi answers late, and a late
answer must not pass for that to the next command.

Rule 1: `L` first. It is confirmed by CR, or by frames where an adapter answers nothing to anything.
Rule 2: with `listen_only = true` nothing else that opens is sent, but to a firmware that is known to listen then, and
it must confirm that. Rule 3: Y and custom bit rates go only to firmwares that have them; to a WiCAN Y means "open".
Never a bare CR: stock CANables send their last frame again.
"""

from __future__ import annotations

import re
from collections.abc import Generator

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import ALLOW_NORMAL, OPEN_NORMAL, BusSettings, Opened, Opening, Step, sequence
from firmware_bridge.protocols.slcan_firmware import UNKNOWN, Firmware, identify
from firmware_bridge.protocols.slcan_timing import solve

# USB adapters take any rate; ESP32RET's UART runs at 1 Mbaud, converters with an FTDI at up to 2 or 3.
BAUDS = (115_200, 1_000_000, 2_000_000, 921_600, 500_000, 460_800, 230_400, 57_600, 3_000_000)
CLOSING = b"C\r"
SHORT_S = 0.05
"""An answer takes a USB frame or two."""
VERSION_S = 0.45
"""A slow UART, an adapter that is just closing its bus, and one that is reached by Wi-Fi."""
OPEN_S = 0.3
"""A CAN controller that starts, and an adapter reached by Wi-Fi."""

_LINE = re.compile(rb"(\a)|([^\a\r\n]*)(?:\r\n|\r|\n)")
_TEXT = re.compile(rb"[\t -~\a\r\n]*")
_FRAME = re.compile(rb"[tTrRdDbB][0-9A-Fa-f]{4,}S?")


def opening(settings: BusSettings) -> Opening:
    """The dialogue for an adapter. Raises NotOpenedError: state "normal_only" where it cannot listen only, "unusable"
    where it has no such bit rate."""
    yield Step(b"C\r", SHORT_S)
    yield Step(b"C\r", SHORT_S)  # the first may only end a line left unfinished
    answer = yield _VERSION
    firmware = identify(_lines(answer), answer)
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


def _open_normal(firmware: Firmware) -> Opening:
    """What is answered does not matter: a command that a firmware does not have changes nothing."""
    return sequence(*(Step(command, OPEN_S, _is_answer) for command in firmware.normal))


def _is_confirmed(firmware: Firmware) -> Generator[Step, bytes, bool]:
    """Send what makes it listen, each command only if the one before it was accepted; whether all were."""
    for command in firmware.listening:
        if not _accepted((yield from _ask(firmware, command, OPEN_S))):
            return False
    return True


def _ask(firmware: Firmware, command: bytes, wait_s: float) -> Generator[Step, bytes, bytes]:
    """Send a command; its answer, also a late one, which comes before that to the next question for the version."""
    answer = yield Step(command, wait_s, _is_answer)
    if firmware is not UNKNOWN and not _is_answer(answer):
        answer += yield _VERSION
    return answer


def _set_bitrate(firmware: Firmware, bitrate: int) -> Generator[Step, bytes, None]:
    code = firmware.code(bitrate)
    if code is not None:
        if _accepted((yield from _ask(firmware, b"S" + code + b"\r", SHORT_S))) is not False:
            return
    else:
        for controller, spelt in firmware.spellings:
            timing = solve(controller, bitrate)
            if timing is not None and _accepted((yield from _ask(firmware, spelt(timing), SHORT_S))):
                return
    hint = f"it has {', '.join(map(str, sorted(firmware.codes)))}"
    raise NotOpenedError("unusable", f"{firmware.name} has no bit rate {bitrate}", hint=hint)


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
    """Whole lines without their ends, BEL as one of its own; frames and acknowledgements of frames left out."""
    lines = [match[1] or match[2] for match in _LINE.finditer(answer)]
    return [line for line in lines if not _FRAME.fullmatch(line) and line not in (b"z", b"Z")]


def _accepted(answer: bytes) -> bool | None:
    """Whether a command was accepted: CR or # alone, not BEL or # with a number.

    None: it was not answered. Bytes that are no text are another protocol or another baud rate, and no answer.
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
