"""No link in an image leads the installer out of the image."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError, LogError
from logger.install import plan
from logger.install.root import Root
from tests.field_failures.small_disk import filled, small_disk
from tests.logger.install.conftest import Call, require_root, tree

pytestmark = pytest.mark.process

UP = "../" * 40


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the image, which must stay unchanged."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("untouched")
    (folder / "precious").chmod(0o644)
    return folder


ATTACKS = [
    "etc/systemd",
    "etc/systemd/system",
    "etc/udev",
    "etc/udev/rules.d",
    "etc/stagelog",
    "var/lib",
    "var/lib/stagelog",
    "usr/local",
    "usr/local/bin",
    "usr/local/lib/stagelog",
    "usr/local/bin/stagelog",
    "etc/systemd/system/stagelog-recorder.service",
    "etc/tmpfiles.d/stagelog.conf",
    "etc/stagelog/stagelog.toml",
]


@pytest.mark.parametrize("kind", ["absolute", "relative"])
@pytest.mark.parametrize("where", ATTACKS)
def test_links_out_of_the_image_are_resolved_inside_it(
    image: Path, call: Call, outside: Path, where: str, kind: str
) -> None:
    """The image resolves the same link inside its own root."""
    link = image / where
    if link.is_dir():
        for folder, _, _ in os.walk(link, topdown=False):
            Path(folder).rmdir()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(str(outside) if kind == "absolute" else UP + str(outside).lstrip("/"))
    (image / str(outside).lstrip("/")).mkdir(parents=True)
    before = tree(image)
    call("install", "--yes", "--with", "journald", "--with", "read-only-root")
    call("uninstall", "--configuration", "--logs", "--yes")
    assert tree(outside) == tree_of_untouched(outside)
    assert tree(image) == before


def tree_of_untouched(outside: Path) -> dict[str, tuple[object, ...]]:
    """The content of `outside` at the start."""
    status = (outside / "precious").lstat()
    return {"precious": (0o100000, 0o644, status.st_uid, status.st_gid, b"untouched")}


@pytest.mark.parametrize("database", ["etc/passwd", "etc/shadow", "etc"])
def test_a_user_database_that_is_a_link_is_refused(
    image: Path, call: Call, outside: Path, database: str
) -> None:
    """useradd follows links: it would change the machine that builds the image."""
    real = image / database
    away = outside / "away"
    real.rename(away)
    real.symlink_to(away)
    before = tree(outside)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        call("install", "--yes")
    assert tree(outside) == before


def test_a_folder_without_a_system_is_refused_before_any_change(image: Path, call: Call) -> None:
    (image / "etc").rename(image / "not-etc")
    before = tree(image)
    with pytest.raises(ConfigurationError, match="not a machine image"):
        call("install", "--yes")
    assert tree(image) == before


def test_removing_logs_does_not_follow_links(image: Path, call: Call, outside: Path) -> None:
    call("install", "--yes")
    logs = image / "var/lib/stagelog"
    (logs / "deeper").mkdir()
    (logs / "link").symlink_to(outside)
    (logs / "deeper/link").symlink_to(outside)
    call("uninstall", "--configuration", "--logs", "--yes")
    assert (outside / "precious").read_text() == "untouched"
    assert not logs.exists()


def test_a_record_from_the_image_cannot_name_a_path_outside(image: Path, call: Call, outside: Path) -> None:
    call("install", "--yes")
    path = image / "usr/local/lib/stagelog/installed.json"
    lies = path.read_text().replace(
        '"/etc/tmpfiles.d/stagelog.conf"', f'"/{UP}{str(outside).lstrip("/")}/precious"'
    )
    assert lies != path.read_text()
    path.write_text(lies)
    call("uninstall", "--configuration")
    assert (outside / "precious").read_text() == "untouched"


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links") as caught:
        Root(tmp_path).real("/a/x")
    assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize("path", ["relative", "/", "/x/.."])
def test_special_files_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(LogError):
        Root(tmp_path).look(path)


names = st.sampled_from(["a", "b", "c"])
targets = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=6)


@given(
    links=st.dictionaries(names, st.tuples(st.booleans(), targets), max_size=3),
    parts=st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=5),
)
def test_paths_resolve_as_in_a_chroot(
    tmp_path_factory: pytest.TempPathFactory, links: dict[str, tuple[bool, list[str]]], parts: list[str]
) -> None:
    """The reference is the kernel: a process whose root is the image opens the same path."""
    require_root()
    root = tmp_path_factory.mktemp("image")
    for name in "abc":
        if name in links:
            absolute, parts = links[name]
            (root / name).symlink_to(("/" if absolute else "") + "/".join(parts))
        else:
            (root / name / "a").mkdir(parents=True)
            (root / name / "b").symlink_to("../../c")
    path = "/" + "/".join(parts)
    try:
        real: str | None = Root(root).real(path)
    except OSError:
        real = None
    kernels = _inode_in_chroot(root, path)
    if kernels is not None:
        assert real is not None
        assert (root / real.lstrip("/")).stat(follow_symlinks=False).st_ino == kernels


def _inode_in_chroot(root: Path, path: str) -> int | None:
    """The inode at a path inside a changed root, by the kernel; None if there is none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chroot(root)
            os.write(writing, str(Path(path).stat().st_ino).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return int(answer) if answer else None


def test_files_replace_links_atomically(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("untouched")
    (tmp_path / "file").symlink_to("target")
    root = Root(tmp_path)
    root.write("/file", b"new", 0o640, os.geteuid(), os.getegid())
    assert (tmp_path / "target").read_text() == "untouched"
    assert root.look("/file") == root.look("/file")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert root.names_in("/") == ["file", "target"]
    assert root.names_in("/nowhere") == []
    assert plan.PROGRAM.startswith("/")


@pytest.mark.parametrize("left", ["file", "folder", "link"])
def test_leftovers_of_a_killed_attempt_are_removed_by_the_next(tmp_path: Path, left: str) -> None:
    part = tmp_path / ".it.part"
    make: dict[str, Callable[[], None]] = {
        "file": part.touch, "folder": part.mkdir, "link": lambda: part.symlink_to("/etc/passwd")
    }  # fmt: skip
    for attempt in ("write", "link", "folder"):
        make[left]()
        owner = os.getuid(), os.getgid()
        if attempt == "write":
            Root(tmp_path).write("/it", b"content", 0o640, *owner)
        elif attempt == "link":
            Root(tmp_path).link("/it", "/elsewhere", *owner)
        else:
            Root(tmp_path).make_folder("/it", 0o751, *owner)
        entry = Root(tmp_path).look("/it")
        assert entry is not None
        assert [path.name for path in tmp_path.iterdir()] == ["it"]
        (Root(tmp_path).remove_folder if entry.kind == "folder" else Root(tmp_path).remove)("/it")


def test_a_full_disk_error_names_the_path(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as place:
        with filled(place), pytest.raises(OSError, match="No space left") as caught:
            Root(place).write("/it", bytes(100_000), 0o644, os.getuid(), os.getgid())
        assert caught.value.filename == "/it"
        assert list(place.iterdir()) == []
