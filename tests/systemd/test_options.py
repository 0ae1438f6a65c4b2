"""Options of an installation under a real systemd: chrony's socket, CAN interfaces, gpsd, switching off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.machine import SETTLE_S, Machine, booted

RECORDER = "stagelog-recorder.service"
SOCKET = "/run/chrony.stagelog.sock"
HERE = ("--program", "/opt/stagelog/bin/stagelog", "--yes")
NO_CLOCK = "/run/systemd/system/chrony.service.d/zz-no-clock.conf"
"""chronyd as Debian starts it, but for the clock of this machine, which is the host's."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with both options installed."""
    with booted(tmp_path_factory.mktemp("machine") / "scratch") as up:
        up.shell(
            "/opt/stagelog/bin/stagelog install --program /opt/stagelog/bin/stagelog --yes"
            " --with chrony --with power-off; systemctl start stagelog-power-off.path"
        )
        up.wait_active(RECORDER)
        yield up


def test_only_chrony_and_the_recorders_group_reach_the_socket(machine: Machine) -> None:
    if not Path("/usr/sbin/chronyd").exists():
        pytest.skip("needs Debian's package chrony")
    machine.shell(
        f"mkdir -p $(dirname {NO_CLOCK}); printf '[Unit]\\nConditionCapability=\\n[Service]\\nEnvironmentFile=\\n"
        f"ExecStart=\\nExecStart=!/usr/sbin/chronyd -x\\n' > {NO_CLOCK};"
        " systemctl daemon-reload; systemctl start chrony.service"
    )
    assert machine.run("stat", "--format=%A %U %G", SOCKET).split() == ["srw-rw----", "root", "stagelog"]
    pid = machine.property(RECORDER, "MainPID")
    send = (
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
        f" s.sendto(bytes(40), '{SOCKET}'); print('sent')"
    )
    inside = ("nsenter", f"--target={pid}", "--mount", "--net", "setpriv", "--clear-groups")
    ours = machine.run(*inside, "--reuid=stagelog", "--regid=stagelog", "python3", "-c", send)
    assert ours == "sent\n"
    theirs = machine.run(*inside, "--reuid=nobody", "--regid=nogroup", "python3", "-c", send, check=False)
    assert theirs == ""


def test_nothing_is_written_before_the_logs_partition_is_mounted(machine: Machine) -> None:
    """With read-only-root: the folder below a late partition stays empty; recording begins when it is mounted."""
    machine.shell(f"systemctl stop {RECORDER}; rm -f /var/lib/stagelog/*")
    machine.run("/opt/stagelog/bin/stagelog", "install", *HERE, "--with", "read-only-root", check=False)
    machine.run("systemctl", "start", "--no-block", RECORDER)
    machine.wait("it tries again", lambda: int(machine.property(RECORDER, "NRestarts")) >= 3)
    assert machine.run("ls", "/var/lib/stagelog") == ""
    machine.shell("mount -t tmpfs -o mode=750,uid=stagelog,gid=stagelog tmpfs /var/lib/stagelog")
    machine.wait_active(RECORDER)
    assert machine.run("ls", "/var/lib/stagelog").split()
    machine.shell(
        f"systemctl stop {RECORDER}; umount /var/lib/stagelog;"
        f" /opt/stagelog/bin/stagelog install {' '.join(HERE)} --without read-only-root"
    )
    machine.wait_active(RECORDER)


