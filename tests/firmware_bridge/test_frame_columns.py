"""FrameColumns holds the frames that a list would hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.record_columns import FrameColumns
from firmware_bridge.records import CanFrame

FRAMES = st.lists(
    st.builds(CanFrame, st.integers(), st.integers(0, 255), st.integers(0, 2**35), st.binary(max_size=64)),
    max_size=8,
)


@given(FRAMES, FRAMES, st.integers(0, 16), st.integers(0, 16))
def test_it_behaves_as_a_list_of_frames(
    first: list[CanFrame], more: list[CanFrame], start: int, end: int
) -> None:
    columns = FrameColumns.of(iter(first))
    assert FrameColumns.of(columns) is columns
    columns.extend(FrameColumns.of(more))
    columns.extend(more)
    frames = first + more + more
    assert columns == frames
    assert frames == columns
    assert list(columns) == frames
    assert all(isinstance(frame, CanFrame) for frame in columns)
    assert all(type(frame.data) is bytes for frame in columns)
    assert all(type(data) is bytearray for data in columns.datas)
    assert len(columns) == len(frames)
    assert bool(columns) == bool(frames)
    assert columns[start:end] == frames[start:end]
    if frames:
        assert columns[-1] == frames[-1]
        assert columns != frames[:-1]
    del columns[start:end], frames[start:end]
    assert columns == frames
