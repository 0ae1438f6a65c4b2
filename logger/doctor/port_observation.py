"""Record of what was received on one port, by the doctor itself or by a running recorder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware_bridge.records import Fix, Notice


@dataclass(frozen=True, slots=True)
class PortObservation:
    """What a port sent in `seconds`.

    `state` and `detail` are those of devices/ports.py. `good` and `bad` count frames or sentences. `frames` counts by
    identifier and length; `frames_s` is the time from the first frame to the last, if known. `frames` and `fixes` are
    None if data came but its content is not known. `speaks` is another (protocol, baud) found on the wire. `bitrate` is
    the bit rate at which frames came instead of the configured one. `group` owns a device that denied access.
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
    """Whether the recorder polls the engine on that bus; the doctor never does."""
    group: str = ""
    speaks: tuple[str, int] | None = None
    frames: Mapping[tuple[int, int], int] | None = field(default_factory=Counter)
    frames_s: float = 0.0
    fixes: tuple[Fix, ...] | None = ()
    utc_offset_s: float | None = None
    """System clock minus GPS time."""
    notices: tuple[Notice, ...] = ()
    has_answered: bool = False
    warning: str = ""
    """A setting that differs from the configuration although the recorder has the port open."""
    may_acknowledge: bool = False
    """Whether the configuration allows an adapter without listen-only mode; the doctor never opens one."""
    bitrate: int | None = None
    tried_bitrates: tuple[int, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether bytes came, but none of the port's protocol."""
        return not self.good and bool(self.bad or self.foreign_bytes)

    @property
    def is_mute(self) -> bool:
        """Whether nothing came: no data and no answer, at any bit rate."""
        return not (
            self.good or self.bad or self.foreign_bytes or self.has_answered or self.notices or self.bitrate
        )
