"""A real `stagelog serve` on every address, and the crew that still gets its page after each attack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.field_failures.recorder_process import until
from tests.logger.crew.attacker.raw_requests import LOG, MAY_GROW_KB, SECRET, crew_sees
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, login, serving
from tests.logger.transfer.logs_made import closed


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log directory with a log, and secrets in and around it."""
    folder = tmp_path_factory.mktemp("car")
    logs = folder / "logs"
    closed(logs / LOG)
    (folder / "secret.db").write_bytes(SECRET)
    (logs / "inside").mkdir()
    (logs / "inside" / "deep.db").write_bytes(SECRET)
    (logs / "link.db").symlink_to(folder / "secret.db")
    (logs / "passwd.db").symlink_to("/etc/passwd")
    (logs / "up.db").symlink_to("..")
    (logs / "dangling.db").symlink_to("nowhere")
    return folder


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[Served]:
    with serving(place, place / "live.sock", host=EVERYWHERE, pin=PIN) as server:
        yield server
        output = server.output.read_text()
        assert "Traceback" not in output, output
        assert PIN not in output


@pytest.fixture(scope="module")
def cookie(served: Served) -> str:
    """The session cookie of a crew member."""
    return login(served, PIN).headers["set-cookie"].partition(";")[0]


@pytest.fixture(autouse=True)
def crew_is_served(served: Served, cookie: str) -> Iterator[None]:
    """After the body the crew gets its page, and the server uses no more memory than before."""
    before = served.resident_kb
    yield
    until(lambda: crew_sees(served, cookie), 60.0)
    grown = served.resident_kb - before
    assert grown < MAY_GROW_KB, f"{grown} kB more"
