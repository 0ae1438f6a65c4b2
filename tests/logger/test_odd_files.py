"""Unusual and hostile input files for every verb that takes a file: each ends soon with one line."""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.logger import drives
from tests.logger.command_line import Ended, stagelog, within_cpu_s

CPU_S = 10
"""Five times what the slowest needs."""
WRONG = {64, 74}
ODD = ("zero", "pipe", "folder", "empty", "noise", "large")


def soon(*arguments: str | bytes | Path, folder: Path) -> Ended:
    """Run a verb; the kernel ends it if it takes longer."""
    return stagelog(*arguments, folder=folder, before=within_cpu_s(CPU_S))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    drives.write_log(folder / "log.db", drives.fixes(drives.plan(600), 1))
    (folder / "zero").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    (folder / "folder").mkdir()
    (folder / "empty").write_bytes(b"")
    (folder / "noise").write_bytes(random.Random(1).randbytes(100_000))
    with (folder / "large").open("wb") as file:
        file.write(b"car,stage,time\n[stage]\nx = 1 #")
        file.truncate(100_000_000)
    for name in ODD:
        for ending in ("csv", "gpx", "gz"):
            (folder / f"{name}.{ending}").symlink_to(name)
    return folder


@pytest.mark.matrix(6)
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    "verb",
    [
        "standings log.db --penalties {}",
        "standings log.db --results {}",
        "standings --results {}.csv",
        "review log.db --rules {}",
        "review log.db --itinerary {}",
        "review log.db --dbc {}",
        "replay log.db --dbc {}",
        "export log.db --format csv --dbc {}",
        "run -c {}",
        "serve -c {}",
        "replay {}",
        "replay {}.gz",
        "review {}",
        "review {}.gpx",
        "import {}.gpx -o made.toml",
        "info {}",
        "simulate {} -o simulated",
    ],
)
def test_one_line_soon(verb: str, name: str, folder: Path) -> None:
    ended = soon(*verb.format(name).split(), folder=folder)
    if name == "empty" and ("dbc" in verb or "itinerary" in verb or "rules" in verb or "standings" in verb):
        assert ended.code in WRONG | {0}, "an empty file may be valid"
    else:
        assert ended.code in WRONG, ended
        assert len([line for line in ended.complaints if line.startswith("stagelog")]) == 1, ended.err


@pytest.mark.matrix(6)
@pytest.mark.parametrize("name", ODD)
def test_check(name: str, folder: Path) -> None:
    ended = soon("check", name, folder=folder)
    assert ended.code == 1
    assert name in ended.err


def test_a_pipe_with_a_writer_is_read(folder: Path) -> None:
    os.mkfifo(folder / "fed")

    def feed() -> None:
        with (folder / "fed").open("w") as file:
            for part in drives.ITINERARY.partition("[[section]]"):
                file.write(part)
                file.flush()
                time.sleep(0.2)

    feeding = threading.Thread(target=feed)
    feeding.start()
    ended = soon("check", "fed", folder=folder)
    feeding.join()
    assert (ended.code, ended.err) == (0, "")
    assert "an itinerary of 2 sections" in ended.out


BEGIN = datetime(2026, 1, 15, 8, tzinfo=UTC)
YEAR_1, YEAR_9999 = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"


def track(path: Path, times: list[str]) -> Path:
    points = "".join(
        f'<trkpt lat="{20 + at * 1e-4:.6f}" lon="42"><time>{moment}</time></trkpt>'
        for at, moment in enumerate(times)
    )
    path.write_text(f'<?xml version="1.0"?><gpx version="1.1"><trk><trkseg>{points}</trkseg></trk></gpx>')
    return path


def after(**passed: float) -> str:
    return (BEGIN + timedelta(**passed)).isoformat()


@pytest.mark.parametrize(
    ("times", "code", "words"),
    [
        ([YEAR_1, YEAR_9999], 74, "no track point with a time"),
        (["0001-01-01T00:00:00Z"] * 3, 74, "no track point with a time"),
        (["2300-01-01T00:00:00Z"] * 3, 74, "no track point with a time"),
        ([YEAR_1, after(), YEAR_9999, after(seconds=1)], 0, "2 of 4 track points have no time"),
        ([after(days=day) for day in range(14)], 0, "14 sessions"),
        ([after(hours=23 * day) for day in range(14)], 0, "14 sessions"),
        ([after(seconds=s) for s in (0, 1, 10_000, 10_001)], 0, "4 fixes"),
        ([after(days=day, seconds=s) for day in (0, 400) for s in range(60)], 0, "weeks apart"),
        ([after(days=365 * year) for year in range(100)], 0, "weeks apart"),
    ],
)
def test_a_track_with_odd_dates(times: list[str], code: int, words: str, tmp_path: Path) -> None:
    ended = soon("review", track(tmp_path / "track.gpx", times), folder=tmp_path)
    assert ended.code == code, ended.err
    assert words in ended.out + ended.err


