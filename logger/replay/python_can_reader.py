"""Reader process for CAN logs that python-can reads (BLF, MF4 ...): `python -m` this module FILE.

These files are compressed, and their readers trust the lengths in them: a megabyte may unpack to gigabytes, or send
its reader into a loop. The kernel limits the memory, processor time and file size of this process, whatever the
format.

Frames go to standard output, then an END with the reason why there are no more, empty at the end of a complete file:

    [stamp_us:8] [can_id:4] [bus:2] [length:1] [data:length]        little endian; length END: [data] is text
"""

from __future__ import annotations

import gzip
import os
import resource
import signal
import struct
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, Final, NoReturn

from firmware_bridge.records import can_id_of

HEAD: Final = struct.Struct("<qIHB")
END: Final = 255
BLF: Final = b"LOGG"
GZIP: Final = b"\x1f\x8b"
"""The first bytes of a file."""
MAX_DATA_BYTES: Final = 64
"""The data bytes of a CAN FD frame."""
MEMORY_MB: Final = 200
"""Memory for reading, in addition to python-can itself: BLF takes 1 MB, MF4 some 100."""
MIN_CPU_S, CPU_S_PER_MB = 5.0, 10.0
"""A megabyte holds some 100,000 frames; a Pi reads 40,000 per second."""
MIN_FRAMES, FRAMES_PER_BYTE = 20_000, 1
"""Maximum frames of a file: a compressed frame takes two bytes at least, as its stamp differs from the previous one."""
_GRACE_S: Final = 2
"""Time to report the reason; then the kernel kills a reader that hangs in foreign code."""
_SPARE_FILE_BYTES: Final = 1 << 26
"""Bytes that asammdf may write besides a copy of an unfinished file."""


def main(path: Path) -> None:
    """Read a file to its end, or to where it cannot be read."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # keeps what a library prints out of the frames
        threading.Thread(target=_end_with_parent, daemon=True).start()
        why = _copy_frames(path, out)
        out.write(HEAD.pack(0, 0, 0, END) + why.encode(errors="replace"))


def _end_with_parent() -> None:
    """Exit when the parent does: its end of standard input then closes."""
    os.read(0, 1)
    os._exit(1)


def _copy_frames(path: Path, out: BinaryIO) -> str:
    """Write the frames of a file; returns the reason why there are no more, or ""."""
    import can  # noqa: F401, PLC0415 - imported before the limits apply

    size = path.stat().st_size
    _limit(size)
    buses: dict[object, int] = {}
    try:
        with _opened(path) as messages:
            for count, message in enumerate(messages):
                if count == MIN_FRAMES + FRAMES_PER_BYTE * size:
                    return "it unpacks to more frames than a file of its size can hold"
                out.write(_record(message, buses.setdefault(message.channel, len(buses))))
    except TimeoutError as error:
        return str(error)
    except MemoryError:
        return f"reading it takes over {MEMORY_MB} MB of memory"
    except Exception as error:  # noqa: BLE001 - a damaged file may raise anything in its readers
        return str(error) or type(error).__name__
    return ""


def _opened(path: Path) -> Any:
    """python-can's reader of a BLF or MF4, by its first bytes and not by its name; also of a gzipped one."""
    import can  # noqa: PLC0415 - as above

    with path.open("rb") as file:
        is_gzip = file.read(len(GZIP)) == GZIP
    with gzip.open(path) if is_gzip else path.open("rb") as file:
        is_blf = file.read(len(BLF)) == BLF
    reader: Any = can.BLFReader if is_blf else can.MF4Reader
    return reader(gzip.open(path) if is_gzip else str(path))


def _limit(size: int) -> None:
    """Limit this process from here on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used.ru_utime + used.ru_stime + processor_s(size))
    files = size + _SPARE_FILE_BYTES
    data = _data_bytes() + (MEMORY_MB << 20)
    signal.signal(signal.SIGXCPU, partial(_stop, processor_s(size)))
    for limit, soft, hard in (
        (resource.RLIMIT_CPU, cpu_s, cpu_s + _GRACE_S),
        (resource.RLIMIT_FSIZE, files, files),
        (resource.RLIMIT_DATA, data, data),
    ):
        with suppress(ValueError, OSError):  # where the parent's limits are lower
            resource.setrlimit(limit, (soft, hard))


def processor_s(size: int) -> float:
    """Processor time that reading a file of `size` bytes may take."""
    return MIN_CPU_S + CPU_S_PER_MB * size / 1e6


def _stop(max_s: float, _number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"reading it takes more than {max_s:.0f} s of processor time")


def _data_bytes() -> int:
    """The memory allocated by this process, as RLIMIT_DATA counts it; 512 MB if the kernel does not report it."""
    with suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData:"))
    return 1 << 29


def _record(message: Any, bus: int) -> bytes:
    """Encode a python-can message. Raises ValueError, struct.error for one that is not a frame."""
    can_id = can_id_of(
        message.arbitration_id,
        is_extended=message.is_extended_id,
        is_remote=message.is_remote_frame,
        is_error=message.is_error_frame,
        is_fd=message.is_fd,
        is_switched=message.bitrate_switch,
        is_passive=message.error_state_indicator,
    )
    data = bytes(min(message.dlc, MAX_DATA_BYTES)) if message.is_remote_frame else bytes(message.data)
    if len(data) > MAX_DATA_BYTES:
        raise ValueError(f"a frame of {len(data)} bytes")
    return HEAD.pack(round(message.timestamp * 1e6), can_id, bus, len(data)) + data


if __name__ == "__main__":
    main(Path(sys.argv[1]))
