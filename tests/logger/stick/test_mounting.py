"""`stagelog stick --device` on real sticks: mounted, filled, unmounted, and the crew told how it went."""

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
    """In the recorder's place: the states that were told, with their words."""
    told: list[tuple[str, str]] = []
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
                    said = json.loads(lines.readline())
                    told.append((said["state"], said["detail"]))
                    lines.write(b'{"answer": "stick", "ok": true}\n')

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def in_hand(place: Path, *names: str) -> Iterator[str]:
    """A stick with some files at its top, not mounted: its device."""
    on_it = place.with_name("on-it")
    on_it.mkdir()
    for name in names:
        (on_it / name).touch()
    with image(place, "ext4", "-d", str(on_it)) as device:
        yield device


def test_a_stick_that_got_not_all_is_not_called_done(logs: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    closed(logs / "a-001.db")
    with (
        in_hand(tmp_path / "stick.img", MARKER) as device,
        listening(tmp_path / "live.sock") as told,
    ):
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
        assert done.returncode == 0, done
        assert told[-1] == ("done", "1 log copied, 0 MB. It may be pulled.")
        large(logs / "b-001.db", STICK_MB + 4)
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
        assert done.returncode == 1, done
        state, detail = told[-1]
        assert state == "partly" and detail.startswith("0 of 1 logs delivered; b-001.db: does not fit")


def test_a_second_stick_gets_all_logs_if_it_asks_for_them(logs: Path, tmp_path: Path) -> None:
    """A backup, or after the first one was lost; once it has them there is nothing new."""
    place = tmp_path / "place"
    place.mkdir()
    closed(logs / "a-001.db")
    said = []
    for number, names in enumerate(([MARKER], [MARKER], [MARKER_ALL])):
        with in_hand(tmp_path / f"stick-{number}.img", *names) as device:
            for _ in range(2):
                done = stick_verb("--device", device, place, "-c", configured(tmp_path))
                assert done.returncode == 0, done
                said.append(done.stdout.splitlines()[-1])
        shutil.rmtree(tmp_path / "on-it")
    first, second, third = said[:2], said[2:4], said[4:]
    assert first == third == ["1 log copied, 0 MB", "nothing new"]
    assert second == ["nothing new"] * 2


@contextmanager
def mounted_elsewhere(device: str, there: Path) -> Iterator[None]:
    """By an automounter, or because the car boots from it."""
    there.mkdir()
    subprocess.run(["mount", device, str(there)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(there)], check=True)


def test_a_disk_that_is_in_use_is_left_alone_and_nobody_is_told(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with (
        in_hand(tmp_path / "stick.img", MARKER) as device,
        mounted_elsewhere(device, tmp_path / "there"),
        listening(tmp_path / "live.sock") as told,
    ):
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
    assert (done.returncode, done.stderr, told) == (0, "", [])
    assert (
        done.stdout == f"{device} has no STAGELOG label or marker file, or is already mounted: left alone\n"
    )


def test_a_stick_of_ours_that_is_in_use_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who labelled it waits for the logs."""
    with in_hand(tmp_path / "stick.img") as device, mounted_elsewhere(device, tmp_path / "there"):
        monkeypatch.setattr(mounting, "BY_LABEL", Path(device))
        refused = pytest.raises(DeviceError, match=f"already mounted; .*umount {device}")
        with refused, mounted(Path(device), tmp_path):
            pass


@contextmanager
def write_protected(device: str) -> Iterator[None]:
    """A loop device keeps its switch for whoever has it next."""
    subprocess.run(["blockdev", "--setro", device], check=True)
    try:
        yield
    finally:
        subprocess.run(["blockdev", "--setrw", device], check=True)


def test_a_write_protected_stick_is_said_to_the_crew(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with (
        in_hand(tmp_path / "stick.img", MARKER) as device,
        write_protected(device),
        listening(tmp_path / "live.sock") as told,
    ):
        done = stick_verb("--device", device, place, "-c", configured(tmp_path))
    assert done.returncode == 69 and done.stderr.count("\n") == 1, done
    ((state, detail),) = told
    assert state == "failed" and "cannot be written: " in detail
