"""Install over an earlier installation: kept configuration, changed files, other versions, power cuts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from logger.install import apply, change, plan, record, verbs
from logger.install.plan import shipped
from logger.install.root import Root
from tests.figures import Figures
from tests.logger.install.conftest import Call, tree
from tests.logger.install.installing import CONFIGURATION, RECORDER, WITH_PIN, add_users

pytestmark = pytest.mark.process  # useradd


def test_an_existing_configuration_is_kept(image: Path, call: Call) -> None:
    """Only its permissions are corrected, and restored at uninstall."""
    (image / CONFIGURATION).parent.mkdir()
    (image / CONFIGURATION).write_text('[gps]\nport = "/dev/ttyUSB7"\n')
    (image / CONFIGURATION).chmod(0o644)
    before = tree(image)
    call("install", *WITH_PIN)
    assert (image / CONFIGURATION).read_text() == '[gps]\nport = "/dev/ttyUSB7"\n'
    assert (image / CONFIGURATION).stat().st_mode & 0o777 == 0o640
    call("uninstall", "--configuration")
    assert tree(image) == before


def test_a_configuration_behind_a_link_stays_there(image: Path, call: Call) -> None:
    (image / CONFIGURATION).parent.mkdir()
    (image / CONFIGURATION).symlink_to("/data/stagelog.toml")
    call("install", *WITH_PIN)
    assert (image / CONFIGURATION).readlink() == Path("/data/stagelog.toml")


def test_errors_of_a_kept_configuration_are_reported(image: Path, call: Call) -> None:
    (image / CONFIGURATION).parent.mkdir()
    (image / CONFIGURATION).write_text('[gsp]\nport = "/dev/ttyUSB7"\n')
    result = CliRunner().invoke(verbs.install, ["--root", str(image), "--yes"], catch_exceptions=False)
    assert "gsp" in result.stderr and "will not start" in result.stderr
    assert result.exit_code == 0, "a later version may be stricter: the owner edits the file to fix it"


def test_an_upgrade_replaces_own_files_backs_up_edits_and_removes_obsolete_files(
    image: Path, call: Call
) -> None:
    call("install", *WITH_PIN, "--with", "journald")
    new = image / "etc/systemd/system/stagelog-crew.service"
    edited = image / "etc/udev/rules.d/70-stagelog.rules"
    of_the_older_version = {"stagelog-crew.service": b"[Unit]\n# an older version\n"}
    root, known = Root(image), record.load(Root(image))
    assert known is not None
    older = plan.installation(
        {**shipped(), **of_the_older_version}, program="/opt/stagelog-0.0/bin/stagelog", configuration=b""
    )
    apply.carry_out(change.to_install(older, root, known), root, known, lambda _: None)
    assert new.read_bytes() == of_the_older_version["stagelog-crew.service"]
    assert not (image / "etc/systemd/journald.conf.d").exists(), "files of unknown options are restored"
    edited.write_bytes(b"# by hand\n")
    configuration = (image / CONFIGURATION).read_bytes()
    output = call("install", "--yes")
    assert "edited" in "\n".join(output)
    assert new.read_bytes() == shipped()["stagelog-crew.service"]
    assert edited.with_name("70-stagelog.rules.edited-1").read_bytes() == b"# by hand\n"
    assert (image / "usr/local/bin/stagelog").readlink() == Path("/opt/stagelog/bin/stagelog")
    assert (image / CONFIGURATION).read_bytes() == configuration


def test_downgrade_and_upgrade(image: Path, call: Call) -> None:
    """Between two versions, one with more units and options, with a season's logs on the card."""
    call("install", *WITH_PIN, "--with", "power-off", "--with", "chrony")
    log = image / "var/lib/stagelog/stage11-1.db"
    log.write_bytes(b"a log")
    newer = tree(image)
    root, known = Root(image), record.load(Root(image))
    assert known is not None
    files = {**shipped(), "stagelog-recorder.service": b"[Unit]\n# one version back\n"}
    older = [
        step
        for step in plan.installation(files, program="/opt/stagelog-0.0/bin/stagelog", configuration=b"")
        if isinstance(step, plan.Account) or "stick" not in step.path
    ]
    known.software, known.options = "0.0", ()
    apply.carry_out(change.to_install(older, root, known), root, known, lambda _: None)
    left = {name for name in newer if name not in tree(image)}
    shell = ("usr/share", "usr/local/share")  # completions and the man page, which this older version lacks
    assert {name for name in left if not name.startswith(shell)} == {
        "etc/systemd/system/stagelog-stick@.service",
        "etc/systemd/system/stagelog-power-off.path",
        "etc/systemd/system/stagelog-power-off.service",
        "etc/systemd/system/multi-user.target.wants/stagelog-power-off.path",
        "etc/systemd/system/chrony.service.d",
        "etc/systemd/system/chrony.service.d/stagelog.conf",
        "etc/chrony",
        "etc/chrony/conf.d",
        "etc/chrony/conf.d/stagelog.conf",
    }
    for kept in (CONFIGURATION, "var/lib/stagelog", "var/lib/stagelog/stage11-1.db"):
        assert tree(image)[kept] == newer[kept]
    call("install", "--yes", "--with", "power-off", "--with", "chrony")
    assert {name: entry for name, entry in tree(image).items() if name != record.RECORD.lstrip("/")} == {
        name: entry for name, entry in newer.items() if name != record.RECORD.lstrip("/")
    }


