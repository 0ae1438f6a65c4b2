"""The settings file of a card on a machine booted with systemd: its unit, and a read-only root."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from logger.install.card import RESULT, SETTINGS
from tests.systemd.debian import CREW, RECORDER, logs
from tests.systemd.machine import Machine, booted
from tests.systemd.units import FOLDER

pytestmark = [pytest.mark.load_sensitive, pytest.mark.slow, pytest.mark.timeout(900)]

UNIT = "stagelog-card.service"
BOOT, CONFIGURATION = "/boot/firmware", "/etc/stagelog/stagelog.toml"
_RIGHT = """\
number = 501\r
pin = "jaune-2468"  # of the crew page\r
can_port = "can0"\r
wifi_name = "car 501"\r
wifi_password = "desert wind"\r
wifi_country = "SA"\r
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with stagelog and the image's files, a boot partition, and a root that is read-only."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        for folder in (BOOT, "/var/lib/stagelog", "/var/lib/stagelog-crew", "/var/log"):
            up.run("mkdir", "-p", folder)
            up.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
        program = "/opt/stagelog/bin/stagelog"
        options = ("--with", "socketcan", "--with", "read-only-root")
        up.run(program, "install", "--program", program, "--yes", *options)
        up.run("mkdir", "-p", "/etc/hostapd")
        put(up, f"/etc/systemd/system/{UNIT}", (FOLDER / "image" / UNIT).read_text())
        put(up, "/usr/local/lib/stagelog/has-settings.sh", (FOLDER / "image/has-settings.sh").read_text())
        up.run("systemctl", "daemon-reload")
        up.wait_active(RECORDER, CREW)
        up.run("systemctl", "restart", "systemd-journald")
        up.run("mount", "-o", "remount,ro", "/")
        yield up


def put(machine: Machine, path: str, text: str) -> None:
    """Write a file."""
    machine.shell(f"printf %s {shlex.quote(text)} > {shlex.quote(path)}")


def apply(machine: Machine) -> None:
    """Start the unit, as each boot does once."""
    machine.run("systemctl", "reset-failed", UNIT, check=False)  # its starts are counted
    machine.run("systemctl", "start", UNIT, check=False)


def start(machine: Machine, name: str, text: str) -> str:
    """Put a file on the boot partition, which the computer that writes it unmounts, and start the unit as a boot does.

    Returns the result.
    """
    machine.shell(f"mount -o remount,rw {BOOT}; rm -f {BOOT}/{RESULT}")
    put(machine, f"{BOOT}/{name}", text)
    machine.run("mount", "-o", "remount,ro", BOOT)
    apply(machine)
    for mounted in ("/", BOOT):
        options = machine.run("findmnt", "-no", "OPTIONS", mounted)
        assert options.startswith("ro"), f"{mounted} can be written after it"
    return machine.shell(f"cat {BOOT}/{RESULT} 2>/dev/null || true")


def test_the_file_as_shipped_does_nothing(machine: Machine) -> None:
    assert start(machine, SETTINGS, (FOLDER / "image" / SETTINGS).read_text()) == ""
    assert "exec-condition" in machine.journal("--unit", UNIT)


def test_settings_are_applied_and_a_later_file_changes_one_of_them(machine: Machine) -> None:
    wifi = "Wi-Fi car 501\n"
    result = start(machine, SETTINGS, _RIGHT)
    assert result == f"applied: car 501; crew page for the crew's tablets, with the pin; {wifi}"
    machine.run("test", "!", "-e", f"{BOOT}/{SETTINGS}")
    assert "number = 501" in machine.run("cat", CONFIGURATION)
    network = machine.run("cat", "/etc/hostapd/wlan0.conf")
    assert start(machine, "STAGELOG-SETTINGS.TXT.txt", "number = 502\n").endswith(wifi)
    text = machine.run("cat", CONFIGURATION)
    for line in ("number = 502", 'pin = "jaune-2468"', 'port = "can0"', 'protocol = "socketcan"'):
        assert line in text
    assert machine.run("cat", "/etc/hostapd/wlan0.conf") == network
    machine.run("systemctl", "restart", RECORDER, CREW)
    machine.wait_active(RECORDER, CREW)
    machine.wait("a log of car 502", lambda: any("502" in log for log in logs(machine)))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "number: 501\nwifi_name = car 501\n",
            f"{SETTINGS}:1:7: not TOML: a : instead of =; write number = 501",
        ),
        ('gps_port = "COM3"\n', f"{SETTINGS}:1: gps_port: COM3 is a name that Windows gives"),
    ],
)
def test_a_mistake_changes_nothing_and_the_recorder_records(machine: Machine, text: str, line: str) -> None:
    before = machine.run("cat", CONFIGURATION)
    result = start(machine, SETTINGS, text)
    journal = machine.journal("--unit", UNIT)
    assert result.startswith(line) and result.count("\n") == text.count("\n"), journal
    assert machine.run("cat", CONFIGURATION) == before
    assert machine.run("cat", f"{BOOT}/{SETTINGS}") == text
    machine.run("systemctl", "restart", RECORDER)
    machine.wait_active(RECORDER)


def test_a_folder_of_that_name_is_reported(machine: Machine) -> None:
    machine.shell(
        f"mount -o remount,rw {BOOT}; rm -f {BOOT}/*; mkdir {BOOT}/{SETTINGS}; mount -o remount,ro {BOOT}"
    )
    apply(machine)
    assert "Is a directory" in machine.run("cat", f"{BOOT}/{RESULT}")
    machine.shell(f"mount -o remount,rw {BOOT}; rm -r {BOOT}/*")


def test_the_record_of_the_installation_has_what_the_settings_may_need(machine: Machine) -> None:
    """A card installs nothing later."""
    record = json.loads(machine.run("cat", "/usr/local/lib/stagelog/installed.json"))
    assert "socketcan" in record["options"]
