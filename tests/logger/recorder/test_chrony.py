"""GPS time on chrony's socket: what is sent, what is not, and how a real chronyd reads it."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.records import Fix
from logger.recorder.chrony import ChronySource, TimeFilter, sample
from tests.figures import Figures

pytestmark = pytest.mark.load_sensitive

S = 1_000_000
NOON_US = 1_768_478_400 * S
GOOD = Fix(0, NOON_US, 20.0, 42.6, 1100.0, 0.0, 0.0, 1, 12, 0.8)


def at(t_us: int, **other: Any) -> Fix:
    """A good fix at `t_us`, with other values as given."""
    return GOOD._replace(**{"t_us": t_us, "utc_us": NOON_US + t_us, **other})


def test_a_sample_as_chronyd_reads_it() -> None:
    """Layout of the kernel's struct timeval and C's double and int; 40 bytes where a long has eight."""
    data = sample(NOON_US + 250_000, NOON_US - S)
    assert len(data) == 2 * struct.calcsize("l") + 24
    seconds, micros, offset, pulse, leap, _, magic = struct.unpack("@lldiiii", data)
    assert (seconds, micros, offset, pulse, leap) == (NOON_US // S - 1, 0, 1.25, 0, 0)
    assert magic == int.from_bytes(b"SOCK", "big")


def test_one_sample_per_second_after_five_fixes_agree() -> None:
    time_filter = TimeFilter()
    passed = [t for t in range(0, 10 * S, 100_000) if time_filter.accepts(at(t))]
    assert passed[0] == 400_000
    assert all(0.95 * S <= later - t <= 1.05 * S for t, later in pairwise(passed))


@pytest.mark.parametrize(
    "wrong",
    [
        {"date_ok": False},
        {"utc_us": None},
        {"lat": None, "lon": None, "quality": 0},
        {"alt_m": None},
        {"quality": 0},
        {"quality": 6},
        {"quality": 7},
        {"quality": 8},
        {"satellites": 3},
    ],
    ids=" ".join,
)
def test_implausible_fixes_are_never_sent(wrong: dict[str, Any]) -> None:
    """Week rollover, a receiver's own clock, two dimensions, dead reckoning, a simulator."""
    time_filter = TimeFilter()
    assert not any(time_filter.accepts(at(t, **wrong)) for t in range(0, 20 * S, 100_000))
    assert any(time_filter.accepts(at(t)) for t in range(20 * S, 22 * S, 100_000))


def test_after_a_time_jump_five_fixes_must_agree_again() -> None:
    time_filter = TimeFilter()
    passed = {}
    for t in range(0, 4 * S, 100_000):
        utc_us = NOON_US + t - (7 * 86_400 * S if t < 2 * S else 0)
        passed[t] = time_filter.accepts(at(t, utc_us=utc_us))
    assert any(passed[t] for t in passed if t < 2 * S)
    assert not any(passed[t] for t in passed if 2 * S <= t < 2.4 * S)
    assert any(passed[t] for t in passed if t >= 2.4 * S)


@given(st.lists(st.tuples(st.integers(0, 10**13), st.integers(-(10**18), 10**18)), max_size=30))
def test_nothing_raises(fixes: list[tuple[int, int]]) -> None:
    time_filter = TimeFilter()
    for t_us, utc_us in fixes:
        time_filter.accepts(at(t_us, utc_us=utc_us))


def now_us() -> int:
    return time.monotonic_ns() // 1000


def drive(source: ChronySource, zero_us: int, ahead_s: float, for_s: float) -> None:
    """Send ten fixes per second whose time is `ahead_s` ahead of the system's."""
    ends = time.monotonic() + for_s
    while time.monotonic() < ends:
        fix = at(now_us() - zero_us, utc_us=time.time_ns() // 1000 + int(ahead_s * S))
        source.take([fix])
        time.sleep(0.1)


def test_the_offset_is_that_of_the_moment_of_arrival(tmp_path: Path) -> None:
    """Independent of how long the fix waited for the decoder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as chronyd:
        chronyd.bind(str(tmp_path / "chrony.sock"))
        chronyd.settimeout(5)
        zero_us = now_us()
        source = ChronySource(tmp_path / "chrony.sock", zero_us)
        began_us, utc_us = now_us() - zero_us, time.time_ns() // 1000 + 3600 * S
        fixes = [at(began_us + n, utc_us=utc_us + n) for n in range(5)]
        time.sleep(0.5)
        source.take(fixes)
        seconds, micros, offset, *_ = struct.unpack("@lldiiii", chronyd.recv(100))
        assert offset == pytest.approx(3600, abs=0.05)
        assert abs(seconds * S + micros - (utc_us - 3600 * S)) < 50_000
        time.sleep(1.0)
        source.take([at(now_us() - zero_us - 3 * S, utc_us=utc_us)])
        chronyd.setblocking(False)
        with pytest.raises(BlockingIOError):
            chronyd.recv(100)


def test_no_chronyd_a_full_socket_or_a_wrong_path_do_not_block(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        for path in (tmp_path / "deaf.sock", tmp_path / "none.sock", tmp_path / ("x" * 200), tmp_path):
            source = ChronySource(path, now_us() - 10_000 * S)
            for n in range(2000):
                source.take([at(10_000 * S + n * S)])


@pytest.fixture
def chronyd(tmp_path: Path) -> Iterator[Path]:
    """A real chronyd in the foreground that may not set the clock (-x); its directory."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    program = shutil.which("chronyd", path=path)
    if program is None or os.geteuid() != 0:
        pytest.skip("needs root and Debian's package chrony")
    folder = tmp_path / "chrony"
    folder.mkdir(mode=0o700)
    (folder / "chrony.conf").write_text(
        f"refclock SOCK {folder}/gps.sock refid GPS precision 1e-1 poll 0 filter 2\n"
        f"pidfile {folder}/pid\nbindcmdaddress {folder}/command.sock\ncmdport 0\n"
    )
    process = subprocess.Popen(
        [program, "-x", "-d", "-u", "root", "-f", str(folder / "chrony.conf")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        ends = time.monotonic() + 10
        while not (folder / "command.sock").exists():
            if process.poll() is not None or time.monotonic() > ends:
                process.kill()
                pytest.skip(f"chronyd does not run here: {process.communicate()[0]}")
            time.sleep(0.05)
        yield folder
    finally:
        process.terminate()
        process.communicate()


def test_a_real_chronyd_accepts_the_samples(chronyd: Path, figures: Figures) -> None:
    zero_us = now_us()
    drive(ChronySource(chronyd / "gps.sock", zero_us), zero_us, 0.5, 7.0)
    result = subprocess.run(
        ["chronyc", "-c", "-h", str(chronyd / "command.sock"), "sources"],
        capture_output=True,
        text=True,
        check=True,
    )
    mode, _, name, _, _, reach, _, _, measured, *_ = result.stdout.strip().split(",")
    figures.note(f"chronyc sources: {name}, reach {reach}, offset {float(measured):+.3f} s")
    assert (mode, name) == ("#", "GPS")
    assert int(reach, 8) > 0
    assert float(measured) == pytest.approx(-0.5, abs=0.05), "chronyc counts from true time"
