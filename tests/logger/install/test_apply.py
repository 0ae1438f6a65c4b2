"""Commands after an installation: one that fails does not keep the recorder from its start."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.errors import StagelogError
from logger.install import apply

pytestmark = pytest.mark.process


def test_the_commands_after_a_failed_one_run(tmp_path: Path) -> None:
    started = tmp_path / "started"
    shown: list[str] = []
    commands = (("false",), ("no-such-program-here", "x"), ("touch", str(started)))
    with pytest.raises(StagelogError, match=r"false: exit code 1"):
        apply.run(commands, shown.append)
    assert started.exists()
    assert shown == ["run false", "run no-such-program-here x", f"run touch {started}"]
