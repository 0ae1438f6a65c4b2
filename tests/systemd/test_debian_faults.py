"""What goes wrong with a package in a workshop: dpkg is killed, the disk is full, something else is there already."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.systemd.debian import (
    CONFIGURATION,
    CREW,
    FILL,
    HOME,
    PIN,
    QUIETLY,
    RECORDER,
    install,
    logs,
    status,
)
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.load_sensitive, pytest.mark.slow, pytest.mark.timeout(900)]

_DROP_IN = f"/run/systemd/system/{RECORDER}.d/slow.conf"


def select(machine: Machine, question: str, kind: str, answer: str) -> None:
    """Change one answer."""
    machine.shell(f"echo 'stagelog stagelog/{question} {kind} {answer}' | debconf-set-selections")


def configure(machine: Machine, check: bool = True) -> str:
    """Finish interrupted installations. Returns dpkg's output."""
    return machine.run("sh", "-c", f"exec {' '.join(QUIETLY)} dpkg --configure -a 2>&1", check=check)


def process(machine: Machine) -> str:
    return machine.property(RECORDER, "MainPID")


def test_a_wrong_answer_is_corrected_and_dpkg_killed_meanwhile_is_resumed(
    absent: Machine, packages: Path
) -> None:
    select(absent, "number", "string", "car 501")
    select(absent, "can-port", "string", "can0")  # with the default protocol, for serial adapters
    output = install(absent, packages / "old.deb", check=False)
    assert "--number car 501: not a whole number" in output
    assert "dpkg --configure -a" in output
    assert status(absent) == "half-configured"
    select(absent, "number", "string", "501")
    absent.shell(
        f"mkdir -p $(dirname {_DROP_IN}); printf '[Service]\\nExecStartPre=sleep 600\\n' > {_DROP_IN}"
    )
    absent.run("systemd-run", "--unit=dpkg-run", *QUIETLY, "dpkg", "--configure", "-a")
    absent.wait(
        "the recorder is being started", lambda: absent.property(RECORDER, "ActiveState") == "activating"
    )
    absent.run("systemctl", "kill", "--signal=KILL", "dpkg-run.service")
    absent.wait("it is gone", lambda: absent.property("dpkg-run.service", "MainPID") == "0")
    absent.shell(f"rm -r $(dirname {_DROP_IN}); systemctl stop {RECORDER}; systemctl daemon-reload")
    assert status(absent) == "half-configured"
    configure(absent)
    assert status(absent) == "installed"
    text = absent.run("cat", CONFIGURATION)
    assert "number = 501" in text and f'pin = "{PIN}"' in text
    assert 'protocol = "socketcan"' in text
    assert absent.shell(f"grep -r {PIN} /var/cache/debconf || echo none") == "none\n"
    assert ":/home/stagelog:" in absent.run("getent", "passwd", "stagelog")
    absent.wait_active(RECORDER, CREW)


def test_a_full_disk_leaves_the_old_version_recording(present: Machine, packages: Path) -> None:
    before = present.run("/usr/local/bin/stagelog", "--version")
    present.shell(FILL)
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


def test_a_verb_that_needs_numpy_names_the_package(present: Machine) -> None:
    output = present.shell(f"/usr/local/bin/stagelog review {logs(present)[0]} 2>&1 || true")
    assert "apt install ./stagelog-review" in output


def test_a_virtual_environment_made_over_the_package_is_moved_away(present: Machine, packages: Path) -> None:
    present.run("python3", "-m", "venv", "--without-pip", HOME)
    present.shell(FILL)
    assert "No space left" in install(present, packages / "new.deb", check=False)
    present.run("rm", "/opt/full")
    assert status(present) == "installed"
    present.wait_active(RECORDER, CREW)
    install(present, packages / "new.deb")
    present.wait_active(RECORDER, CREW)
    assert "version" not in present.run("cat", f"{HOME}/pyvenv.cfg")
    present.run("test", "-d", f"{HOME}/lib/pure/logger/__pycache__")
    present.run("rm", "-r", f"{HOME}.before-package-1")


def test_a_damaged_program_can_be_replaced(present: Machine, packages: Path) -> None:
    present.run("rm", "-r", f"{HOME}/lib")
    install(present, packages / "old.deb")
    present.wait_active(RECORDER, CREW)
