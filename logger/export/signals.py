"""Bulk CAN signal decoder: decode a log's frames with DBC files, thousands at a time.

cantools parses the DBC; numpy does the arithmetic, with bit-identical results. As in the live decoder there is no value
for a signal of which a short frame holds only a part, for a message whose multiplexer value the DBC does not define,
and for a float that is not finite.

The frames of one identifier form a matrix of bytes. Eight of its columns make a 64-bit word in either byte order, and
a signal is a shift and a mask of that word. A signal of more than 64 bits, or across nine bytes, uses Python integers:
correct, slow and rare.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from cantools.database.can import Message, Signal
from cantools.database.utils import start_bit
from numpy.typing import NDArray

from firmware_bridge.engine import dbc
from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import EFF_FLAG, ERR_FLAG, EXTENDED_MASK, RTR_FLAG, Channel, Notice
from logger.logfile.blocks import FrameBlock, Numbers, Progress, frame_blocks, joined
from logger.logfile.meta import META_PREFIX, meta_of
from logger.logfile.selection import Integers, Selection
from logger.replay.replay_source import extended_ids

Mask = NDArray[np.bool_]
RowIndex = Integers | slice
_WORD_BYTES = 8
_SAFE_BITS = 62
"""Sums of two integers of this many bits fit into 64 bits, sign included."""
_FLOATS = {16: np.float16, 32: np.float32, 64: np.float64}
OTHER_DBC = "use the DBC of this car; `export --format csv --frames` shows its identifiers"


class Decoded(NamedTuple):
    """Decoded values of one channel in a block: row indices of the block, and the value at each."""

    channel: Channel
    rows: Integers
    values: Numbers


class BulkDecoder:
    """Decodes the messages of DBC files. `unused` names the files of which no message has occurred yet."""

    def __init__(self, dbc_texts: Mapping[str, str]) -> None:
        """Load texts by file name. Raises ConfigurationError if one is not a readable DBC."""
        self.unused = set(dbc_texts)
        # The live decoders' own tables, so that reading, omissions and names are the same.
        self._decoders = {name: dbc.load(text, name) for name, text in dbc_texts.items()}
        self._messages: dict[int, list[tuple[str, _BulkMessage]]] = {}

    @property
    def notices(self) -> list[Notice]:
        """Notices of parts of the DBC files that are left out, and why."""
        return [notice for decoder in self._decoders.values() for notice in decoder.notices]

    @property
    def has_groups(self) -> bool:
        """Whether channel names depend on the order in which nodes occur in the log (J1939)."""
        return any(decoder.has_groups for decoder in self._decoders.values())

    def register(self, can_ids: Iterable[int]) -> None:
        """Look up the messages of new identifiers, in order of occurrence."""
        for can_id in can_ids:
            if can_id in self._messages:
                continue
            matches = [
                (name, known) for name, decoder in self._decoders.items() for known in decoder.of(can_id)
            ]
            if matches:
                self._messages[can_id] = [
                    (name, _BulkMessage(known.length, known.parts, known.channels)) for name, known in matches
                ]

    def decode(self, block: FrameBlock) -> Iterator[Decoded]:
        """Decode all data frames of a block; remote and error frames are skipped."""
        identifier = block.can_id & (EFF_FLAG | EXTENDED_MASK)
        identifier[(block.can_id & (RTR_FLAG | ERR_FLAG)) != 0] = -1
        order = np.argsort(identifier, kind="stable")
        begins = np.flatnonzero(np.diff(identifier[order], prepend=-2))
        groups = np.split(order, begins)[1:]
        for rows in sorted(groups, key=itemgetter(0)):
            self.register([int(identifier[rows[0]])])
        for rows in groups:
            can_id = int(identifier[rows[0]])
            for name, message in self._messages.get(can_id, ()):
                self.unused.discard(name)
                yield from message.decode(block, rows)


class LongTable(NamedTuple):
    """Decoded values in long form, in order of frames: row of the block, index of the channel, value."""

    channels: list[Channel]
    rows: Integers
    channel: Integers
    values: Numbers


def long_table(decoded: Sequence[Decoded]) -> LongTable:
    """Stack the channels of a block into one long table, sorted by row."""
    rows = np.concatenate([part.rows for part in decoded] or [np.empty(0, dtype=np.int64)])
    values = np.concatenate([part.values for part in decoded] or [np.empty(0)])
    channel = np.repeat(np.arange(len(decoded)), [len(part.rows) for part in decoded])
    order = np.argsort(rows, kind="stable")
    return LongTable([part.channel for part in decoded], rows[order], channel[order], values[order])


def decoded_blocks(
    connection: sqlite3.Connection,
    selection: Selection,
    progress: Progress,
    decoder: BulkDecoder,
    at_once: int = 1,
) -> Iterator[tuple[FrameBlock, list[Decoded]]]:
    """Yield the frames of a selection with their decoded channels, `at_once` blocks together. Raises LogError."""
    if decoder.has_groups and selection.spans is not None:  # names must be those of the whole log
        with suppress(sqlite3.Error):
            decoder.register(extended_ids(connection))
    for block in joined(frame_blocks(connection, selection, progress), at_once):
        yield block, list(decoder.decode(block))


def signal_blocks(
    connection: sqlite3.Connection, selection: Selection, progress: Progress, dbc_texts: Mapping[str, str]
) -> Iterator[tuple[FrameBlock, list[Decoded]]]:
    """Decode the frames of a selection with the given DBC texts, or else with the log's own.

    Raises ConfigurationError if there are none, and at the end if a given one has no message on the bus.
    """
    decoder = BulkDecoder(texts_or_own(connection, dbc_texts))
    has_frames = False
    for block in decoded_blocks(connection, selection, progress, decoder):
        has_frames = True
        yield block
    if dbc_texts and has_frames and decoder.unused:
        raise no_message_on_bus(decoder.unused)


def texts_or_own(connection: sqlite3.Connection, dbc_texts: Mapping[str, str] | None) -> Mapping[str, str]:
    """The given DBC texts by name, or else the log's own. Raises ConfigurationError if there are none."""
    texts = dbc_texts or {
        key.removeprefix(META_PREFIX): text
        for key, text in sorted(meta_of(connection).items())
        if key.startswith(META_PREFIX)
    }
    if not texts:
        raise ConfigurationError("the log contains no DBC file", hint="name one with --dbc")
    return texts


