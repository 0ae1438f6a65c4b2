"""What goes wrong with a package in a workshop: dpkg is killed, the disk is full, something else is there already."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.debian import CREW, PIN, QUIETLY, RECORDER, install, logs
from tests.systemd.machine import Machine, booted

pytestmark = [pytest.mark.load_sensitive, pytest.mark.slow, pytest.mark.timeout(900)]

HOME, CONFIGURATION = "/opt/stagelog", "/etc/stagelog/stagelog.toml"
_FILL = "fallocate -l $(($(df --output=avail -B1 /opt | tail -1) - 2000000)) /opt/full"
_DROP_IN = f"/etc/systemd/system/{RECORDER}.d/slow.conf"


@pytest.fixture(scope="module")
def machine(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine without the package, with a small /opt, and a person whose account has the recorder's name."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.run("mount", "-t", "tmpfs", "-o", "size=400M,mode=755", "tmpfs", "/opt")
        up.run("useradd", "--create-home", "--user-group", "stagelog")
        up.run("debconf-set-selections", str(packages / "answers"))
        yield up


@pytest.fixture
def absent(machine: Machine, packages: Path) -> Machine:
    """The machine without the package, its configuration and its logs."""
    machine.run(*QUIETLY, "dpkg", "--purge", "stagelog", check=False)
    machine.shell("rm -rf /var/lib/stagelog* /opt/*")
    machine.run("debconf-set-selections", str(packages / "answers"))
    return machine


@pytest.fixture
def present(machine: Machine, packages: Path) -> Machine:
    """The machine with the package, recording."""
    if status(machine) != "installed":
        machine.run("debconf-set-selections", str(packages / "answers"))
        install(machine, packages / "old.deb")
    machine.wait_active(RECORDER, CREW)
    return machine


def select(machine: Machine, question: str, kind: str, answer: str) -> None:
    """Change one answer."""
    machine.shell(f"echo 'stagelog stagelog/{question} {kind} {answer}' | debconf-set-selections")


def configure(machine: Machine, check: bool = True) -> str:
    """Finish interrupted installations. Returns dpkg's output."""
    return machine.run("sh", "-c", f"exec {' '.join(QUIETLY)} dpkg --configure -a 2>&1", check=check)


def status(machine: Machine) -> str:
    return machine.run("dpkg-query", "-f", "${db:Status-Status}", "-W", "stagelog", check=False)


def process(machine: Machine) -> str:
    return machine.property(RECORDER, "MainPID")


def test_a_wrong_answer_is_reported_and_can_be_corrected(absent: Machine, packages: Path) -> None:
    select(absent, "number", "string", "car 501")
    select(absent, "can-port", "string", "can0")  # with the default protocol, for serial adapters
    output = install(absent, packages / "old.deb", check=False)
    assert "--number car 501: not a whole number" in output
    assert "dpkg --configure -a" in output
    assert status(absent) == "half-configured"
    select(absent, "number", "string", "501")
    configure(absent)
    assert status(absent) == "installed"
    text = absent.run("cat", CONFIGURATION)
    assert "number = 501" in text and f'pin = "{PIN}"' in text
    assert 'protocol = "socketcan"' in text
    assert ":/home/stagelog:" in absent.run("getent", "passwd", "stagelog")
    absent.wait_active(RECORDER, CREW)


def test_a_purge_without_logs_leaves_nothing(present: Machine, packages: Path) -> None:
    present.shell(f"systemctl stop {RECORDER} {CREW}; rm -rf /var/lib/stagelog/* /var/lib/stagelog-crew/*")
    present.run(*QUIETLY, "dpkg", "--purge", "stagelog")
    found = present.shell(
        "find /etc /opt /usr/local /usr/share /var/lib /var/cache/debconf /run -xdev -name '*stagelog*'"
    )
    assert found == ""


