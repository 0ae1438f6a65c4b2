"""The state of a log: recorded now, not closed since a power cut, closed; in the same words everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from logger.logfile.directory_lock import Hold, is_claimed
from logger.logfile.documents import STATE_WORDS, logs_document
from logger.logfile.open_or_quarantine import open_log
from tests.logger.command_line import ROOT, stagelog
from tests.logger.logfile.rows_made import META, START, drive


def states(folder: Path) -> dict[str, str]:
    return {entry["log"]: entry["state"] for entry in logs_document(folder)["logs"]}


def test_a_log_is_recorded_while_a_recorder_has_its_folder(tmp_path: Path) -> None:
    logs = []
    for name in ("a-001.db", "a-002.db"):
        log, _ = open_log(tmp_path / name)
        log.begin_session(START, META)
        log.write(drive())
        log.commit()
        logs.append(log)
    assert states(tmp_path) == {"a-001.db": "open", "a-002.db": "open"}
    hold = Hold(tmp_path)
    assert is_claimed(tmp_path)
    assert states(tmp_path) == {"a-001.db": "open", "a-002.db": "recording"}
    listed = stagelog("logs", folder=tmp_path).out.splitlines()
    assert [line.rpartition("MB  ")[2] for line in listed[1:]] == ["not closed", "recording"]
    assert "ended recording" in stagelog("info", "a-002.db", folder=tmp_path).out
    hold.release()
    assert not is_claimed(tmp_path)
    assert states(tmp_path)["a-002.db"] == "open"
    assert "ended power cut" in stagelog("info", "a-002.db", folder=tmp_path).out
    for log in logs:
        log.close()
    assert set(states(tmp_path).values()) == {"closed"}


def test_looking_takes_no_lock_that_a_recorder_would_meet(tmp_path: Path) -> None:
    hold = Hold(tmp_path)
    hold.release()
    for _ in range(100):
        assert not is_claimed(tmp_path)
        Hold(tmp_path).release()


def test_the_page_of_logs_has_the_same_words() -> None:
    static = ROOT / "logger/crew/static"
    text = "".join(path.read_text(encoding="utf-8") for path in (static / "logs.js", static / "texts/en.js"))
    assert [word for word in STATE_WORDS.values() if f'"{word}"' not in text] == []


def test_the_schemas_know_every_state() -> None:
    for name in ("logs", "info"):
        schema = json.loads((ROOT / f"logger/cli/json_schemas/{name}.json").read_text(encoding="utf-8"))
        assert {"enum": list(STATE_WORDS)} in list(_objects(schema))


def _objects(node: object) -> Iterator[object]:
    if isinstance(node, dict | list):
        yield node
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _objects(inner)
