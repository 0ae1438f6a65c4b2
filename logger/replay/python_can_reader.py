"""CAN logs that python-can reads (BLF, MF4 ...), read by a process of their own: `python -m` this module FILE.

They are packed, and their readers trust what they say of themselves: a megabyte may unpack to gigabytes, or lead its
reader in circles. The kernel bounds the memory, the processor time and the files of this process, whatever the format.

Frames go to standard output, and last of all an END with the reason why there are no more, nothing at a whole file's
end:

    [stamp_us:8] [can_id:4] [bus:2] [length:1] [data:length]        little endian; length END: [data] is text
"""

from __future__ import annotations

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
MOST_DATA_BYTES: Final = 64
"""A CAN FD frame's."""
MEMORY_MB: Final = 200
"""For reading, beside python-can itself: BLF takes 1 MB, MF4 some 100."""
LEAST_CPU_S, CPU_S_A_MB = 5.0, 10.0
"""A megabyte holds some 100,000 frames, of which a Pi reads 40,000 a second."""
LEAST_FRAMES, FRAMES_A_BYTE = 20_000, 1
"""Frames that a file may hold: a packed frame takes two bytes at least, as its stamp is never the one before."""
_GRACE_S: Final = 2
"""For the last words; where the reader does not come back from foreign code, the kernel kills it then."""
_SPARE_FILE_BYTES: Final = 1 << 26
"""What asammdf may write of its own beside a copy of a file that was not finished."""


def main(path: Path) -> None:
    """Read a file to its end, or to where it cannot be read."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what a library prints is none of the frames
        threading.Thread(target=_end_with_parent, daemon=True).start()
        why = _copied(path, out)
        out.write(HEAD.pack(0, 0, 0, END) + why.encode(errors="replace"))


def _end_with_parent() -> None:
    """Standard input is the parent's and carries nothing: it ends with the parent, however that ends."""
    os.read(0, 1)
    os._exit(1)


def _copied(path: Path, out: BinaryIO) -> str:
    """Write the frames of a file; the answer is why there are no more of them, or nothing."""
    import can  # noqa: PLC0415 - with what it imports, before there are limits

    size = path.stat().st_size
    _limit(size)
    buses: dict[object, int] = {}
    try:
        with can.LogReader(str(path)) as messages:
            for count, message in enumerate(messages):
                if count == LEAST_FRAMES + FRAMES_A_BYTE * size:
                    return "it unpacks to more frames than a file of its size can hold"
                out.write(_record(message, buses.setdefault(message.channel, len(buses))))
    except TimeoutError as error:
        return str(error)
    except MemoryError:
        return f"it asks for over {MEMORY_MB} MB of memory"
    except Exception as error:  # noqa: BLE001 - its readers raise whatever a damaged file leads them to
        return str(error) or type(error).__name__
    return ""


def _limit(size: int) -> None:
    """Bounds for what is done from here on, by this process alone."""
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
        with suppress(ValueError, OSError):  # where the parent's own are narrower
            resource.setrlimit(limit, (soft, hard))


def processor_s(size: int) -> float:
    """How much of the processor reading a file of so many bytes may take."""
    return LEAST_CPU_S + CPU_S_A_MB * size / 1e6


def _stop(most_s: float, _number: int, _frame: FrameType | None) -> NoReturn:
    raise TimeoutError(f"it takes more than {most_s:.0f} s of the processor")


def _data_bytes() -> int:
    """The memory that this process has asked for: what RLIMIT_DATA counts. 512 MB where the kernel does not say."""
    with suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmData:"))
    return 1 << 29


def _record(message: Any, bus: int) -> bytes:
    """A python-can message on the wire. Raises ValueError, struct.error for one that is no frame."""
    can_id = can_id_of(
        message.arbitration_id,
        is_extended=message.is_extended_id,
        is_remote=message.is_remote_frame,
        is_error=message.is_error_frame,
        is_fd=message.is_fd,
        is_switched=message.bitrate_switch,
        is_passive=message.error_state_indicator,
    )
    data = bytes(min(message.dlc, MOST_DATA_BYTES)) if message.is_remote_frame else bytes(message.data)
    if len(data) > MOST_DATA_BYTES:
        raise ValueError(f"a frame of {len(data)} bytes")
    return HEAD.pack(round(message.timestamp * 1e6), can_id, bus, len(data)) + data


if __name__ == "__main__":
    main(Path(sys.argv[1]))
