"""Files recognised by their first bytes."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from logger.boundary.file_kind import other_kind

GPX = '<gpx version="1.1"><wpt lat="1" lon="2"/></gpx>'


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"SQLite format 3\0" + bytes(100), "log"),
        (GPX.encode(), "gpx"),
        (b"\xef\xbb\xbf" + GPX.encode(), "gpx"),
        (b'<?xml version="1.0"?>\n<!-- by a program -->\n' + GPX.encode(), "gpx"),
        (b"<!DOCTYPE html><html><body>", "page"),
        (gzip.compress(b"x" * 100, mtime=0), "packed"),
        (b"PK\x03\x04" + bytes(30), "packed"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "paper"),
        (b"LOGG\x90\0\0\0", "can"),
        (b"MDF     4.10    ", "can"),
        (b"$GPRMC,080000,A,2000.0,N,04200.0,E,10.0,0.0,150126,,,A*00\r\n", "nmea"),
        (b"$PUBX,00,081350.00\r\n", "nmea"),
        (b'VERSION ""\n\nNS_ :\n', "dbc"),
        (b"BO_ 291 Engine: 8 ECU\n", "dbc"),
        (b'# the car\n[log]\ndirectory = "logs"\n', "toml"),
        (b"[[section]]\n", "toml"),
        (b"a note\n", "text"),
        (b"Notiz: \xc3\xa4" * 500, "text"),
    ],
)
def test_the_kind(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = other_kind(path)
    assert found is not None
    assert found.kind == kind
    assert found.hint
    assert other_kind(path, found.kind) is None


@pytest.mark.parametrize("content", [b"", b"\n\n", bytes(5000), b"\xff\xfe[\0g\0p\0s\0]\0"])
def test_what_is_not_recognised(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert other_kind(path) is None


def test_a_configuration_that_mentions_other_formats_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "stagelog.toml"
    path.write_text(f'# made of {GPX}, VERSION "1", a log and $GPRMC,1\n[log]\ndirectory = "logs"\n')
    assert other_kind(path, "toml", "text") is None


def test_nothing_is_opened_that_would_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert other_kind(tmp_path / "pipe") is None
    assert other_kind(tmp_path) is None
    assert other_kind(tmp_path / "none") is None