class PowerCutError(Exception):
    """A simulated power cut."""


class CutRoot(Root):
    """A machine whose power is cut before its `last`th change."""

    def __init__(self, directory: Path, last: int) -> None:
        super().__init__(directory)
        self._left = last

    def __getattribute__(self, name: str) -> Any:
        if name in ("write", "link", "make_folder", "own", "rename", "remove", "remove_folder", "empty"):
            self._left -= 1
            if self._left < 0:
                raise PowerCutError
        return super().__getattribute__(name)


@pytest.mark.parametrize("verb", ["install", "uninstall"])
@pytest.mark.parametrize("then", ["finish", "undo"])
def test_after_a_power_cut_at_any_write_it_can_be_finished_or_undone(
    image: Path, call: Call, verb: str, then: str, figures: Figures
) -> None:
    """At most the empty folder of the record remains."""
    (image / RECORDER).parent.mkdir(parents=True)
    (image / RECORDER).write_text("somebody else's")
    add_users(image)  # creating and removing them hundreds of times would take minutes
    before = tree(image)
    call("install", *WITH_PIN)
    done = tree(image)
    call("uninstall", "--configuration")
    cuts = 0
    while _is_cut_off(image, call, verb, cuts):
        cuts += 1
        if then == "finish":
            call("install", *WITH_PIN)
            assert set(tree(image)) == set(done)
        call("uninstall", "--configuration")
        left = tree(image)
        left.pop("usr/local/lib/stagelog", None)
        assert left == before, f"cut off at change {cuts}"
        with suppress(FileNotFoundError):
            (image / "usr/local/lib/stagelog").rmdir()
    figures.note(f"{verb}: power cut at each of {cuts} changes, then {then}: nothing left behind")
    assert cuts > 12


def _is_cut_off(image: Path, call: Call, verb: str, last: int) -> bool:
    if verb == "uninstall":
        call("install", *WITH_PIN)
    root = CutRoot(image, last)
    known = record.load(root) or record.Record()
    if verb == "install":
        steps = plan.installation(
            shipped(), program="/opt/stagelog/bin/stagelog", configuration=b'[gps]\nport = "/dev/gps"\n'
        )
        changes = change.to_install(steps, root, known)
    else:
        changes = change.to_uninstall(root, known, configuration=True, logs=False)
    try:
        apply.carry_out(changes, root, known, lambda _: None)
    except PowerCutError:
        return True
    return False
