"""Names of logs that are not allowed here, and lists with invalid entries beside a valid log."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from logger.boundary.untrusted_json import MAX_BYTES
from tests.logger.transfer.hostile_car.lying import ETAG, NAME, Fetch, at_list, listing
from tests.logger.transfer.hostile_server import (
    HostileServer,
    answer,
    log_named,
)
from tests.logger.transfer.logs_made import closed

pytestmark = pytest.mark.load_sensitive


HOSTILE_NAMES = [
    "../../evil.db",
    "/tmp/evil.db",  # noqa: S108
    "C:\\evil.db",
    "..\\evil.db",
    "CON.db",
    "evil\x1b[2J\x1b]0;x\x07.db",
    "evil\n stagelog: all is well.db",
    "evil\u202e.db",
    "evil\ud800.db",
    "evil\0.db",
    ".ssh.db",
    "n" * 300 + ".db",
    "n" * 190 + ".db",
    "",
    None,
    5,
    ["a.db"],
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_a_name_that_is_not_allowed_here_is_reported_and_left_out(
    name: Any, fetch: Fetch, laptop: Path
) -> None:
    log = {**log_named(NAME), "name": name}
    with HostileServer(listing(lambda: [answer(b"x", 200, ETAG)], log)) as server:
        done = fetch(server.port)
        assert server.requested("GET") == 1
    assert done.code == 0
    assert len(done.err) == 1
    assert "left out" in done.err[0]
    assert list(laptop.iterdir()) == []
    assert list(laptop.parent.iterdir()) == [laptop]


def test_bad_lists_with_a_valid_log_in_them(fetch: Fetch, laptop: Path, tmp_path: Path) -> None:
    """Duplicate names, names that differ by case, impossible states, escape sequences: the valid log arrives."""
    data = closed(tmp_path / "made" / NAME, 10).read_bytes()
    etag = f'ETag: "{hashlib.sha256(data).hexdigest()}"'
    logs = [
        *(log_named("../evil.db") for _ in range(1000)),
        log_named(NAME),
        log_named(NAME, rows=5),
        log_named("a.db", withheld="\x1b[31mno\nsuch"),
        log_named(NAME.upper(), rows=-1, identity="../../x", session=2**64, t_us="now"),
        {"name": "STAGE-1-001.db", "identity": "zz", "session": True, "t_us": None, "rows": {}},
    ]
    with HostileServer(listing(lambda: [answer(data, 200, etag)], *logs)) as server:
        done = fetch(server.port)
    assert done.code == 0, done
    assert (laptop / NAME).read_bytes() == data
    assert (laptop / "STAGE-1-001.db").read_bytes() == data
    assert {path.name for path in laptop.iterdir()} == {NAME, "STAGE-1-001.db"}
    assert "999 others" in "".join(done.err)
    assert "more than once: 1" in "".join(done.err)
    assert "\\x1b[31mno\\nsuch" in done.out


def test_a_list_of_the_maximum_length(fetch: Fetch) -> None:
    names = [{"name": f"{number}.db"} for number in range(30_000)]
    body = json.dumps({"logs": names}).encode()
    assert len(body) < MAX_BYTES
    with HostileServer(at_list(answer(body))) as server:
        done = fetch(server.port, "--name", "none*")
    assert done.code == 74
    assert "20,000 logs over 10,000" in done.err[0]
    assert len(done.err) == 2


def test_the_error_of_a_log_is_one_line(fetch: Fetch, laptop: Path) -> None:
    logs = [log_named(f"stage-{number}.db") for number in range(3)]
    error_body = json.dumps({"error": "no\x1b[2J such log\nstagelog: all is well"}).encode()
    with HostileServer(listing(lambda: [answer(error_body, 404)], *logs)) as server:
        done = fetch(server.port)
    assert done.code == 1
    assert len(done.out.splitlines()) == 3
    assert list(laptop.iterdir()) == []
