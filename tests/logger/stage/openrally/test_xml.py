"""Broken, hostile or huge route files: one-line errors with line number and hint, in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.stage.openrally import xml
from logger.stage.openrally.read import read
from tests.logger.stage.openrally.route_files import gpx, wpt

GOOD = gpx(wpt(0, "dss"), wpt(5, "wpm name='é'"), wpt(9, "ass"))

BILLION_LAUGHS = (
    b'<?xml version="1.0"?>\n<!DOCTYPE gpx [\n<!ENTITY lol "lollollollol">\n'
    + b"".join(
        b'<!ENTITY l%d "%s">\n' % (n, b"&l%d;" % (n - 1) * 10 if n else b"&lol;" * 10) for n in range(30)
    )
    + b"]>\n<gpx><name>&l29;</name></gpx>"
)


class Endless(io.RawIOBase):
    """A generated file: a head, one block repeated up to `size` bytes, a tail."""

    def __init__(self, head: bytes, block: bytes, size: int, tail: bytes = b"") -> None:
        self._pieces = self._made(head, block, size, tail)

    def _made(self, head: bytes, block: bytes, size: int, tail: bytes) -> Iterator[bytes]:
        yield head
        large = block * max(1, 65_536 // len(block))
        for _ in range(size // len(large)):
            yield large
        yield tail

    def read(self, _size: int = -1) -> bytes:
        return next(self._pieces, b"")


def refusal(stream: BinaryIO | bytes) -> ConfigurationError:
    """Return the reader's error for a file, and check that its memory is bounded."""
    tracemalloc.start()
    try:
        with pytest.raises(ConfigurationError) as caught:
            read(io.BytesIO(stream) if isinstance(stream, bytes) else stream, "route.gpx")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(stream) + 2_000_000 if isinstance(stream, bytes) else peak < 8_000_000
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code == 64
    return caught.value


@pytest.mark.parametrize(
    ("file", "where", "what"),
    [
        (b"", "route.gpx", "the file is empty"),
        (b"   \n", "route.gpx:2", "the file is cut short"),
        (b"hello", "route.gpx:1", "not an XML file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "route.gpx:1", "not an XML file"),
        (b'{"type": "FeatureCollection"}', "route.gpx:1", "not an XML file"),
        (b"PK\x03\x04\x14\x00", "route.gpx:1", "not an XML file"),
        (b"<kml><Document/></kml>", "route.gpx:1", "the file is <kml>, not <gpx>"),
        (GOOD[:-10], "route.gpx:5", "the file is cut short"),
        (GOOD[:300], "route.gpx:3", "the file is cut short"),
        (GOOD.replace("é".encode(), b"\xe9"), "route.gpx:4", "damaged, or not in the encoding that it names"),
        (b'<?xml version="1.0" encoding="klingon"?>' + GOOD, "route.gpx:1", "unreadable encoding"),
        (b'<?xml version="1.0" encoding="utf-16"?>' + GOOD, "route.gpx:1", "unreadable encoding"),
        (b'<?xml version="1.0" encoding="shift_jis"?>' + GOOD, "route.gpx:1", "unreadable encoding"),
        (
            GOOD.replace(b"</extensions></wpt>", b"</wpt>", 1),
            "route.gpx:3",
            "not well-formed XML (mismatched tag)",
        ),
        (GOOD.replace(b"xmlns:o=", b"xmlns:p="), "route.gpx:2", "not well-formed XML (unbound prefix)"),
        (GOOD.replace(b"</gpx>", b"</gpx><gpx/>"), "route.gpx:6", "not well-formed XML (junk after document"),
        (GOOD.replace(b"\xc3\xa9", b"&auml;"), "route.gpx:4", "not well-formed XML (undefined entity)"),
        (GOOD.replace(b"\xc3\xa9", b"\x00"), "route.gpx:4", "damaged, or not in the encoding"),
    ],
)
def test_incomplete_or_other_files_are_refused(file: bytes, where: str, what: str) -> None:
    error = refusal(file)
    assert error.what.startswith(what)
    assert error.where == where


@pytest.mark.parametrize(
    "file",
    [
        BILLION_LAUGHS,
        b'<!DOCTYPE gpx SYSTEM "file:///etc/passwd"><gpx/>',
        b'<!DOCTYPE gpx [<!ENTITY x SYSTEM "file:///etc/passwd">]><gpx><name>&x;</name></gpx>',
        b'<!DOCTYPE gpx [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]><gpx/>',
        b'<!DOCTYPE gpx [<!ENTITY x "' + b"A" * 1_000_000 + b'">]><gpx>' + b"&x;" * 100_000 + b"</gpx>",
        BILLION_LAUGHS.decode().encode("utf-16"),
    ],
)
def test_document_types_are_refused_before_entities_are_expanded(file: bytes) -> None:
    error = refusal(file)
    assert error.what == "document types are refused: they can hide entity bombs"
    assert error.where in ("route.gpx:1", "route.gpx:2")


OPEN = b'<gpx xmlns="http://www.topografix.com/GPX/1/1" xmlns:o="http://www.openrally.org">'
NOTE = wpt(1, "cp name='1'").encode()


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        (Endless(OPEN, b"<a>", 1 << 24), "elements nested more than 200 deep"),
        (Endless(OPEN + b'<wpt lat="', b"1", 1 << 26), "one tag of over 2 MB"),
        (Endless(OPEN + b"<!-- ", b"comment ", 1 << 26), "one tag of over 2 MB"),
        (Endless(OPEN, b"text" * 2000 + b"\n", 1 << 28), "over 128 MB"),
    ],
)
def test_hostile_sizes_are_refused_in_bounded_memory(stream: BinaryIO, what: str) -> None:
    assert refusal(stream).what == what