def test_dpkg_killed_in_the_middle_is_resumed(absent: Machine, packages: Path) -> None:
    absent.run("debconf-set-selections", str(packages / "answers"))
    absent.shell(
        f"mkdir -p $(dirname {_DROP_IN}); printf '[Service]\\nExecStartPre=sleep 600\\n' > {_DROP_IN}"
    )
    absent.run("systemd-run", "--unit=dpkg-run", *QUIETLY, "dpkg", "-i", str(packages / "old.deb"))
    absent.wait(
        "the recorder is being started", lambda: absent.property(RECORDER, "ActiveState") == "activating"
    )
    absent.run("systemctl", "kill", "--signal=KILL", "dpkg-run.service")
    absent.wait("it is gone", lambda: absent.property("dpkg-run.service", "MainPID") == "0")
    absent.shell(f"rm -r $(dirname {_DROP_IN}); systemctl stop {RECORDER}; systemctl daemon-reload")
    assert status(absent) == "half-configured"
    configure(absent)
    absent.wait_active(RECORDER, CREW)
    assert PIN in absent.run("cat", CONFIGURATION)
    assert absent.shell(f"grep -r {PIN} /var/cache/debconf || echo none") == "none\n"


def test_a_full_disk_leaves_the_old_version_recording(present: Machine, packages: Path) -> None:
    before = present.run("/usr/local/bin/stagelog", "--version")
    present.shell(_FILL)
    output = install(present, packages / "new.deb", check=False)
    assert "No space left" in output
    assert status(present) == "installed"
    present.wait_active(RECORDER, CREW)
    present.run("rm", "/opt/full")
    assert present.run("/usr/local/bin/stagelog", "--version") == before
    present.run("test", "-d", f"{HOME}/lib/pure/logger/__pycache__")
    assert "whole" in present.run("/usr/local/bin/stagelog", "verify", *logs(present))


def test_another_python_of_debian_is_compiled_for(present: Machine) -> None:
    present.shell(f"find {HOME}/lib -name '*.pyc' -delete")
    before = process(present)
    for is_new in (True, False):
        present.run("dpkg-trigger", "--by-package=python3-minimal", "/usr/bin/python3")
        present.run("dpkg", "--triggers-only", "-a")
        present.wait_active(RECORDER, CREW)
        assert (process(present) != before) is is_new, "the same Python again disturbs nobody"
        before = process(present)
    mode = present.run("stat", "--format=%a", f"{HOME}/lib/pure/logger/__pycache__").strip()
    assert mode == "755"


def test_install_refuses_a_program_that_the_services_cannot_read(present: Machine) -> None:
    """pip with a strict umask leaves such folders."""
    present.run("chmod", "go-rx", f"{HOME}/lib/pure/logger")
    output = present.shell("/usr/local/bin/stagelog install --yes 2>&1 || true")
    present.run("chmod", "go+rx", f"{HOME}/lib/pure/logger")
    assert f"sudo chmod -R go+rX {HOME}" in output


def test_an_edited_unit_is_kept(present: Machine, packages: Path) -> None:
    unit = f"/etc/systemd/system/{RECORDER}"
    present.shell(f"echo '# by hand' >> {unit}")
    install(present, packages / "new.deb")
    assert "# by hand" in present.run("cat", f"{unit}.edited-1")
    assert "# by hand" not in present.run("cat", unit)
    present.wait_active(RECORDER, CREW)
    install(present, packages / "old.deb")
    present.wait_active(RECORDER, CREW)


def test_a_disabled_service_stays_disabled(present: Machine, packages: Path) -> None:
    present.run("systemctl", "disable", "--now", CREW)
    for package in ("new.deb", "old.deb"):
        install(present, packages / package)
        present.wait_active(RECORDER)
        assert present.run("systemctl", "is-enabled", CREW, check=False) == "disabled\n"
        assert present.property(CREW, "ActiveState") == "inactive"
    assert present.shell("ls -A /opt") == "stagelog\n"
    present.run("systemctl", "enable", "--now", CREW)


