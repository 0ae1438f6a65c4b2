"""Real installations into an image: files, owners, modes, and what is refused before any change."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from firmware_bridge.errors import ConfigurationError, LogError
from logger.config import configuration
from logger.install import plan, record, verbs
from logger.install.plan import shipped
from tests.logger.install.conftest import PIN, Call, tree
from tests.logger.install.installing import CONFIGURATION, RECORDER, WITH_PIN, add_users

pytestmark = pytest.mark.process  # useradd


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


def test_existing_users_are_kept(image: Path, call: Call) -> None:
    add_users(image, "stagelog")
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


@pytest.mark.parametrize("place", ["/home/pi/venv/bin/stagelog", "/root/stagelog", "/tmp/x", "stagelog"])  # noqa: S108
def test_a_program_that_the_services_cannot_see_is_refused(image: Path, call: Call, place: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot run it from there"):
        call("install", *WITH_PIN, "--program", place)


def test_a_program_at_the_units_path_is_accepted(image: Path, call: Call) -> None:
    (image / "usr/local/bin/stagelog").write_text("#!/bin/sh\n")
    call("install", *WITH_PIN, "--program", plan.PROGRAM)
    assert (image / "usr/local/bin/stagelog").read_text() == "#!/bin/sh\n"
