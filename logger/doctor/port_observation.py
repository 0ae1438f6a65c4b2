"""What was heard of one port, whoever listened: the doctor itself, or the recorder that has the port open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware_bridge.records import Fix, Notice


@dataclass(frozen=True, slots=True)
class Heard:
    """`state` and `detail` are those of devices/ports.py; `good` and `bad` pieces came in `seconds`.

    `frames` counts by identifier and length, from the first to the last in `frames_s` where that was told. Frames and
    fixes are None where pieces came and nothing tells what is in them. `speaks` is what else was found on the wire:
    (protocol, baud). `bitrate` is at which frames came instead of at the configured one. `group` owns a device
    that refused.
    """

    name: str
    url: str
    protocol: str
    state: str
    detail: str = ""
    seconds: float = 0.0
    good: int = 0
    bad: int = 0
    bytes: int = 0
    foreign_bytes: int = 0
    """Bytes of other protocols between those of this one."""
    by_recorder: bool = False
    is_polled: bool = False
    """Whether the recorder asks the engine on that bus; the doctor never does."""
    group: str = ""
    speaks: tuple[str, int] | None = None
    frames: Mapping[tuple[int, int], int] | None = field(default_factory=Counter)
    frames_s: float = 0.0
    fixes: tuple[Fix, ...] | None = ()
    utc_offset_s: float | None = None
    """The system's clock minus that of GPS."""
    notices: tuple[Notice, ...] = ()
    has_answered: bool = False
    warning: str = ""
    """What is not as the configuration asks although the recorder has the port open."""
    may_acknowledge: bool = False
    """Whether the configuration lets the recorder open an adapter that cannot listen only; the doctor never does."""
    bitrate: int | None = None
    tried_bitrates: tuple[int, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether bytes came and nothing of the port's protocol was among them."""
        return not self.good and bool(self.bad or self.foreign_bytes)

    @property
    def is_mute(self) -> bool:
        """Whether nothing at all came: no piece, no answer to a question, at no bit rate."""
        return not (
            self.good or self.bad or self.foreign_bytes or self.has_answered or self.notices or self.bitrate
        )