def test_only_a_recorder_with_the_option_reaches_can_interfaces(machine: Machine) -> None:
    """The kernel may lack CAN: the test checks only whether the units let the programs reach it."""
    interface = '[[can]]\nname = "engine"\nport = "no-can0"\nprotocol = "socketcan"\nbitrate = 500000\n'
    keep = "/etc/stagelog/kept.toml"
    machine.shell(f"cd /etc/stagelog; cp -p stagelog.toml {keep}; printf '%s' '{interface}' > stagelog.toml")
    try:
        machine.shell(f"systemctl restart {RECORDER}")
        refused = "no-can0: SocketCAN is not allowed or not there; `sudo stagelog install --with socketcan`"
        machine.wait("the strict unit refuses", lambda: refused in _journal(machine))
        machine.run("/opt/stagelog/bin/stagelog", "install", *HERE, "--with", "socketcan")
        machine.wait_active(RECORDER)
        machine.wait(
            "the program reached the kernel", lambda: "no-can0: no such interface" in _journal(machine)
        )
        pid = machine.property(RECORDER, "MainPID")
        host = machine.run("readlink", "/proc/1/ns/net")
        assert machine.run("readlink", f"/proc/{pid}/ns/net") == host, "AF_CAN lies in the machine's own"
        families = set(machine.property(RECORDER, "RestrictAddressFamilies").split())
        assert families == {"AF_UNIX", "AF_CAN", "AF_NETLINK"}
        machine.run("systemctl", "start", "stagelog-can@lo.service")
        assert "lo: no [[can]] table of /etc/stagelog/stagelog.toml names it" in _journal(machine)
        assert machine.run("systemctl", "start", "stagelog-can@no-can0.service", check=False) == ""
        assert "stagelog: no-can0: no such interface; plug it in, or correct `port`" in _journal(machine)
        unit = "/run/systemd/system/stagelog-can@lo.service.d"
        machine.shell(
            f"mkdir -p {unit};"
            f" printf '[Service]\\nExecStart=\\nExecStart=ip link set lo mtu 1400\\n' > {unit}/try.conf;"
            " systemctl daemon-reload; systemctl start stagelog-can@lo.service"
        )
        assert " mtu 1400 " in machine.run("ip", "link", "show", "lo"), "its capability reaches `ip`"
    finally:
        machine.shell(f"mv {keep} /etc/stagelog/stagelog.toml")
        machine.run("/opt/stagelog/bin/stagelog", "install", *HERE, "--without", "socketcan")
    machine.wait_active(RECORDER)


def _journal(machine: Machine) -> str:
    return machine.journal("-o", "cat", "-n", "200")


def test_only_with_the_gpsd_option_the_recorder_reaches_gpsd(machine: Machine) -> None:
    serve = (
        "from firmware_bridge.virtual.gpsd import VirtualGpsd; import time; gpsd = VirtualGpsd(2947);"
        " gpsd.devices['/dev/ttyACM0'] = True; time.sleep(600)"
    )
    machine.run("systemd-run", "--unit=virtual-gpsd", "/opt/stagelog/bin/python3", "-c", serve)
    machine.shell(
        "sed -i '/^\\[gps\\]/,/^port/ s|^port.*|port = \"gpsd://127.0.0.1\"|' /etc/stagelog/stagelog.toml;"
        f" grep -q gpsd:// /etc/stagelog/stagelog.toml; systemctl restart {RECORDER}"
    )
    machine.wait("it is refused", lambda: "the recorder may not use the network" in _journal(machine))
    refused = machine.run(
        "/opt/stagelog/bin/stagelog", "doctor", "-c", "/etc/stagelog/stagelog.toml", check=False
    )
    assert "it cannot reach gpsd; sudo stagelog install --with gpsd" in refused
    machine.run("/opt/stagelog/bin/stagelog", "install", *HERE, "--with", "gpsd")
    machine.wait("it is connected", lambda: "gps: open" in _journal(machine))
    assert "127.0.0.0/8" in machine.property(RECORDER, "IPAddressAllow")
    assert set(machine.property(RECORDER, "IPAddressDeny").split()) == {"0.0.0.0/0", "::/0"}
    machine.run("/opt/stagelog/bin/stagelog", "install", *HERE, "--without", "gpsd")


def test_the_recorders_request_switches_the_machine_off(machine: Machine) -> None:
    """The last test here. The request is removed first, so that it does not exist at the next boot."""
    machine.run(
        "setpriv",
        "--reuid=stagelog",
        "--regid=stagelog",
        "--clear-groups",
        "touch",
        "/run/stagelog/power-off",
    )
    ends = time.monotonic() + SETTLE_S
    while machine.is_up():
        assert time.monotonic() < ends, "it is still on"
        time.sleep(0.2)