def test_a_damaged_program_can_be_replaced_and_removed(present: Machine, packages: Path) -> None:
    present.run("rm", "-r", f"{HOME}/lib")
    install(present, packages / "old.deb")
    present.wait_active(RECORDER, CREW)
    present.run("rm", "-r", f"{HOME}/lib")
    present.run(*QUIETLY, "dpkg", "--remove", "stagelog")
    assert present.property(RECORDER, "ActiveState") == "inactive"
    install(present, packages / "old.deb")
    present.wait_active(RECORDER, CREW)
    present.run(*QUIETLY, "dpkg", "--purge", "stagelog")


def test_a_virtual_environment_there_is_moved_away(absent: Machine, packages: Path) -> None:
    """Its modules would come before the package's on Python's path. It returns when the package cannot be unpacked."""
    absent.run("python3", "-m", "venv", "--without-pip", HOME)
    version = re.sub(r".*?(\d+\.\d+).*\s", r"\1", absent.run("python3", "--version"))
    stale = f"{HOME}/lib/python{version}/site-packages/logger"
    absent.shell(f"mkdir {stale}; echo 'raise SystemExit(\"an older version\")' > {stale}/__init__.py")
    absent.shell(_FILL)
    assert "No space left" in install(absent, packages / "old.deb", check=False)
    absent.run("rm", "/opt/full")
    assert absent.shell("ls -A /opt") == "stagelog\n"
    absent.run("test", "-f", f"{stale}/__init__.py")
    assert "before-package-1" in install(absent, packages / "old.deb")
    absent.wait_active(RECORDER, CREW)
    assert "version" in absent.run("/usr/local/bin/stagelog", "--version")
    absent.run("test", "-f", stale.replace(HOME, f"{HOME}.before-package-1") + "/__init__.py")


def test_a_virtual_environment_made_over_the_package_is_moved_away(present: Machine, packages: Path) -> None:
    present.run("python3", "-m", "venv", "--without-pip", HOME)
    present.shell(_FILL)
    assert "No space left" in install(present, packages / "new.deb", check=False)
    present.run("rm", "/opt/full")
    assert status(present) == "installed"
    present.wait_active(RECORDER, CREW)
    install(present, packages / "new.deb")
    present.wait_active(RECORDER, CREW)
    assert "version" not in present.run("cat", f"{HOME}/pyvenv.cfg")
    present.run("test", "-d", f"{HOME}/lib/pure/logger/__pycache__")


def test_a_folder_on_another_disk_stays_there(present: Machine, packages: Path) -> None:
    """The owner moved it, and left a link."""
    present.shell(f"mv {HOME} /opt/other-disk; ln -s /opt/other-disk {HOME}")
    install(present, packages / "new.deb")
    present.wait_active(RECORDER, CREW)
    assert present.run("readlink", HOME) == "/opt/other-disk\n"
    present.run(*QUIETLY, "dpkg", "--purge", "stagelog")


def test_a_program_of_that_name_returns(absent: Machine, packages: Path) -> None:
    absent.shell(
        "printf '#!/bin/sh\\necho mine\\n' > /usr/local/bin/stagelog; chmod 755 /usr/local/bin/stagelog"
    )
    install(absent, packages / "old.deb")
    absent.wait_active(RECORDER, CREW)
    assert "version" in absent.run("/usr/local/bin/stagelog", "--version")
    absent.run(*QUIETLY, "dpkg", "--remove", "stagelog")
    assert absent.run("/usr/local/bin/stagelog") == "mine\n"
    absent.run("rm", "/usr/local/bin/stagelog")


def test_a_verb_that_needs_numpy_names_the_package(present: Machine) -> None:
    output = present.shell(f"/usr/local/bin/stagelog review {logs(present)[0]} 2>&1 || true")
    assert "apt install ./stagelog-review" in output
