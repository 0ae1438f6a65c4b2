"""CAN logs that unpack to gigabytes or loop their reader: one line, bounded memory and time."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from logger.replay.python_can_reader import MIN_CPU_S
from tests.logger.command_line import stagelog
from tests.logger.replay.capture_files import frames

can = pytest.importorskip("can")

FRAMES = 50
LARGE = 1 << 29


def written(path: Path, count: int = FRAMES) -> Path:
    with can.Logger(str(path)) as writer:
        for number in range(count):
            message = can.Message(
                timestamp=1_768_446_000 + number / 100,
                arbitration_id=0x123,
                is_extended_id=False,
                data=number.to_bytes(8, "big"),
                channel=1,
            )
            writer(message)
    return path


@cache
def deflated(piece: bytes, size: int) -> bytes:
    """`size` bytes of a repeated piece, compressed."""
    packer, packed = zlib.compressobj(9), []
    block = piece * (1_048_576 // len(piece))
    for _ in range(size // len(block)):
        packed.append(packer.compress(block))
    return b"".join([*packed, packer.flush()])


def container(data: bytes, size: int, method: int = 2) -> bytes:
    """A BLF container: [LOBJ][header size:2][1:2][object size:4][type 10:4] [method:2][0:6][size:4][0:4] [data]"""
    head = struct.pack("<4sHHII", b"LOBJ", 16, 1, 32 + len(data), 10)
    return head + struct.pack("<H6xI4x", method, size & 0xFFFFFFFF) + data + bytes((32 + len(data)) % 4)


def can_object(size: int = 48, kind: int = 1) -> bytes:
    """A BLF object: a CAN message of eight bytes, if `size` is true."""
    head = struct.pack("<4sHHIIIHHQ", b"LOBJ", 32, 1, size, kind, 2, 0, 0, 1_000_000)
    return head + struct.pack("<HBBI8s", 1, 0, 8, 0x123, bytes(8))


BLF: dict[str, Callable[[], bytes]] = {
    "a container of half a gigabyte": lambda: container(deflated(bytes(64), LARGE), LARGE),
    "a container that claims a kilobyte": lambda: container(deflated(bytes(64), LARGE), 1024),
    "two containers of a million frames": lambda: container(deflated(can_object(), 48 << 20), 48 << 20) * 2,
    "an object without a size": lambda: container(can_object(0), 48, 0),
    "an object without a size, of another kind": lambda: container(can_object(0, 77), 48, 0),
    "an object that goes on and on": lambda: (
        container(zlib.compress(can_object(0xFFFFFFFF)), 48)
        + container(deflated(bytes(64), 1 << 26), 1 << 26) * 99
    ),
    "a container of 4 GB": lambda: struct.pack("<4sHHII", b"LOBJ", 16, 1, 0xFFFFFFFF, 10) + bytes(100),
}


@pytest.mark.matrix(2)
@pytest.mark.parametrize("what", BLF)
def test_a_malicious_blf(what: str, tmp_path: Path) -> None:
    path = written(tmp_path / "evil.blf")
    path.write_bytes(path.read_bytes() + BLF[what]())
    require_bounded(path)


def mdf_block(mark: bytes, links: tuple[int, ...], data: bytes) -> bytes:
    """An MF4 block: [##XX][0:4][length:8][links:8] [links:8 each] [data], on a multiple of eight bytes."""
    head = struct.pack("<4sIQQ", mark, 0, 24 + 8 * len(links) + len(data), len(links))
    block = head + struct.pack(f"<{len(links)}Q", *links) + data
    return block + bytes(-len(block) % 8)


def packed_block(data: bytes, size: int) -> bytes:
    """[of DT:2][deflate:1][0:1][parameter:4][size:8][packed size:8] [packed]"""
    return mdf_block(b"##DZ", (), struct.pack("<2sBBIQQ", b"DT", 0, 0, 0, size, len(data)) + data)


def with_data(mf4: bytes, block: bytes) -> bytes:
    """An MF4 with another block as the first data group's data."""
    at = mf4.index(b"##DG") + 24 + 2 * 8
    end = len(mf4) + -len(mf4) % 8
    return mf4[:at] + struct.pack("<Q", end) + mf4[at + 8 :].ljust(end - at - 8, b"\0") + block


MF4: dict[str, Callable[[], bytes]] = {
    "a block of half a gigabyte": lambda: packed_block(deflated(bytes(64), LARGE), LARGE),
    "a block that claims a kilobyte": lambda: packed_block(deflated(bytes(64), LARGE), 1024),
    "a block that claims an exabyte": lambda: packed_block(zlib.compress(bytes(1024)), 1 << 60),
}


@pytest.mark.parametrize("what", MF4)
def test_a_malicious_mf4(what: str, tmp_path: Path) -> None:
    pytest.importorskip("asammdf")
    path = written(tmp_path / "evil.mf4")
    path.write_bytes(with_data(path.read_bytes(), MF4[what]()))
    require_bounded(path)


def test_cyclic_links_in_an_mf4(tmp_path: Path) -> None:
    pytest.importorskip("asammdf")
    path = written(tmp_path / "evil.mf4")
    data = path.read_bytes()
    group = data.index(b"##DG")
    path.write_bytes(data[: group + 24] + struct.pack("<Q", group) + data[group + 32 :])
    require_bounded(path)


MEASURE = """
import json, resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "logger", *sys.argv[2:]]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
open(sys.argv[1], "w").write(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1000]))
sys.exit(code)
"""
"""Run stagelog as the only child of a process, so that the figures are its own."""


def require_bounded(path: Path) -> None:
    """Assert that replaying a file ends in time, in little memory, with one line."""
    measured = path.with_suffix(".usage")
    ended = stagelog("replay", path, folder=path.parent, starter=("-c", MEASURE, measured))
    used_s, peak_mb = json.loads(measured.read_text())
    lines = [line for line in ended.err.splitlines() if "evil" in line]
    print(f"{path.stat().st_size:,} bytes: {ended.code}, {used_s:.1f} s, {peak_mb:.0f} MB, {lines}")
    assert ended.code in (0, 74), ended
    assert len(lines) == 1 == len(ended.err.splitlines()), ended
    assert "Traceback" not in ended.err
    assert peak_mb < 500  # python-can, asammdf and numpy themselves are 200
    assert used_s < 3 * MIN_CPU_S + 20e-6 * path.stat().st_size


@pytest.mark.parametrize("ending", ["blf", "mf4"])
@pytest.mark.parametrize("name", ["00000001.BIN", "stage 11", "2026.01.15.blf.gz"])
def test_the_content_selects_the_reader_whatever_the_name(name: str, ending: str, tmp_path: Path) -> None:
    if ending == "mf4":
        pytest.importorskip("asammdf")
    content = written(tmp_path / f"log.{ending}").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert len(frames(tmp_path / name, tmp_path / "logs")) == FRAMES


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress])
def test_another_compression_is_named(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "a.log.packed").write_bytes(pack(b"(1.0) can0 123#00\n"))
    for verb in ("replay", "review"):
        assert "a compressed file" in stagelog(verb, "a.log.packed", folder=tmp_path).complaint


def test_a_row_of_python_can_without_an_identifier(tmp_path: Path) -> None:
    path = written(tmp_path / "log.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE messages SET arbitration_id = NULL WHERE rowid = 1")
        connection.commit()
    assert "a row that is not a frame" in stagelog("replay", path, folder=tmp_path).complaint
