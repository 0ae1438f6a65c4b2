"""Blocks of rows are the same from SQLite's pages and through SQL; a damaged log gives an error and nothing else."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.errors import LogError
from logger.logfile.blocks import fix_blocks, frame_blocks, reading_blocks
from logger.logfile.border import open_log_readonly
from logger.logfile.selection import select
from tests.logger.export.logs_made import opened


def test_pages_and_sql_give_the_same_blocks(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(section: int | None) -> list[list[Any]]:
        with opened(log) as connection:
            chosen = select(connection, section=section)
            read: list[list[Any]] = [
                list(fix_blocks(connection, chosen, lambda _done: None)),
                list(frame_blocks(connection, chosen, lambda _done: None)),
                list(reading_blocks(connection, chosen)),
            ]
        return [[np.concatenate(column).tolist() for column in zip(*blocks, strict=True)] for blocks in read]

    for section in (None, 1):
        by_pages = everything(section)
        with monkeypatch.context() as patched:
            patched.setattr("logger.logfile.blocks.table_of", lambda _connection, _name: None)
            by_sql = everything(section)
        for ours, theirs in zip(by_pages, by_sql, strict=True):
            assert len(ours[0]) > 50
            for column, other in zip(ours, theirs, strict=True):
                assert list(map(repr, column)) == list(map(repr, other))  # to the last bit, and NaN is NaN


def test_damage_is_an_error_and_nothing_else(log: Path, tmp_path: Path) -> None:
    """Bytes changed at random and files truncated: values or a LogError, in bounded time."""
    whole = log.read_bytes()
    rng = random.Random(11)
    damaged = tmp_path / "damaged.db"
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 60)):
            data[rng.randrange(4096, len(data))] = rng.randrange(256)
        damaged.write_bytes(data[: rng.choice((len(data), rng.randrange(len(data) // 2, len(data))))])
        try:
            with open_log_readonly(damaged) as connection:
                for blocks in (fix_blocks, frame_blocks):
                    for _ in blocks(connection, select(connection), lambda _done: None):
                        pass
        except LogError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 20
