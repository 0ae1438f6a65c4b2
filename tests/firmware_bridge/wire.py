"""Strategies for the frames that each protocol can carry, and helpers to feed bytes to a decoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

from firmware_bridge.protocols import Decoder
from firmware_bridge.record_columns import Batch, FrameColumns
from firmware_bridge.records import (
    BRS_FLAG,
    EFF_FLAG,
    ERR_FLAG,
    ESI_FLAG,
    FD_FLAG,
    RTR_FLAG,
    CanFrame,
    Notice,
    Rejected,
)

CAN_PROTOCOLS = ("slcan", "gvret", "realdash", "canserial", "socketcan")
FD_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)
T_US = 5_000_000

standard_ids = st.integers(0, 0x7FF)
extended_ids = st.integers(0, 0x1FFF_FFFF).map(lambda number: number | EFF_FLAG)
ids = standard_ids | extended_ids
classic_data = st.binary(max_size=8)
fd_data = st.sampled_from(FD_LENGTHS).flatmap(lambda length: st.binary(min_size=length, max_size=length))
remote_data = st.integers(0, 8).map(bytes)


def frames(name: str) -> st.SearchStrategy[CanFrame]:
    """Frames that the protocol can carry, with time 0 and bus 0."""
    classic = st.builds(CanFrame, st.just(0), st.just(0), ids, classic_data)
    remote = st.builds(CanFrame, st.just(0), st.just(0), ids.map(lambda i: i | RTR_FLAG), remote_data)
    fd = st.builds(CanFrame, st.just(0), st.just(0), ids.map(lambda i: i | FD_FLAG), fd_data)
    errors = st.builds(
        CanFrame,
        st.just(0),
        st.just(0),
        ids.map(lambda i: i | ERR_FLAG),
        st.binary(min_size=8, max_size=8),
    )
    if name in ("slcan", "socketcan"):
        flags = st.sampled_from((0, BRS_FLAG, ESI_FLAG, BRS_FLAG | ESI_FLAG))
        flagged = st.builds(lambda frame, more: frame._replace(can_id=frame.can_id | more), fd, flags)
        return classic | remote | flagged | (errors if name == "socketcan" else st.nothing())
    if name == "gvret":
        return classic | fd
    if name == "canserial":
        return classic | remote | errors
    distinct_ids = standard_ids | st.integers(0x800, 0x1FFF_FFFF).map(lambda number: number | EFF_FLAG)
    eight = st.builds(CanFrame, st.just(0), st.just(0), distinct_ids, st.binary(min_size=8, max_size=8))
    longer = st.integers(3, 16).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
    return eight | st.builds(
        CanFrame, st.just(0), st.just(0), distinct_ids.map(lambda i: i | FD_FLAG), longer
    )


def chunks(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut the data into chunks of these sizes, repeated cyclically."""
    cut: list[bytes] = []
    while data:
        size = sizes[len(cut) % len(sizes)]
        cut.append(data[:size])
        data = data[size:]
    return cut


def feed(decoder: Decoder, pieces: Iterable[bytes], t_us: int = T_US) -> Batch:
    """The decoder's combined output for the pieces, fed a millisecond apart."""
    decoded: list[CanFrame] = []
    rejected: list[Rejected] = []
    notices: list[Notice] = []
    for number, piece in enumerate(pieces):
        batch = decoder.feed(piece, t_us + 1_000 * number)
        decoded += batch.frames
        rejected += batch.rejected
        notices += batch.notices
    return Batch(FrameColumns.of(decoded), [], rejected, notices)


def ids_and_data(decoded: Iterable[CanFrame]) -> list[tuple[int, bytes]]:
    """Identifier and data of each frame, for comparisons without times."""
    return [(frame.can_id, frame.data) for frame in decoded]