def no_message_on_bus(names: Iterable[str]) -> ConfigurationError:
    """The error for DBC files that do not match the bus."""
    return ConfigurationError(
        "none of its messages is on the bus", where=", ".join(sorted(names)), hint=OTHER_DBC
    )


class _BulkMessage:
    """One message. Its parts are decoded separately, so a failure in one does not affect the others."""

    def __init__(self, length: int, parts: Sequence[Message], channels: Mapping[str, Channel]) -> None:
        self._length = length
        self._parts = parts
        self._channels = channels
        self._signals = {signal.name: signal for part in parts for signal in part.signals}

    def decode(self, block: FrameBlock, rows: Integers) -> Iterator[Decoded]:
        """Decode the rows of a block that hold this message."""
        with np.errstate(all="ignore"):  # a float may be any bytes; values that are not finite are left out
            frames = _Frames(block, rows, self._length)
            for name, mask in self._present(frames).items():
                there = slice(None) if mask.all() else np.flatnonzero(mask)
                values = frames.scaled(self._signals[name], there).astype(np.float64)
                finite = np.isfinite(values)
                if finite.all() and len(values):
                    yield Decoded(self._channels[name], rows[there], values)
                elif finite.any():
                    yield Decoded(self._channels[name], rows[there][finite], values[finite])

    def _present(self, frames: _Frames) -> dict[str, Mask]:
        """Mask of the frames that hold each signal."""
        present: dict[str, Mask] = {}
        for part in self._parts:
            masks: dict[str, Mask] = {}
            failed = np.zeros(frames.count, dtype=bool)
            self._walk(part.signal_tree, np.ones(frames.count, dtype=bool), frames, masks, failed)
            for name, mask in masks.items():
                present[name] = present.get(name, False) | (mask & ~failed)
        return present

    def _walk(self, tree: Any, mask: Mask, frames: _Frames, masks: dict[str, Mask], failed: Mask) -> None:
        """Walk a tree of signals and multiplexers (one subtree per value) for the frames of `mask`."""
        for node in tree:
            for name, branches in node.items() if isinstance(node, dict) else ((node, {}),):
                whole = mask & frames.whole(self._signals[name])
                masks[name] = masks.get(name, False) | whole
                if branches:
                    choice = frames.choice(self._signals[name])
                    failed |= whole & ~np.isin(choice, list(branches))
                    for value, branch in branches.items():
                        self._walk(branch, whole & (choice == value), frames, masks, failed)


