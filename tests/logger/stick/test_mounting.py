"""`stagelog stick --device` on real sticks: mounted, filled, let go of, and the crew told how it went."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from logger.stick.mounting import MARKER
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
