"""What goes wrong with a package in a workshop: dpkg is killed, the disk is full, something else is there already.

Each test leaves the machine with the package installed or purged, as the next one needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.debian import CREW, PIN, QUIETLY, RECORDER, install, logs
from tests.systemd.machine import Machine, booted

pytestmark = [pytest.mark.load_sensitive, pytest.mark.slow, pytest.mark.timeout(900)]

HOME, CONFIGURATION = "/opt/stagelog", "/etc/stagelog/stagelog.toml"
_DROP_IN = f"/etc/systemd/system/{RECORDER}.d/slow.conf"


@pytest.fixture(scope="module")
def machine(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine without the package, with a small /opt, and a person whose account has the recorder's name."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.run("mount", "-t", "tmpfs", "-o", "size=400M,mode=755", "tmpfs", "/opt")
        up.run("useradd", "--create-home", "--user-group", "stagelog")
        up.run("debconf-set-selections", str(packages / "answers"))
        yield up


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


def test_a_wrong_answer_is_reported_and_can_be_corrected(machine: Machine, packages: Path) -> None:
    select(machine, "number", "string", "car 501")
    select(machine, "can-port", "string", "can0")  # with the default protocol, for serial adapters
    output = install(machine, packages / "old.deb", check=False)
    assert "--number car 501: not a whole number" in output
    assert "dpkg --configure -a" in output
    assert status(machine) == "half-configured"
    select(machine, "number", "string", "501")
    configure(machine)
    assert status(machine) == "installed"
    text = machine.run("cat", CONFIGURATION)
    assert "number = 501" in text and f'pin = "{PIN}"' in text
    assert 'protocol = "socketcan"' in text
    assert ":/home/stagelog:" in machine.run("getent", "passwd", "stagelog")
    machine.wait_active(RECORDER, CREW)


def test_a_purge_without_logs_leaves_nothing(machine: Machine, packages: Path) -> None:
    machine.shell(f"systemctl stop {RECORDER} {CREW}; rm -rf /var/lib/stagelog/* /var/lib/stagelog-crew/*")
    machine.run(*QUIETLY, "dpkg", "--purge", "stagelog")
    found = machine.shell(
        "find /etc /opt /usr/local /usr/share /var/lib /var/cache/debconf /run -xdev -name '*stagelog*'"
    )
    assert found == ""


def test_dpkg_killed_in_the_middle_is_resumed(machine: Machine, packages: Path) -> None:
    machine.run("debconf-set-selections", str(packages / "answers"))
    machine.shell(
        f"mkdir -p $(dirname {_DROP_IN}); printf '[Service]\\nExecStartPre=sleep 600\\n' > {_DROP_IN}"
    )
    machine.run("systemd-run", "--unit=dpkg-run", *QUIETLY, "dpkg", "-i", str(packages / "old.deb"))
    machine.wait(
        "the recorder is being started", lambda: machine.property(RECORDER, "ActiveState") == "activating"
    )
    machine.run("systemctl", "kill", "--signal=KILL", "dpkg-run.service")
    machine.wait("it is gone", lambda: machine.property("dpkg-run.service", "MainPID") == "0")
    machine.shell(f"rm -r $(dirname {_DROP_IN}); systemctl stop {RECORDER}; systemctl daemon-reload")
    assert status(machine) == "half-configured"
    configure(machine)
    machine.wait_active(RECORDER, CREW)
    assert PIN in machine.run("cat", CONFIGURATION)
    assert machine.shell(f"grep -r {PIN} /var/cache/debconf || echo none") == "none\n"


def test_a_full_disk_leaves_the_old_version_recording(machine: Machine, packages: Path) -> None:
    before = machine.run("/usr/local/bin/stagelog", "--version")
    machine.shell("fallocate -l $(($(df --output=avail -B1 /opt | tail -1) - 2000000)) /opt/full")
    output = install(machine, packages / "new.deb", check=False)
    assert "No space left" in output
    assert status(machine) == "installed"
    machine.wait_active(RECORDER, CREW)
    machine.run("rm", "/opt/full")
    assert machine.run("/usr/local/bin/stagelog", "--version") == before
    machine.run("test", "-d", f"{HOME}/lib/pure/logger/__pycache__")
    assert "whole" in machine.run("/usr/local/bin/stagelog", "verify", *logs(machine))


def test_another_python_of_debian_is_compiled_for(machine: Machine) -> None:
    machine.shell(f"find {HOME}/lib -name '*.pyc' -delete")
    before = process(machine)
    for is_new in (True, False):
        machine.run("dpkg-trigger", "--by-package=python3-minimal", "/usr/bin/python3")
        machine.run("dpkg", "--triggers-only", "-a")
        machine.wait_active(RECORDER, CREW)
        assert (process(machine) != before) is is_new, "the same Python again disturbs nobody"
        before = process(machine)
    mode = machine.run("stat", "--format=%a", f"{HOME}/lib/pure/logger/__pycache__").strip()
    assert mode == "755"


def test_install_refuses_a_program_that_the_services_cannot_read(machine: Machine) -> None:
    """pip with a strict umask leaves such folders."""
    machine.run("chmod", "go-rx", f"{HOME}/lib/pure/logger")
    output = machine.shell("/usr/local/bin/stagelog install --yes 2>&1 || true")
    machine.run("chmod", "go+rx", f"{HOME}/lib/pure/logger")
    assert f"sudo chmod -R go+rX {HOME}" in output


def test_an_edited_unit_is_kept(machine: Machine, packages: Path) -> None:
    unit = f"/etc/systemd/system/{RECORDER}"
    machine.shell(f"echo '# by hand' >> {unit}")
    install(machine, packages / "new.deb")
    assert "# by hand" in machine.run("cat", f"{unit}.edited-1")
    assert "# by hand" not in machine.run("cat", unit)
    machine.wait_active(RECORDER, CREW)
    install(machine, packages / "old.deb")
    machine.wait_active(RECORDER, CREW)


def test_a_damaged_program_can_be_replaced_and_removed(machine: Machine, packages: Path) -> None:
    machine.run("rm", "-r", f"{HOME}/lib")
    install(machine, packages / "old.deb")
    machine.wait_active(RECORDER, CREW)
    machine.run("rm", "-r", f"{HOME}/lib")
    machine.run(*QUIETLY, "dpkg", "--remove", "stagelog")
    assert machine.property(RECORDER, "ActiveState") == "inactive"
    install(machine, packages / "old.deb")
    machine.wait_active(RECORDER, CREW)
    machine.run(*QUIETLY, "dpkg", "--purge", "stagelog")


def test_a_virtual_environment_there_is_moved_away(machine: Machine, packages: Path) -> None:
    """Its modules would come before the package's on Python's path."""
    machine.run("python3", "-m", "venv", "--without-pip", HOME)
    version = re.sub(r".*?(\d+\.\d+).*\s", r"\1", machine.run("python3", "--version"))
    stale = f"{HOME}/lib/python{version}/site-packages/logger"
    machine.shell(f"mkdir {stale}; echo 'raise SystemExit(\"an older version\")' > {stale}/__init__.py")
    machine.shell(
        "printf '#!/bin/sh\\necho mine\\n' > /usr/local/bin/stagelog; chmod 755 /usr/local/bin/stagelog"
    )
    assert "before-package-1" in install(machine, packages / "old.deb")
    machine.wait_active(RECORDER, CREW)
    assert "version" in machine.run("/usr/local/bin/stagelog", "--version")
    machine.run("test", "-f", stale.replace(HOME, f"{HOME}.before-package-1") + "/__init__.py")


def test_a_verb_that_needs_numpy_names_the_package(machine: Machine) -> None:
    output = machine.shell(f"/usr/local/bin/stagelog review {logs(machine)[0]} 2>&1 || true")
    assert "apt install ./stagelog-review" in output


def test_what_was_there_before_returns(machine: Machine) -> None:
    machine.run(*QUIETLY, "dpkg", "--remove", "stagelog")
    assert machine.run("/usr/local/bin/stagelog") == "mine\n"


def test_an_unpacking_that_fails_returns_the_virtual_environment(machine: Machine, packages: Path) -> None:
    machine.shell(f"rm -rf {HOME}; mv {HOME}.before-package-1 {HOME}")
    machine.shell("fallocate -l $(($(df --output=avail -B1 /opt | tail -1) - 2000000)) /opt/full")
    assert "No space left" in install(machine, packages / "old.deb", check=False)
    machine.run("rm", "/opt/full")
    assert "version" in machine.run("cat", f"{HOME}/pyvenv.cfg")
    assert machine.shell("ls -A /opt") == "stagelog\n"
