"""Simulated ELM327 or STN dongle on the virtual car's engine bus, including the behaviour of clones.

Sans-I/O like the other adapters: `feed` takes the host's bytes with their time, `bytes_between` returns the dongle's
output of an interval. For tests it records whether it has ever acknowledged or transmitted, which no host can query.
Any character that arrives while it works stops it; a full buffer ends listening.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.protocols.elm327_lines import line_of
from firmware_bridge.records import EFF_FLAG, CanFrame
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.obd import EngineComputer
from firmware_bridge.virtual.traffic import Traffic

LONGEST_LINE = 64
_CLEAR_TO_SEND = bytes.fromhex("3000000000000000")
_BITRATES = {"6": 500_000, "7": 500_000, "8": 250_000, "9": 250_000}


@dataclass(frozen=True, slots=True)
class Model:
    """Properties of one kind of dongle. Times in seconds; `lines_per_s`: capacity of its serial line."""

    version: str
    lacks: tuple[str, ...] = ()
    stn: str = ""
    answer_s: float = 0.01
    reset_s: float = 0.5
    timeout_s: float = 0.06
    lines_per_s: int = 400
    has_nuls: bool = False


MODELS = {
    "elm327": Model("ELM327 v1.4b"),
    "elm327-1.3": Model("ELM327 v1.3a", lacks=("ATCSM", "ATPB")),
    "stn": Model("ELM327 v1.4b", stn="STN2120 v5.6.19", answer_s=0.002, timeout_s=0.03, lines_per_s=4_000),
    "clone": Model(
        "ELM327 v1.5",
        lacks=("ATS0", "ATS1", "ATCSM", "ATPB", "ATPC"),
        answer_s=0.05,
        reset_s=1.0,
        timeout_s=0.2,
        has_nuls=True,
    ),
}


@dataclass
class _Settings:
    """Settings, with their power-up values."""

    echo: bool = True
    linefeed: bool = False
    spaces: bool = True
    headers: bool = False
    formatting: bool = True
    silent: bool = True
    protocol: str = "0"
    bitrate: int = 0
    both_kinds: bool = False
    line: bytearray = field(default_factory=bytearray)
    out: list[tuple[float, bytes]] = field(default_factory=list)
    is_monitoring: bool = False


class Dongle:
    """One of MODELS. The bus runs at `bitrate`; the engine answers requests with `extended` or standard identifiers."""

    protocol = "elm327"

    def __init__(
        self,
        engine: Engine,
        traffic: Traffic,
        model: str = "elm327",
        *,
        bitrate: int = 500_000,
        extended: bool = False,
        max_pids: int = 6,
    ) -> None:
        if model not in MODELS:
            raise ConfigurationError(f'no virtual dongle "{model}"', hint=f"one of {', '.join(MODELS)}")
        self.model = MODELS[model]
        self.been_normal = False
        self.is_engine_on = True
        self.requests: list[tuple[float, bytes]] = []
        """Every OBD-II request transmitted, with its time."""
        self.stopped = 0
        """How often the host sent without waiting for the prompt."""
        self._traffic, self._computer = traffic, EngineComputer(engine, max_pids)
        self._bitrate, self._extended = bitrate, extended
        self._set = _Settings()
        self._deaf_until_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether frames are being reported."""
        return self._set.is_monitoring

    def restart(self) -> None:
        """Power-up: reset all settings and state."""
        self._set = _Settings()

    def brown_out(self, t_s: float) -> None:
        """Simulate a supply dip while the engine is cranked: the dongle restarts and reports it."""
        self.restart()
        self._deaf_until_s = t_s + self.model.reset_s
        self._say(self._deaf_until_s, f"\r\rLV RESET\r\r{self.model.version}\r\r>")

    def feed(self, data: bytes, t_s: float) -> bytes:
        """Take the host's bytes at `t_s`; return the echo."""
        echo = b""
        if t_s < self._deaf_until_s:
            return echo
        for octet in data:
            if self._set.is_monitoring or self._set.out:
                self._stop(t_s)
                continue
            if octet == 0x0D:
                line = self._set.line.decode("latin-1").replace(" ", "").upper()
                echo += self._echoed(bytes(self._set.line) + b"\r")
                self._set.line.clear()
                self._command(line, t_s)
            elif len(self._set.line) < LONGEST_LINE and octet:
                self._set.line.append(octet)
        return echo

    def bytes_between(self, t0_s: float, t1_s: float) -> bytes:
        """Return its output of t0_s <= t < t1_s."""
        due_output = b"".join(text for due_s, text in self._set.out if due_s < t1_s)
        self._set.out = [(due_s, text) for due_s, text in self._set.out if due_s >= t1_s]
        if self._set.is_monitoring and not self._set.out:
            due_output += self._monitored(t0_s, t1_s)
        return (
            b"\x00".join((due_output[:1], due_output[1:]))
            if self.model.has_nuls and due_output
            else due_output
        )

    def _stop(self, t_s: float) -> None:
        if self._set.is_monitoring or len(self._set.out) > 0:
            self.stopped += not self._set.is_monitoring
            self._set.is_monitoring = False
            self._set.out.clear()
            self._say(t_s, "STOPPED\r\r>")

    def _echoed(self, line: bytes) -> bytes:
        return line if self._set.echo else b""

    def _say(self, due_s: float, text: str) -> None:
        text = text.replace("\r", "\r\n") if self._set.linefeed else text
        self._set.out.append((due_s, text.encode()))

    def _command(self, line: str, t_s: float) -> None:
        due_s = t_s + self.model.answer_s
        if line.startswith(("AT", "ST")):
            if line in _SPEAK:
                _SPEAK[line](self, due_s)
            else:
                self._tell(due_s, self._configure(line))
        elif line and all(letter in "0123456789ABCDEF" for letter in line):
            self._request(line, t_s)
        else:
            self._say(due_s, "?\r\r>")

    def _configure(self, line: str) -> str:
        """Return the answer to a setting."""
        if line.startswith(self.model.lacks) or (line.startswith("ST") and not self.model.stn):
            return "?"
        name, value = line[:-1], line[-1:]
        flags = {"ATE": "echo", "ATL": "linefeed", "ATS": "spaces", "ATH": "headers", "ATCAF": "formatting"}
        if name in flags and value in "01":
            setattr(self._set, flags[name], value == "1")
        elif name == "ATCSM" and value in "01":
            self._set.silent = value == "1"
        elif name == "STCMM" and value in "012":
            self._set.silent = value != "1"
        elif line == "ATSPB" and self._set.protocol == "B?":
            self._set.protocol = "B"
        elif name == "ATSP" and value in _BITRATES:
            self._set.protocol, self._set.bitrate, self._set.both_kinds = value, _BITRATES[value], False
        elif line.startswith("ATPB") and len(line) == 8:
            top = 500_000 * (8 / 7 if int(line[4:6], 16) & 0x10 else 1)
            self._set.protocol, self._set.bitrate = "B?", round(top / int(line[6:], 16))
            self._set.both_kinds = bool(int(line[4:6], 16) & 0x20)
        elif line == "STP31":
            self._set.protocol, self._set.bitrate, self._set.both_kinds = "31", 500_000, False
        elif line.startswith("STPBR") and line[5:].isdigit() and self._set.protocol == "31":
            self._set.bitrate = int(line[5:])
        elif line not in ("ATPC", "ATAT1", "ATD"):
            return "?"
        return "OK"

    def _tell(self, due_s: float, text: str) -> None:
        self._say(due_s, f"{text}\r\r>")

    def _reset(self, due_s: float) -> None:
        self._set = _Settings()
        self._say(due_s + self.model.reset_s, f"\r\r{self.model.version}\r\r>")

    def _monitor(self, due_s: float, *, stn: bool) -> None:
        if stn and not self.model.stn:
            self._say(due_s, "?\r\r>")
            return
        self._set.out.clear()
        self._set.is_monitoring = True
        if not self._set.silent or "ATCSM" in self.model.lacks:
            self.been_normal = True  # an old one may be silent, too, but cannot confirm it

    def _monitored(self, t0_s: float, t1_s: float) -> bytes:
        if self._set.bitrate != self._bitrate:
            return b""
        frames = [
            frame
            for frame in self._traffic.between(t0_s, t1_s).records()
            if self._set.both_kinds or bool(frame.can_id & EFF_FLAG) == (self._set.protocol in "79")
        ]
        room = max(1, round(self.model.lines_per_s * (t1_s - t0_s)))
        lines = b"".join(self._line(frame) for frame in frames[:room])
        if len(frames) > room:
            self._set.is_monitoring = False
            lines += b"BUFFER FULL\r\r>"
        return lines

    def _line(self, frame: CanFrame) -> bytes:
        line = line_of(frame.can_id, frame.data, spaces=self._set.spaces)
        if not self._set.headers:
            line = frame.data.hex(" " if self._set.spaces else "").upper().encode()
        is_odd = self._set.formatting and frame.data[:1] > b"\x3f"
        end = b" \r" if self._set.spaces else b"\r"
        return line + (b" <DATA ERROR\r" if is_odd else end) + (b"\n" if self._set.linefeed else b"")

    def _request(self, line: str, t_s: float) -> None:
        settings, end_s = self._set, t_s + self.model.timeout_s
        if settings.protocol not in _BITRATES or len(line) % 2 or len(line) > 14:
            self._say(end_s, "?\r\r>")
            return
        self.been_normal = True
        payload = bytes.fromhex(line)
        self.requests.append((t_s, payload))
        if settings.bitrate != self._bitrate:
            self._say(end_s, "CAN ERROR\r\r>")
            return
        is_extended = settings.protocol in "79"
        frames: list[CanFrame] = []
        if self.is_engine_on and is_extended == self._extended:
            everyone, engine = (
                (0x18DB33F1 | EFF_FLAG, 0x18DA10F1 | EFF_FLAG) if is_extended else (0x7DF, 0x7E0)
            )
            question = CanFrame(0, 0, everyone, (bytes((len(payload),)) + payload).ljust(8, b"\x00"))
            frames = self._computer.answer(question, t_s)
            if frames and frames[0].data[0] >> 4 == 1:
                at_s = frames[0].t_us / 1e6
                frames += self._computer.answer(CanFrame(0, 0, engine, _CLEAR_TO_SEND), at_s)
        for frame in frames:
            settings.out.append((frame.t_us / 1e6, self._line(frame)))
        self._say(max([end_s, *(frame.t_us / 1e6 for frame in frames)]), "\r>" if frames else "NO DATA\r\r>")


_SPEAK: dict[str, Callable[[Dongle, float], None]] = {
    "ATI": lambda dongle, due_s: dongle._tell(due_s, dongle.model.version),
    "STI": lambda dongle, due_s: dongle._tell(due_s, dongle.model.stn or "?"),
    "ATRV": lambda dongle, due_s: dongle._tell(due_s, "13.8V"),
    "ATDPN": lambda dongle, due_s: dongle._tell(due_s, dongle._set.protocol),
    "ATZ": Dongle._reset,
    "ATMA": lambda dongle, due_s: dongle._monitor(due_s, stn=False),
    "STMA": lambda dongle, due_s: dongle._monitor(due_s, stn=True),
}
"""Commands with an answer other than OK."""
