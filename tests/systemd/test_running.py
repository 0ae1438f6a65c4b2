"""The installed services under a real systemd: started, confined, killed, hung, misconfigured, uninstalled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd.machine import Machine, booted

pytestmark = pytest.mark.load_sensitive

RECORDER, CREW = "stagelog-recorder.service", "stagelog-crew.service"
HERE = ("--program", "/opt/stagelog/bin/stagelog", "--yes")
QUICK_WATCHDOG = "/run/systemd/system/stagelog-recorder.service.d/quick.conf"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One machine for all tests here, with stagelog installed as a mechanic installs it."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.shell(
            "echo 4711-pin > /run/pin;"
            " /opt/stagelog/bin/stagelog install --program /opt/stagelog/bin/stagelog --pin-file /run/pin"
        )
        yield up


def test_both_services_are_ready_when_install_returns(machine: Machine) -> None:
    for unit in (RECORDER, CREW):
        assert machine.property(unit, "ActiveState") == "active"
    assert "recording into /var/lib/stagelog/" in machine.property(RECORDER, "StatusText")


def test_the_recorder_has_no_capabilities_and_no_network(machine: Machine) -> None:
    pid = machine.property(RECORDER, "MainPID")
    status = dict(
        line.split(":\t", 1)
        for line in machine.run("cat", f"/proc/{pid}/status").splitlines()
        if ":\t" in line
    )
    assert {int(status[kind], 16) for kind in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split()[0] != "0"
    interfaces = machine.run("nsenter", f"--target={pid}", "--net", "cat", "/proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]


def test_the_crew_server_reads_logs_and_cannot_write_them(machine: Machine) -> None:
    """As the crew server's user, in its view of the file system."""
    pid = machine.property(CREW, "MainPID")
    inside = ("nsenter", f"--target={pid}", "--mount", "setpriv", "--reuid=stagelog-crew", "--regid=stagelog")
    as_crew = (*inside, "--clear-groups", "sh", "-c")
    assert machine.run(*as_crew, "head -c 15 /var/lib/stagelog/*.db") == "SQLite format 3"
    assert machine.run(*as_crew, "touch /var/lib/stagelog/x 2>&1 || echo refused").endswith("refused\n")
    as_root = ("nsenter", f"--target={pid}", "--mount", "sh", "-c")
    assert "Read-only" in machine.run(*as_root, "touch /var/lib/stagelog/x 2>&1 || true")
    assert machine.run(*as_root, "ls /dev").split().count("ttyUSB0") == 0


def test_the_page_is_served(machine: Machine) -> None:
    read = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8040/login').status)"
    assert machine.run("python3", "-c", read).strip() == "200"