def test_more_values_than_any_roadbook_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "MAX_ELEMENTS", 7)  # the units, and two of each point
    read(io.BytesIO(GOOD), "route.gpx")
    monkeypatch.setattr(xml, "MAX_ELEMENTS", 6)
    with pytest.raises(ConfigurationError, match=r"^route.gpx:5: over 6 values; export the route in parts"):
        read(io.BytesIO(GOOD), "route.gpx")


def test_a_large_file_of_drawings_is_read_in_constant_memory() -> None:
    """20 MB of tulips on a hundred notes cost no more than the notes."""
    picture = b"<o:tulip><![CDATA[data:image/png;base64," + b"iVBORw0KGgo+" * 8000 + b"]]></o:tulip>"
    svg = b"<o:notes><svg><g><text>12</text><image href='" + b"A" * 100_000 + b"'/></g></svg></o:notes>"
    note = NOTE.replace(b"</extensions>", picture + svg + b"</extensions>")
    tracemalloc.start()
    try:
        stream = Endless(OPEN, note, 20_000_000, wpt(5, "ass").encode() + b"</gpx>")
        result = read(stream, "route.gpx")  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    notes = 20_000_000 // len(note)
    assert len(result.itinerary.sections[0].waypoints) == notes + 1
    assert peak < 3_000_000
    assert f'"notes" x {notes}, "tulip" x {notes}' in str(result.warnings)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings_that_a_file_names_itself(encoding: str) -> None:
    declaration = (
        "" if encoding.startswith(("utf-8-sig", "utf-16")) else f'<?xml version="1.0" encoding="{encoding}"?>'
    )
    result = read(io.BytesIO((declaration + GOOD.decode()).encode(encoding)), "route.gpx")
    assert [point.name for point in result.itinerary.sections[0].waypoints] == ["", "é", ""]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100])
def test_any_chunking_reads_the_same(chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(io.BytesIO(GOOD), "route.gpx")
    monkeypatch.setattr(xml, "CHUNK_BYTES", chunk_bytes)
    assert read(io.BytesIO(GOOD), "route.gpx") == whole


@given(at=st.integers(0, len(GOOD)), damage=st.binary(max_size=4), lost=st.integers(0, 4))
def test_any_damage_is_read_or_refused_in_one_line(at: int, damage: bytes, lost: int) -> None:
    try:
        result = read(io.BytesIO(GOOD[:at] + damage + GOOD[at + lost :]), "route.gpx")
    except ConfigurationError as error:
        assert "\n" not in str(error)
    else:
        assert result.itinerary.sections