class _Frames:
    """Frames of one message: their bytes, and the signals in them."""

    def __init__(self, block: FrameBlock, rows: Integers, length: int) -> None:
        self.count = len(rows)
        self._bytes = -(-max(length, 1) // _WORD_BYTES) * _WORD_BYTES
        self._matrix = block.matrix(rows, self._bytes)
        self._short = block.length[rows] < length
        self._bits = 8 * block.length[rows]
        self._words: dict[tuple[str, int], NDArray[np.uint64]] = {}

    def whole(self, signal: Signal) -> Mask:
        """Mask of the frames long enough for a signal."""
        return ~self._short | (start_bit(signal) + signal.length <= self._bits)

    def choice(self, signal: Signal) -> NDArray[Any]:
        """A multiplexer's values, truncated to whole numbers."""
        values = self.scaled(signal, slice(None))
        return np.trunc(values) if values.dtype.kind == "f" else values

    def scaled(self, signal: Signal, there: RowIndex) -> NDArray[Any]:
        """A signal's physical values in some frames: integers or doubles, as in cantools."""
        raw = self._raw(signal, there)
        scale, offset = signal.scale, signal.offset
        if scale == 1 and offset == 0:
            return raw
        if not signal.is_float and float(scale).is_integer() and float(offset).is_integer():
            return _product(raw, int(scale), signal.length, int(offset))
        if not signal.is_float and isinstance(scale, int):
            return _product(raw, scale, signal.length).astype(np.float64) + float(offset)
        return raw.astype(np.float64) * float(scale) + float(offset)

    def _raw(self, signal: Signal, there: RowIndex) -> NDArray[Any]:
        first = start_bit(signal)
        last_byte = (first + signal.length - 1) // 8
        at = first // 64 * 8 if first // 64 == last_byte // 8 else max(0, last_byte + 1 - _WORD_BYTES)
        if at > first // 8:
            return self._wide(signal, there)
        into = first - 8 * at  # counted from the least (little-endian) or most (big-endian) significant bit
        is_little = signal.byte_order == "little_endian"
        shift = into if is_little else 64 - into - signal.length
        word = self._word(signal.byte_order, at)[there] >> np.uint64(shift)
        unsigned = word & np.uint64(2**signal.length - 1)
        if signal.is_float:
            width = signal.length
            return unsigned.astype(f"u{width // 8}").view(_FLOATS[width]).astype(np.float64)
        if signal.is_signed:
            rest = 64 - signal.length
            return (unsigned << np.uint64(rest)).view(np.int64) >> np.int64(rest)
        return unsigned if signal.length == 64 else unsigned.astype(np.int64)

    def _word(self, byte_order: str, at: int) -> NDArray[np.uint64]:
        """Eight bytes of every frame from offset `at` as one number."""
        if (byte_order, at) not in self._words:
            eight = np.ascontiguousarray(self._matrix[:, at : at + _WORD_BYTES])
            order = "<u8" if byte_order == "little_endian" else ">u8"
            self._words[byte_order, at] = eight.view(order).ravel().astype(np.uint64)
        return self._words[byte_order, at]

    def _wide(self, signal: Signal, there: RowIndex) -> NDArray[Any]:
        """Raw values of a signal that does not fit into a word, by Python integers."""
        is_little = signal.byte_order == "little_endian"
        first = start_bit(signal)
        shift = first if is_little else 8 * self._bytes - first - signal.length
        numbers = []
        for row in self._matrix[there]:
            number = int.from_bytes(row.tobytes(), "little" if is_little else "big") >> shift
            number &= 2**signal.length - 1
            is_negative = signal.is_signed and not signal.is_float and number >> (signal.length - 1)
            numbers.append(number - 2**signal.length if is_negative else number)
        if signal.is_float:
            return np.array(numbers, dtype=np.uint64).view(np.float64)
        return np.array(numbers, dtype=object)


def _product(raw: NDArray[Any], scale: int, bits: int, offset: int = 0) -> NDArray[Any]:
    """raw * scale + offset on integers, without overflow."""
    if max(bits + scale.bit_length(), offset.bit_length()) > _SAFE_BITS:
        raw = raw.astype(object)
    return raw * scale + offset