def test_a_second_machine_shares_no_control_group(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Otherwise what stops a service or filters its traffic there would do it here. A 0 is a process from elsewhere."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as second:
        for up in (machine, second):
            processes = up.shell(  # a group may be removed meanwhile
                "find /sys/fs/cgroup/system.slice -name cgroup.procs -exec cat {} + 2>/dev/null || true"
            ).split()
            assert processes
            assert "0" not in processes


def test_a_hung_service_is_restarted_by_the_watchdog(machine: Machine) -> None:
    """The whole process is stopped; a short watchdog time shows the restart within seconds."""
    before = machine.property(RECORDER, "MainPID")
    machine.shell(
        f"mkdir -p $(dirname {QUICK_WATCHDOG});"
        f" printf '[Service]\\nWatchdogSec=2\\n' > {QUICK_WATCHDOG};"
        f" systemctl daemon-reload; systemctl restart {RECORDER}"
    )
    hung = machine.property(RECORDER, "MainPID")
    assert hung != before
    machine.run("kill", "-STOP", hung)
    machine.wait("another process", lambda: machine.property(RECORDER, "MainPID") not in ("0", hung))
    machine.wait_active(RECORDER)
    journal = machine.journal("--unit", RECORDER)
    assert "Watchdog timeout" in journal
    machine.shell(f"rm -r $(dirname {QUICK_WATCHDOG}); systemctl daemon-reload; systemctl restart {RECORDER}")


def test_a_wrong_configuration_is_logged_once_without_restart(machine: Machine) -> None:
    machine.shell("cp -p /etc/stagelog/stagelog.toml /run/; echo '[gsp]' >> /etc/stagelog/stagelog.toml")
    machine.run("systemctl", "restart", RECORDER, check=False)
    machine.wait("it has failed", lambda: machine.property(RECORDER, "ActiveState") == "failed")
    assert machine.property(RECORDER, "ExecMainStatus") == "64"
    machine.shell("sleep 3")
    assert machine.property(RECORDER, "ActiveState") == "failed", "it is not restarted"
    machine.shell(f"cp -p /run/stagelog.toml /etc/stagelog/; systemctl start {RECORDER}")
    machine.wait_active(RECORDER)


def test_install_starts_a_failed_service(machine: Machine) -> None:
    machine.shell("cp -p /etc/stagelog/stagelog.toml /run/; echo '[gsp]' >> /etc/stagelog/stagelog.toml")
    machine.run("systemctl", "restart", RECORDER, check=False)
    machine.wait("it has failed", lambda: machine.property(RECORDER, "ActiveState") == "failed")
    machine.run("/opt/stagelog/bin/stagelog", "install", *HERE, check=False)
    assert machine.property(RECORDER, "ActiveState") == "failed", "the configuration is still wrong"
    machine.shell("cp -p /run/stagelog.toml /etc/stagelog/")
    assert "restart" in machine.run("/opt/stagelog/bin/stagelog", "install", *HERE)
    assert machine.property(RECORDER, "ActiveState") == "active"
    assert machine.run("/opt/stagelog/bin/stagelog", "install", *HERE).startswith("nothing to do")


def test_install_reports_files_that_the_recorder_cannot_reach(machine: Machine) -> None:
    machine.shell(
        "cp -p /etc/stagelog/stagelog.toml /run/; install -m 600 /dev/null /etc/stagelog/mine.toml;"
        " printf '[stage]\\nitinerary = \"mine.toml\"\\n' >> /etc/stagelog/stagelog.toml"
    )
    output = machine.shell(f"/opt/stagelog/bin/stagelog install {' '.join(HERE)} --dry-run 2>&1")
    machine.shell("cp -p /run/stagelog.toml /etc/stagelog/; rm /etc/stagelog/mine.toml")
    assert "/etc/stagelog/mine.toml: the recorder's user, stagelog, may not read it" in output


def test_logs_of_an_earlier_installation_get_the_new_owner(machine: Machine) -> None:
    """The log partition is kept and the system reinstalled: its users have other numbers."""
    machine.shell("touch /var/lib/stagelog/old.db; chown 4242:4243 /var/lib/stagelog/old.db")
    machine.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/stagelog.conf")
    assert machine.run("stat", "--format=%U:%G", "/var/lib/stagelog/old.db") == "stagelog:stagelog\n"
    machine.run("rm", "/var/lib/stagelog/old.db")


def test_a_late_log_partition_is_waited_for(machine: Machine) -> None:
    """As with a partition that mounts late."""
    machine.shell(
        f"systemctl stop {RECORDER}; mv /var/lib/stagelog /var/lib/late; systemctl start --no-block {RECORDER}"
    )
    machine.wait("it tries again", lambda: int(machine.property(RECORDER, "NRestarts")) >= 6)
    machine.shell("mv /var/lib/late /var/lib/stagelog")
    machine.wait_active(RECORDER)


def test_an_orderly_stop_closes_the_log(machine: Machine) -> None:
    machine.run("systemctl", "stop", RECORDER)
    assert machine.property(RECORDER, "Result") == "success"
    names = machine.run("ls", "/var/lib/stagelog").split()
    assert names and all(name.endswith(".db") for name in names)
    assert "NOT" not in machine.shell("/usr/local/bin/stagelog verify /var/lib/stagelog/*.db")
    machine.run("systemctl", "start", RECORDER)


def test_uninstall_leaves_nothing(machine: Machine) -> None:
    """The last test here: it uninstalls stagelog."""
    machine.shell("/opt/stagelog/bin/stagelog uninstall")
    assert machine.shell("ls /var/lib/stagelog/*.db")
    machine.shell("/opt/stagelog/bin/stagelog uninstall --configuration --logs --yes")
    for unit in (RECORDER, CREW):
        assert machine.property(unit, "LoadState") == "not-found"
    left = machine.shell(
        "rm -f /run/stagelog.toml; find /etc /usr/local /var/lib /run -xdev -name '*stagelog*'"
    )
    assert left == ""
    assert "stagelog" not in machine.run("cat", "/etc/passwd", "/etc/group", "/etc/shadow")
