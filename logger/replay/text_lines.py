"""Read a text file line by line in bounded memory: plain or gzipped, UTF-8 or UTF-16, any line ends."""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from logger.config.input_files import require_file
from logger.replay.python_can_reader import GZIP

log = logging.getLogger(__name__)

CHUNK_BYTES: Final = 65_536
LONGEST_LINE_BYTES: Final = 4096
"""A longer line is split here: a file without line ends must not fill the memory."""
MAX_UNPACKED_BYTES: Final = 1 << 26
MAX_EXPANSION: Final = 100
"""A drive's text unpacks to ten times its size, a stationary car's to thirty; beyond this and 64 MB it is an attack."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks of a text that a Windows shell redirected into a file."""
_LINE = re.compile(rb"[^\r\n]{0,%d}(?:\r?\n|\r|)" % LONGEST_LINE_BYTES)

Progress = Callable[[float], None]


def head(path: Path, size: int = CHUNK_BYTES) -> bytes:
    """The first bytes of a file, unpacked if gzipped. Raises OSError when it cannot be read."""
    require_file(path)
    with path.open("rb") as file:
        try:
            return _unpacked(file).read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            file.seek(0)
            return file.read(size)


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a text with their ends; an incomplete last line is left out if others precede it."""
    parts = [line for line in _LINE.findall(data.removeprefix(_BYTE_ORDER_MARK)) if line]
    return parts[:-1] if len(parts) > 1 and parts[-1][-1:] not in (b"\r", b"\n") else parts


def lines(path: Path, progress: Progress) -> Iterator[bytes]:
    """The lines of a file with their ends, up to the first damage of a gzipped file."""
    total = max(1, path.stat().st_size)
    with path.open("rb") as file:
        rest = b""
        for chunk in _chunks(_unpacked(file), path):
            data = rest + chunk
            end = _last_line_end(data)
            yield from (line for line in _LINE.findall(data[:end]) if line)
            rest = data[end:]
            progress(min(1.0, file.tell() / total))
        yield from (line for line in _LINE.findall(rest) if line)
        progress(1.0)


def _last_line_end(data: bytes) -> int:
    """The length of the complete lines. A CR at the very end may have its LF in the next chunk."""
    end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
    if not end and len(data) > LONGEST_LINE_BYTES:
        return len(data) - len(data) % LONGEST_LINE_BYTES
    return end


def _chunks(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    begins = True
    limit_bytes = max(MAX_UNPACKED_BYTES, MAX_EXPANSION * path.stat().st_size)
    while True:
        try:
            chunk = stream.read(CHUNK_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            log.warning("%s: the gzip file is damaged (%s): the rest is left out", path, error)
            return
        if not chunk:
            return
        if (limit_bytes := limit_bytes - len(chunk)) < 0:
            log.warning(
                "%s: the gzip file unpacks to over %d times its size: the rest is left out",
                path,
                MAX_EXPANSION,
            )
            return
        yield chunk.removeprefix(_BYTE_ORDER_MARK) if begins else chunk
        begins = False


def _unpacked(file: BinaryIO) -> BinaryIO:
    is_gzip = file.read(len(GZIP)) == GZIP
    file.seek(0)
    plain = io.BufferedReader(gzip.GzipFile(fileobj=file)) if is_gzip else cast(io.BufferedReader, file)
    begin = plain.peek(4)[:4]
    if begin[:2] in _UTF_16 and b"\0" in begin[2:]:
        return cast(BinaryIO, codecs.EncodedFile(plain, "utf-8", "utf-16", "replace"))
    return plain