def test_the_case_of_the_years(tmp_path: Path) -> None:
    case = Path(__file__).parents[1] / "field_cases" / "adversary" / "gpx_years.gpx"
    ended = soon("review", case, folder=tmp_path)
    assert ended.code == 0
    assert "1 fixes" in ended.out
    assert "2 of 3 track points have no time or no position" in ended.err
    assert soon("replay", case, folder=tmp_path).code == 74
    assert soon("import", case, "-o", tmp_path / "made.toml", folder=tmp_path).code == 64


def test_a_section_continues_overnight(tmp_path: Path) -> None:
    """A track of two days: the second day starts where the first one ended, in kilometres and in time."""
    (tmp_path / "stage.toml").write_text(
        '[stage]\nname = "Two days"\nnumber = 1\nevent = "T"\n'
        '[[section]]\nkind = "selective"\nname = "S"\nlength_km = 30.0\n'
        '  [[section.waypoint]]\n  km = 0.0\n  kind = "dss"\n  lat = 20.0\n  lon = 42.0\n'
    )
    times = [after(days=day, seconds=s) for day in (0, 2) for s in range(900)]
    ended = soon("review", track(tmp_path / "t.gpx", times), "--itinerary", "stage.toml", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert "2 sessions" in ended.out


HUGE = (b"4000000000000000000", b"9223372036854775807", b"1e300", b"-5", b"99999999999999999999999999")
CANDUMP = b"(%s.000000) can0 123#1122334455667788\n"
SAVVY = b"Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n"
ASC = b"date Thu Jan 15 08:00:00.000 am 2026\nbase hex  timestamps absolute\n"


@pytest.mark.parametrize("stamp", HUGE)
@pytest.mark.parametrize("kind", ["candump", "savvycan", "asc", "nmea"])
def test_absurd_stamps(kind: str, stamp: bytes, tmp_path: Path) -> None:
    usual = [b"%d" % (1_768_464_000 + at) for at in range(20)]
    stamps = [*usual[:10], stamp, *usual[10:], stamp]
    texts = {
        "candump": b"".join(CANDUMP % each for each in stamps),
        "savvycan": SAVVY + b"".join(each + b",00000123,false,Rx,0,1,11,,,,,,,\n" for each in stamps),
        "asc": ASC + b"".join(each + b".5 1  123  Rx   d 1 11\n" for each in stamps),
        "nmea": b"".join(
            b"$GPRMC,%s,A,2000.0,N,04200.0,E,10.0,0.0,150126,,,A\n" % each[-6:] for each in stamps
        ),
    }
    (tmp_path / "capture.txt").write_bytes(texts[kind])
    ended = soon("replay", "capture.txt", "-o", "made", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert len(ended.complaints) <= 2, ended.err


@pytest.mark.parametrize(
    "begin", [b"$GPRMC,080000,A,2000.0,N,04200.0,E,10.0,0.0,150126,,,A\n", CANDUMP % b"1"]
)
def test_a_gzip_bomb_is_read_up_to_the_limit(begin: bytes, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=1) as file:
        file.write(begin * 2000)
        for _ in range(300):
            file.write(bytes(1_000_000))
    ended = stagelog("replay", "bomb.gz", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert "unpacks to over 100 times its size: the rest is left out" in ended.err


def test_a_route_of_a_million_waypoints(tmp_path: Path) -> None:
    with (tmp_path / "route.gpx").open("w") as file:
        file.write('<gpx version="1.1">')
        for at in range(1_000_000):
            file.write(f'<wpt lat="{at / 1e6:.6f}" lon="1"><name>CP{at}</name></wpt>')
        file.write("</gpx>")
    ended = soon("import", "route.gpx", "-o", "made.toml", folder=tmp_path)
    assert ended.code == 64
    assert len(ended.complaints) == 1
    assert soon("review", "route.gpx", folder=tmp_path).code == 74
