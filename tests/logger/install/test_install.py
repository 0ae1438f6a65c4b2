"""Real installations into an image: repeated, over existing files, interrupted, and removed."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from firmware_bridge.errors import ConfigurationError, LogError, StagelogError
from logger.config import configuration
from logger.install import apply, change, plan, record, verbs
from logger.install.adapters import Adapter
from logger.install.configuration import GPS_NAME
from logger.install.plan import shipped
from logger.install.root import Root
from tests.figures import Figures
from tests.logger.install.conftest import PIN, Call, tree

CONFIGURATION = plan.CONFIGURATION.lstrip("/")
RECORDER = "etc/systemd/system/stagelog-recorder.service"
WITH_PIN = ("--pin-file", "-", "--number", "500")


def test_every_file_is_installed_with_its_owner_and_mode(image: Path, call: Call) -> None:
    call("install", *WITH_PIN, "--bitrate", "250000")
    users = (image / "etc/passwd").read_text()
    uids = {line.split(":")[0]: int(line.split(":")[2]) for line in users.splitlines()}
    gid = int((image / "etc/group").read_text().split("\nstagelog:x:")[1].split(":")[0])
    found = {name: (oct(entry[1]), *entry[2:4]) for name, entry in tree(image).items() if "stagelog" in name}
    assert found["etc/stagelog"] == ("0o750", 0, gid)
    assert found[CONFIGURATION] == ("0o640", 0, gid)
    assert found["var/lib/stagelog"] == ("0o750", uids["stagelog"], gid)
    assert found[RECORDER] == ("0o644", 0, 0)
    assert found[record.RECORD.lstrip("/")] == ("0o600", 0, 0)
    assert uids["stagelog-crew"] not in (0, uids["stagelog"])
    assert (image / RECORDER).read_bytes() == shipped()["stagelog-recorder.service"]
    assert (image / "usr/local/bin/stagelog").readlink() == Path("/opt/stagelog/bin/stagelog")
    read = configuration.load(image / CONFIGURATION)
    assert (read.car.number, read.can[0].bitrate, read.serve.pin) == (500, 250_000, PIN)


def test_the_pin_is_only_in_the_configuration(image: Path, call: Call) -> None:
    output = "\n".join(call("install", *WITH_PIN))
    assert PIN not in output
    holding = [name for name, entry in tree(image).items() if PIN in str(entry[-1])]
    assert holding == [CONFIGURATION]


def test_without_a_pin_the_page_is_local(image: Path, call: Call) -> None:
    call("install", "--yes")
    serve = configuration.load(image / CONFIGURATION).serve
    assert (serve.host, serve.pin) == ("127.0.0.1", None)


@pytest.mark.parametrize(
    "arguments", [("--can-port", "can1"), ("--protocol", "socketcan", "--can-port", "can1")]
)
def test_a_can_interface_is_set_up_and_uninstalled(
    image: Path, call: Call, arguments: tuple[str, ...]
) -> None:
    before = tree(image)
    call("install", *WITH_PIN, *arguments)
    (can,) = configuration.load(image / CONFIGURATION).can
    assert (can.port, can.protocol, can.listen_only) == ("can1", "socketcan", True)
    for name, place in plan.OPTIONS["socketcan"].items():
        assert (image / place.lstrip("/")).read_bytes() == shipped()[name]
    assert call("install", *WITH_PIN) == ["nothing to do: stagelog is installed and up to date"]
    call("uninstall", "--configuration", "--logs", "--yes")
    assert tree(image) == before


def test_without_a_can_interface_the_recorder_keeps_the_stricter_unit(image: Path, call: Call) -> None:
    call("install", *WITH_PIN)
    assert not [place for place in plan.OPTIONS["socketcan"].values() if (image / place.lstrip("/")).exists()]


def test_a_configuration_with_an_interface_reports_the_missing_option(image: Path) -> None:
    (image / "etc/stagelog").mkdir()
    (image / CONFIGURATION).write_text('[[can]]\nname = "engine"\nport = "can0"\nprotocol = "socketcan"\n')
    for arguments, is_reported in (((), True), (("--with", "socketcan"), False)):
        output = CliRunner().invoke(verbs.install, ["--root", str(image), "--yes", *arguments]).output
        doubt = "the recorder may not read can0; `sudo stagelog install --with socketcan`"
        assert (doubt in output) == is_reported


def test_a_second_install_changes_nothing(image: Path, call: Call) -> None:
    call("install", *WITH_PIN)
    before = tree(image)
    assert call("install", *WITH_PIN) == ["nothing to do: stagelog is installed and up to date"]
    assert tree(image) == before


def test_a_dry_run_prints_the_steps_and_changes_nothing(image: Path, call: Call) -> None:
    for options in (WITH_PIN, ("--with", "journald"), ("--without", "journald", "--with", "read-only-root")):
        before = tree(image)
        announced = call("install", "--dry-run", *options)
        assert tree(image) == before
        assert call("install", *options) == announced
        assert tree(image) != before
    for removed in ((), ("--configuration", "--logs", "--yes")):
        before = tree(image)
        announced = call("uninstall", "--dry-run", *removed)
        assert tree(image) == before
        assert call("uninstall", *removed) == announced
        assert tree(image) != before


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
    assert left == {
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
    _add_users(image)  # creating and removing them hundreds of times would take minutes
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


def _add_users(image: Path, *names: str) -> None:
    with (image / "etc/group").open("a") as group, (image / "etc/passwd").open("a") as passwd:
        group.write("stagelog:x:321:\n")
        for number, name in enumerate(names or ("stagelog", "stagelog-crew")):
            passwd.write(f"{name}:x:{321 + number}:321::/:/usr/sbin/nologin\n")


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


def test_existing_users_are_kept(image: Path, call: Call) -> None:
    _add_users(image, "stagelog")
    call("install", *WITH_PIN)
    call("uninstall", "--configuration")
    assert "stagelog:x:321:321" in (image / "etc/passwd").read_text()
    assert "stagelog-crew" not in (image / "etc/passwd").read_text()
    assert "stagelog:x:321:" in (image / "etc/group").read_text()


def test_a_user_of_the_same_name_in_another_group_is_refused(image: Path, call: Call) -> None:
    with (image / "etc/passwd").open("a") as passwd:
        passwd.write("stagelog:x:1000:1000::/home/stagelog:/bin/bash\n")
    before = tree(image)
    with pytest.raises(ConfigurationError, match="not in group"):
        call("install", *WITH_PIN)
    assert tree(image) == before


@pytest.mark.parametrize("blocked", [RECORDER, CONFIGURATION, "etc/udev/rules.d/70-stagelog.rules"])
def test_a_folder_in_the_way_is_reported_before_any_change(image: Path, call: Call, blocked: str) -> None:
    (image / blocked).mkdir(parents=True)
    before = tree(image)
    with pytest.raises(ConfigurationError, match="blocks the installation"):
        call("install", *WITH_PIN)
    assert tree(image) == before


@pytest.mark.parametrize("garbage", [b"", b"{}", b"[1]", b"\xff", b'{"format": 99}', b"null"])
def test_a_damaged_record_is_reported_before_any_change(image: Path, call: Call, garbage: bytes) -> None:
    call("install", *WITH_PIN)
    (image / record.RECORD.lstrip("/")).write_bytes(garbage)
    before = tree(image)
    for verb in ("install", "uninstall"):
        with pytest.raises(LogError, match="cannot be read"):
            call(verb)
    assert tree(image) == before


def test_uninstall_without_an_installation_does_nothing(image: Path, call: Call) -> None:
    before = tree(image)
    assert call("uninstall", "--configuration", "--logs", "--yes") == [
        "nothing to do: stagelog is not installed"
    ]
    assert tree(image) == before


@pytest.mark.parametrize("place", ["/home/pi/venv/bin/stagelog", "/root/stagelog", "/tmp/x", "stagelog"])  # noqa: S108
def test_a_program_that_the_services_cannot_see_is_refused(image: Path, call: Call, place: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot run it from there"):
        call("install", *WITH_PIN, "--program", place)


def test_a_program_at_the_units_path_is_accepted(image: Path, call: Call) -> None:
    (image / "usr/local/bin/stagelog").write_text("#!/bin/sh\n")
    call("install", *WITH_PIN, "--program", plan.PROGRAM)
    assert (image / "usr/local/bin/stagelog").read_text() == "#!/bin/sh\n"


def output_of(image: Path, *arguments: str, stdin: bytes = b"") -> str:
    """The terminal output of an installation. Fails unless it succeeds."""
    command = ["--root", str(image), *arguments]
    result = CliRunner().invoke(verbs.install, command, input=stdin, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stderr


def test_an_option_of_a_later_version_is_reported_and_removed(image: Path, call: Call) -> None:
    call("install", *WITH_PIN, "--with", "chrony")
    known = record.load(Root(image))
    assert known is not None
    known.options = (*known.options, "warp-drive")
    known.save(Root(image))
    assert "this version has no option warp-drive" in output_of(image, "--yes")
    known = record.load(Root(image))
    assert known is not None and known.options == ("chrony",)


def test_options_that_a_kept_configuration_ignores_are_reported(image: Path, call: Call) -> None:
    call("install", *WITH_PIN)
    before = (image / CONFIGURATION).read_bytes()
    output = output_of(
        image, "--protocol", "gvret", "--pin-file", "-", "--gps-port", "/dev/ttyAMA0", "--can-port", "none"
    )
    ignored = re.search("^(.*): for a new configuration only", output, re.MULTILINE)
    assert ignored is not None
    assert set(ignored[1].split(", ")) == {"--can-port", "--protocol", "--pin-file"}
    assert 'write port = "/dev/ttyAMA0" there' in output
    assert (image / CONFIGURATION).read_bytes() == before


def test_none_means_no_device_in_options_and_questions(image: Path, call: Call) -> None:
    call("install", *WITH_PIN, "--can-port", "none")
    assert configuration.load(image / CONFIGURATION).can == ()


def test_without_a_pin_the_output_explains_who_can_see_the_page(image: Path, call: Call) -> None:
    assert "on this machine only" in output_of(image, "--yes")
    assert "on this machine only" not in output_of(image, "--yes"), "the configuration is the owner's now"


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (
            '[stage]\nitinerary = "/home/pi/stage.toml"\n',
            "/home/pi/stage.toml: the recorder does not see it there",
        ),
        ('[shutdown]\nwhen = "battery_v < 11.8"\n', "--with power-off"),
        ('[clock]\nchrony = "/run/chrony.stagelog.sock"\n', "--with chrony"),
        ('[gps]\nport = "gpsd://localhost"\n', "--with gpsd"),
    ],
)
def test_configuration_that_contradicts_the_installation_is_reported(
    image: Path, setting: str, text: str
) -> None:
    (image / CONFIGURATION).parent.mkdir()
    can = '[[can]]\nname = "engine"\nport = "/dev/stagelog-can"\nprotocol = "slcan"\ndbc = ["engine.dbc"]\n'
    (image / CONFIGURATION).write_text(can + setting)
    assert text in output_of(image, "--yes")
    every_option = [word for name in ("power-off", "chrony", "gpsd") for word in ("--with", name)]
    assert text not in output_of(image, "--yes", *every_option) or "home" in text


def test_an_adapter_from_an_option_or_an_answer_is_bound(image: Path) -> None:
    adapter = Adapter("/dev/ttyUSB3", 0x0403, 0x6001, "A9XYZ", "1-1.2")
    ports = {"gps_port": "/dev/ttyUSB3", "can_port": ""}
    rules, bound = verbs._bind(Root(image), ports, [adapter])
    assert bound == {"gps_port": GPS_NAME, "can_port": ""}
    assert b'ATTRS{serial}=="A9XYZ", ENV{STAGELOG}="gps"' in rules


def test_a_read_only_root_is_reported_with_a_hint(image: Path, call: Call) -> None:
    call("install", *WITH_PIN)
    before = tree(image)
    subprocess.run(["mount", "--bind", image, image], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", image], check=True)
        with pytest.raises(StagelogError, match="remount,rw") as caught:
            call("install", "--yes", "--with", "journald")
    finally:
        subprocess.run(["umount", image], check=True)
    assert str(caught.value).startswith("/"), "the path inside the machine"
    assert tree(image) == before


@pytest.mark.parametrize("pin", ["4711-\u00e4\n".encode("utf-8-sig"), b"4711-\xc3\xa4\r\n"])
def test_a_pin_file_of_any_editor_is_read(image: Path, pin: bytes) -> None:
    output_of(image, "--pin-file", "-", stdin=pin)
    assert configuration.load(image / CONFIGURATION).serve.pin == "4711-\u00e4"


def test_a_pin_in_another_encoding_is_refused(image: Path) -> None:
    before = tree(image)
    with pytest.raises(StagelogError, match="UTF-8"):
        output_of(image, "--pin-file", "-", stdin="4711-secret".encode("utf-16"))
    assert tree(image) == before


@pytest.mark.parametrize("pin", ["", "123\n", "\n4711-secret"])
def test_a_short_pin_is_refused(image: Path, call: Call, pin: str) -> None:
    before = tree(image)
    with pytest.raises(StagelogError, match="too short"):
        call("install", "--pin-file", "-", stdin=pin)
    assert tree(image) == before
