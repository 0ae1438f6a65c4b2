"""SFTP store on a local OpenSSH server with key authentication, and a server with a wrong host key."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.errors import DeviceError
from logger.fleet import cluster, known_hosts
from logger.fleet.add import Adder, restore
from logger.fleet.catalogue import entries
from logger.fleet.query import run_query
from logger.fleet.review import judge_in_loop, review, run_of
from logger.fleet.store import INCOMING, Store
from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.fleet.stores import assert_consistent, files
from tests.reserved_port import reserved_port

pytest.importorskip("paramiko", reason="needs the driver for SFTP: pip install paramiko")
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
if SSHD is None:
    pytest.skip("needs OpenSSH's server: apt install openssh-server", allow_module_level=True)

PATIENCE_S = 30.0
CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/home/.ssh/id_ed25519.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
Subsystem sftp internal-sftp
"""


def key(path: Path) -> str:
    """Create a key pair and return the public key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder with a key that the server accepts and the server's host key; HOME for this module."""
    folder = tmp_path_factory.mktemp("ssh")
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    key(home / ".ssh" / "id_ed25519")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HOME", str(home))
        environment.delenv("SSH_AUTH_SOCK", raising=False)
        environment.setitem(ENVIRONMENT, "HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def port(home: Path) -> Iterator[int]:
    """Port of a server in known_hosts."""
    with reserved_port() as number, sshd(home.parent, home, number):
        yield number


@contextmanager
def sshd(folder: Path, home: Path, number: int) -> Iterator[None]:
    """The server itself."""
    public = key(folder / "host_key")
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{number} {public}")
    (folder / "sshd_config").write_text(CONFIG.format(port=number, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)  # needed by sshd as root
    command = [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]
    with (
        (folder / "output").open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as server,
    ):
        try:
            ends = time.monotonic() + PATIENCE_S
            while b"Server listening" not in (folder / "output").read_bytes():
                if server.poll() is not None or time.monotonic() > ends:
                    pytest.skip(f"sshd does not run here: {(folder / 'output').read_text()}")
                time.sleep(0.05)
            yield
        finally:
            server.terminate()


@pytest.fixture
def url(port: int, tmp_path: Path) -> str:
    return f"sftp://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/season"


def test_add_review_and_query_over_sftp(url: str, pair: list[Path], tmp_path: Path) -> None:
    for text in ("added", "already in the store"):
        ended = stagelog("fleet", "add", *pair, "--store", url, folder=tmp_path)
        assert (ended.code, ended.out) == (0, "".join(f"{log.name}: {text}\n" for log in pair)), ended
        there = {path: path.stat().st_mtime_ns for path in (tmp_path / "season").rglob("*.parquet")}
        if text == "added":
            first = there
    assert there == first
    store = Store(url)
    assert store.url == url
    assert list((tmp_path / "season" / INCOMING).iterdir()) == []
    assert_consistent(store)
    assert restore(store, entries(store)[1], tmp_path).read_bytes() == pair[1].read_bytes()
    both = "SELECT DISTINCT fix.car FROM fix JOIN progress ON fix.log = progress.log ORDER BY 1"
    with run_query(store, both) as answer:  # two tables are read at once
        assert answer is not None
        assert [row["car"] for row in answer.read_all().to_pylist()] == [71, 72]


def test_workers_reach_the_server(url: str, pair: list[Path], tmp_path: Path) -> None:
    """A worker receives only the store's URL, which must contain the host."""
    folder = Store(str(tmp_path / "folder"))
    for place in (folder, Store(url)):
        for log in pair:
            Adder(place).add(log)
    store = Store(url)
    expected = review(run_of(folder, "rallysafe"), entries(folder), judge_in_loop, lambda _done: None)
    with cluster.workers(None, 1) as judged:
        assert review(run_of(store, "rallysafe"), entries(store), judged, lambda _done: None) == expected
    documents = [name for name in files(store) if "/json/" in name]
    assert len(documents) == len(pair)


def test_a_server_with_another_host_key_is_refused(
    url: str, home: Path, pair: list[Path], tmp_path: Path
) -> None:
    known = home / ".ssh" / "known_hosts"
    right = known.read_text()
    try:
        for other in (key(tmp_path / "other"), ""):
            known.write_text(f"{right.split()[0]} {other}" if other else "")
            ended = stagelog("fleet", "add", pair[0], "--store", url, folder=tmp_path)
            assert (ended.code, known_hosts.KNOWN_HOSTS in ended.complaint) == (69, True), ended
    finally:
        known.write_text(right)
    assert not (tmp_path / "season").exists()


def test_a_missing_server_is_a_one_line_error_without_the_password(
    home: Path, pair: list[Path], tmp_path: Path
) -> None:
    with reserved_port() as port:
        url = f"sftp://crew:secret@127.0.0.1:{port}/season"
        with pytest.raises(DeviceError):
            Store(url)
        ended = stagelog("fleet", "add", pair[0], "--store", url, folder=tmp_path)
    assert ended.code == 69
    assert "secret" not in ended.complaint
    assert "crew:***@127.0.0.1" in ended.complaint
