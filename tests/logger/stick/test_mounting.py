"""`stagelog stick --device` on real sticks: mounted, filled, unmounted, and the outcome shown to the crew."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.errors import DeviceError
from logger.stick import mounting
from logger.stick.mounting import MARKER, MARKER_ALL, mounted
from tests.logger.stick.conftest import STICK_MB, image
from tests.logger.stick.test_verb import configured, stick_verb
from tests.logger.transfer.logs_made import closed, large


@contextmanager
def listening(live_socket: Path) -> Iterator[list[tuple[str, str]]]:
    """A stand-in for the recorder: the states and details that it receives."""
    received: list[tuple[str, str]] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(live_socket))
        server.listen()

        def take() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, connection.makefile("rwb") as lines:
                    message = json.loads(lines.readline())
                    received.append((message["state"], message["detail"]))
                    lines.write(b'{"answer": "stick", "ok": true}\n')

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield received
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def in_hand(place: Path, *names: str) -> Iterator[str]:
    """The device of an unmounted stick with some files in its root folder."""
    on_it = place.with_name("on-it")
    on_it.mkdir()
    for name in names:
        (on_it / name).touch()
    with image(place, "ext4", "-d", str(on_it)) as device:
        yield device


def test_an_incomplete_delivery_is_not_reported_as_done(logs: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    closed(logs / "a-001.db")
    with (
        in_hand(tmp_path / "stick.img", MARKER) as device,
        listening(tmp_path / "live.sock") as received,
    ):
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
        assert done.returncode == 0, done
        assert received[-1] == ("done", "1 log copied, 0 MB. It may be pulled.")
        large(logs / "b-001.db", STICK_MB + 4)
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
        assert done.returncode == 1, done
        state, detail = received[-1]
        assert state == "partly" and detail.startswith("0 of 1 logs delivered; b-001.db: does not fit")


def test_a_second_stick_that_asks_for_all_logs_gets_them(logs: Path, tmp_path: Path) -> None:
    """A backup, or after the first stick was lost. When it has all logs, nothing is new."""
    place = tmp_path / "place"
    place.mkdir()
    closed(logs / "a-001.db")
    message = []
    for number, names in enumerate(([MARKER], [MARKER], [MARKER_ALL])):
        with in_hand(tmp_path / f"stick-{number}.img", *names) as device:
            for _ in range(2):
                done = stick_verb("--device", device, place, "-c", configured(tmp_path))
                assert done.returncode == 0, done
                message.append(done.stdout.splitlines()[-1])
        shutil.rmtree(tmp_path / "on-it")
    first, second, third = message[:2], message[2:4], message[4:]
    assert first == third == ["1 log copied, 0 MB", "nothing new"]
    assert second == ["nothing new"] * 2


@contextmanager
def mounted_elsewhere(device: str, there: Path) -> Iterator[None]:
    """Mounted by an automounter, or because the car boots from it."""
    there.mkdir()
    subprocess.run(["mount", device, str(there)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(there)], check=True)


def test_a_mounted_disk_is_skipped_silently(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with (
        in_hand(tmp_path / "stick.img", MARKER) as device,
        mounted_elsewhere(device, tmp_path / "there"),
        listening(tmp_path / "live.sock") as received,
    ):
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
    assert (done.returncode, done.stderr, received) == (0, "", [])
    assert (
        done.stdout == f"{device} has no STAGELOG label or marker file, or is already mounted: left alone\n"
    )


def test_a_mounted_stagelog_stick_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner labelled it and expects the logs."""
    with in_hand(tmp_path / "stick.img") as device, mounted_elsewhere(device, tmp_path / "there"):
        monkeypatch.setattr(mounting, "BY_LABEL", Path(device))
        refused = pytest.raises(DeviceError, match=f"already mounted; .*umount {device}")
        with refused, mounted(Path(device), tmp_path):
            pass


@contextmanager
def write_protected(device: str) -> Iterator[None]:
    """Write-protect a loop device; it keeps the switch for its next user, so undo it."""
    subprocess.run(["blockdev", "--setro", device], check=True)
    try:
        yield
    finally:
        subprocess.run(["blockdev", "--setrw", device], check=True)


def test_a_write_protected_stick_is_shown_to_the_crew(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with (
        in_hand(tmp_path / "stick.img", MARKER) as device,
        write_protected(device),
        listening(tmp_path / "live.sock") as received,
    ):
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
    assert done.returncode == 69 and done.stderr.count("\n") == 1, done
    ((state, detail),) = received
    assert state == "failed" and "cannot be written: " in detail
