"""Uninstall: the machine as before, with configuration and logs kept unless confirmed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from logger.install import plan, record, verbs
from tests.logger.install.conftest import Call, tree
from tests.logger.install.installing import CONFIGURATION, RECORDER, WITH_PIN

pytestmark = pytest.mark.process  # useradd


@pytest.mark.parametrize("options", [("--configuration",), ("--configuration", "--logs", "--yes")])
def test_uninstall_restores_the_machine(image: Path, call: Call, options: tuple[str, ...]) -> None:
    """Over other programs' files, links and folders, with their modes and owners."""
    (image / RECORDER).parent.mkdir(parents=True)
    (image / RECORDER).write_bytes(b"[Unit]\nDescription=somebody else's\n\0\xff")
    (image / RECORDER).chmod(0o600)
    os.chown(image / RECORDER, 7, 8)
    (image / "usr/local/bin/stagelog").write_text("#!/bin/sh\n")
    (image / "usr/local/bin/stagelog").chmod(0o755)
    (image / "etc/udev/rules.d/70-stagelog.rules").symlink_to("/dev/null")
    os.chown(image / "etc/udev/rules.d/70-stagelog.rules", 7, 8, follow_symlinks=False)
    (image / "var/lib/stagelog").mkdir(0o700)
    before = tree(image)
    call("install", *WITH_PIN, "--with", "journald", "--with", "hardware-watchdog")
    call("uninstall", *options)
    assert tree(image) == before


def test_uninstall_keeps_configuration_and_logs_and_their_owners(image: Path, call: Call) -> None:
    before = tree(image)
    call("install", *WITH_PIN)
    log = image / "var/lib/stagelog/stage11-1.db"
    log.write_bytes(b"a log")
    kept = tree(image)[CONFIGURATION]
    output = call("uninstall")
    assert {line for line in output if line.endswith(" stays")} == {
        f"{what} stays"
        for what in (plan.CONFIGURATION, plan.LOGS, "user stagelog", "user stagelog-crew", record.RECORD)
    }
    assert log.read_bytes() == b"a log"
    assert tree(image)[CONFIGURATION] == kept
    assert not list(image.rglob("*.service")) and not list(image.rglob("*.rules"))
    call("uninstall", "--configuration", "--logs", "--yes")
    assert tree(image) == before, "what remained can be removed later"


def test_logs_are_removed_only_after_confirmation(image: Path, call: Call) -> None:
    call("install", *WITH_PIN)
    log = image / "var/lib/stagelog/stage11-1.db"
    log.write_bytes(b"a log")
    before = tree(image)
    refused = CliRunner().invoke(verbs.uninstall, ["--root", str(image), "--logs"], input="n\n")
    assert refused.exit_code != 0
    assert tree(image) == before


def test_uninstall_without_an_installation_does_nothing(image: Path, call: Call) -> None:
    before = tree(image)
    assert call("uninstall", "--configuration", "--logs", "--yes") == [
        "nothing to do: stagelog is not installed"
    ]
    assert tree(image) == before
