"""Atomic file writing: a file gets its name only when it is complete."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from firmware_bridge.errors import InUseError, LogError
from logger.boundary.whole_file import claimed, require_writable, whole_file, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_old_one_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_text("old")
    with whole_file(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["it"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_error_leaves_the_old_one_alone(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "it"
    path.write_text("old")
    with pytest.raises(error), whole_file(path) as stream:
        stream.write(b"new")
        raise error
    assert (path.read_text(), names(tmp_path)) == ("old", ["it"])


def test_a_part_left_by_a_killed_program_is_reused(tmp_path: Path) -> None:
    (tmp_path / "it.part").write_bytes(b"much longer than the new one")
    write_whole(tmp_path / "it", "new")
    assert (tmp_path / "it").read_text() == "new"
    assert names(tmp_path) == ["it"]


def test_a_link_is_followed_and_a_mode_kept(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "it").write_text("old")
    (there / "it").chmod(0o640)
    (tmp_path / "link").symlink_to(there / "it")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (there / "it").read_text() == "new"
    assert stat.S_IMODE((there / "it").stat().st_mode) == 0o640
    assert names(there) == ["it"]


def test_a_device_stays_a_device() -> None:
    write_whole(Path("/dev/null"), "nothing")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert not Path("/dev/null.part").exists()


def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_whole(tmp_path / "pipe", "text")
    reader.join()
    assert seen == [b"text"]
    assert names(tmp_path) == ["pipe"]


def test_one_program_at_a_time(tmp_path: Path) -> None:
    with whole_file(tmp_path / "it") as stream:
        stream.write(b"first")
        with pytest.raises(InUseError, match="another program is writing it"):
            write_whole(tmp_path / "it", "second")
    assert (tmp_path / "it").read_text() == "first"


def test_a_part_renamed_meanwhile_is_not_used(tmp_path: Path) -> None:
    """Between our open and our lock, the other program renames it."""
    part = tmp_path / "it.part"
    with claimed(part):
        part.rename(tmp_path / "it")
    with claimed(part) as descriptor:
        os.write(descriptor, b"second")
        assert (tmp_path / "it").read_bytes() == b""


def test_the_reason_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as raised, whole_file(tmp_path / "it"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(tmp_path / "it")
    with pytest.raises(FileNotFoundError) as missing, whole_file(tmp_path / "none" / "it"):
        pass
    assert missing.value.filename == str(tmp_path / "none" / "it")


def test_a_signal_before_the_part_is_locked_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = fcntl.flock, 0

    def interrupted(descriptor: int, how: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyboardInterrupt
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", interrupted)
    with pytest.raises(KeyboardInterrupt), claimed(tmp_path / "it.part"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_log_is_never_replaced_by_another_file(tmp_path: Path) -> None:
    log = tmp_path / "stage.db"
    log.write_bytes(b"SQLite format 3\0" + bytes(100))
    (tmp_path / "link.html").symlink_to(log)
    for name in ("stage.db", "link.html"):
        with pytest.raises(LogError, match="a log has this name"):
            write_whole(tmp_path / name, "page")
    assert log.read_bytes().startswith(b"SQLite")


def test_the_output_is_refused_before_the_work(tmp_path: Path) -> None:
    source = tmp_path / "route.gpx"
    source.write_text("<gpx/>")
    (tmp_path / "link.gpx").symlink_to(source)
    for name in ("route.gpx", "link.gpx"):
        with pytest.raises(LogError, match="this is the input"):
            require_writable(tmp_path / name, source)
    for path, error in (
        (tmp_path, IsADirectoryError),
        (tmp_path / "none" / "x", FileNotFoundError),
        (source / "x", NotADirectoryError),
    ):
        with pytest.raises(error):
            require_writable(path)
    require_writable(tmp_path / "new.html", source)
    require_writable(Path("/dev/null"))
