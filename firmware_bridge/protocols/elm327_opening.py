"""Open an ELM327 or STN dongle, to poll or to listen only.

Every command waits for the prompt: a character sent earlier would abort the running command. A clone answers `?` to a
command that it does not have, which has no other effect.

Polling is `listen_only = false`: the dongle is left at its prompt, with no protocol selected yet. Listening needs
`bitrate`, because a dongle can find the rate only by sending requests. Rule 1: a dongle listens only after it has
confirmed that it does not acknowledge (STN: STCMM 0, ELM327 since 1.4b: ATCSM1). Rule 2: a restart resets that
setting; then listening is not resumed, and the whole opening is repeated.
"""

from __future__ import annotations

from collections.abc import Generator

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import ALLOW_NORMAL, OPEN_NORMAL, BusSettings, Opened, Opening, Step
from firmware_bridge.protocols.elm327_lines import RESTARTED, plain

CLOSING = b"ATPC\r"
"""Close the protocol; while the dongle listens, the first character ends that."""
ANSWER_S = 1.0
"""Slow Bluetooth dongles take half a second for a setting."""
RESET_S = 4.0
"""A restart takes one second, up to three on old clones."""
PROMPT = b">"
_BLANK = b" \r\n\t"
_TAIL_BYTES = 64

# Protocol B of an ELM327 (AT PB): 11-bit requests, any length, receives 11- and 29-bit frames, no formatting.
_OPTIONS = 0xE0
_EIGHT_SEVENTHS = 0x10
_TOP_BITRATE = 500_000
_FIXED_PROTOCOLS = {500_000: b"6", 250_000: b"8"}
_ONE_KIND_ONLY = "29-bit identifiers may be missing: this dongle cannot be set to both kinds"


class Attendant:
    """Monitors an open dongle. A call returns b"" for nothing to do, bytes to send now, or None to reopen it.

    `resume` is the command that resumes listening after a full buffer; empty when polling.
    """

    def __init__(self, resume: bytes = b"") -> None:
        self._resume = resume
        self._tail = b""

    def __call__(self, data: bytes) -> bytes | None:
        self._tail = (self._tail + plain(data))[-_TAIL_BYTES:]
        has_restarted = RESTARTED.search(self._tail) is not None
        has_stopped = bool(self._resume) and is_prompted(self._tail)
        if not (has_restarted or has_stopped):
            return b""
        was_full = b"BUFFER FULL" in self._tail and not has_restarted
        self._tail = b""
        return self._resume if was_full else None


def is_prompted(answer: bytes) -> bool:
    """Whether the answer ends with the prompt, so that the dongle accepts the next command."""
    return plain(answer).rstrip(_BLANK).endswith(PROMPT)


def opening(settings: BusSettings) -> Opening:
    """The opening dialogue. Raises NotOpenedError: "normal_only" if the dongle cannot listen only, "unusable" if it
    does not support the bit rate or shows no identifiers."""
    for _ in range(2):  # the first one may only abort a running command
        answer = yield Step(b"ATI\r", ANSWER_S, is_prompted)
    if not is_prompted(answer):
        return Opened(doubt="the dongle gives no prompt: check its power and `baud`")
    yield Step(b"ATZ\r", RESET_S, is_prompted)
    for command in (b"ATE0\r", b"ATL0\r"):
        yield Step(command, ANSWER_S, is_prompted)
    if not _accepted((yield Step(b"ATH1\r", ANSWER_S, is_prompted))):
        what = "this dongle shows no identifiers (ATH1 is refused)"
        raise NotOpenedError("unusable", what, hint="use an ELM327 of version 1.3 or later, or an STN")
    is_stn = b"STN" in plain((yield Step(b"STI\r", ANSWER_S, is_prompted))).upper()
    if settings.listen_only is False:
        if settings.bitrate not in (None, *_FIXED_PROTOCOLS):
            what = f"OBD-II has no bit rate {settings.bitrate}"
            raise NotOpenedError("unusable", what, hint="set bitrate = 500000 or 250000, or leave it out")
        yield Step(b"ATCAF1\r", ANSWER_S, is_prompted)
        return Opened(attend=Attendant())
    return (yield from _listen(settings, is_stn=is_stn))


def _listen(settings: BusSettings, *, is_stn: bool) -> Opening:
    if settings.bitrate is None:
        hint = "set `bitrate`"
        raise NotOpenedError(
            "normal_only", "a dongle needs the bit rate of the bus to listen only", hint=hint
        )
    warnings = []
    for command in (b"ATS0\r", b"ATCAF0\r"):
        yield Step(command, ANSWER_S, is_prompted)
    silence = b"STCMM 0\r" if is_stn else b"ATCSM1\r"
    if not _accepted((yield Step(silence, ANSWER_S, is_prompted))):
        if settings.listen_only is True:
            what = "this dongle does not confirm that it listens only, so it is not opened"
            raise NotOpenedError("normal_only", what, hint=ALLOW_NORMAL)
        warnings.append(OPEN_NORMAL)
    if not (yield from _set_bitrate(settings.bitrate, is_stn=is_stn)):
        warnings.append(_ONE_KIND_ONLY)
    monitor = b"STMA\r" if is_stn else b"ATMA\r"
    yield Step(monitor, 0.0)  # the attendant handles everything from here on
    return Opened(warning="; ".join(warnings), attend=Attendant(monitor))


def _set_bitrate(bitrate: int, *, is_stn: bool) -> Generator[Step, bytes, bool]:
    """Set the bit rate. Returns whether the dongle will report frames with both kinds of identifier."""
    if (code := user_protocol(bitrate)) is not None:
        chosen = yield Step(b"ATPB " + code + b"\r", ANSWER_S, is_prompted)
        if _accepted(chosen) and _accepted((yield Step(b"ATSPB\r", ANSWER_S, is_prompted))):
            return True
    if bitrate in _FIXED_PROTOCOLS:
        fixed = yield Step(b"ATSP" + _FIXED_PROTOCOLS[bitrate] + b"\r", ANSWER_S, is_prompted)
        if _accepted(fixed):
            return False
    if is_stn:
        yield Step(b"STP 31\r", ANSWER_S, is_prompted)
        if _accepted((yield Step(b"STPBR %d\r" % bitrate, ANSWER_S, is_prompted))):
            return False
    hint = "an ELM327 supports 500000 / n, from 8000 to 500000; an STN supports any rate"
    raise NotOpenedError("unusable", f"this dongle has no bit rate {bitrate}", hint=hint)


def user_protocol(bitrate: int) -> bytes | None:
    """Options and divisor of protocol B for a bit rate, within 0.5 %; None if there is no such divisor."""
    for options, top in ((_OPTIONS, _TOP_BITRATE), (_OPTIONS | _EIGHT_SEVENTHS, _TOP_BITRATE * 8 / 7)):
        divisor = round(top / bitrate)
        if 1 <= divisor <= 0x40 and abs(top / divisor - bitrate) <= 0.005 * bitrate:
            return b"%02X %02X" % (options, divisor)
    return None


def _accepted(answer: bytes) -> bool:
    return b"OK" in plain(answer)
