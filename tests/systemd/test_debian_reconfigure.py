"""`dpkg-reconfigure stagelog`: the Pi moves to another car. Nothing changes but the answers."""

from __future__ import annotations

import re
import signal

import pytest

from tests.systemd.conversation import conversation
from tests.systemd.debian import CONFIGURATION, CREW, PIN, QUIETLY, RECORDER, logs
from tests.systemd.machine import Machine

pytestmark = [pytest.mark.load_sensitive, pytest.mark.slow, pytest.mark.timeout(900)]

AGAIN = ("dpkg-reconfigure", "-f", "readline", "stagelog")
_BY_HAND = """
[[alarm]]    # by hand
name = "fast"
when = "speed_kmh > 150"
"""


@pytest.fixture
def edited(present: Machine) -> Machine:
    """The machine with a configuration that somebody edited."""
    present.shell(
        f"rm -f {CONFIGURATION}.edited-*; sed -i /by.hand/,//d {CONFIGURATION}; printf '{_BY_HAND}' >> {CONFIGURATION}"
    )
    present.run("/usr/local/bin/stagelog", "check", CONFIGURATION)
    return present


def ask(machine: Machine, *answers: tuple[str, str], code: int = 0) -> str:
    """Run dpkg-reconfigure on a terminal."""
    return conversation(machine.command("LC_ALL=C", "TERM=dumb", *AGAIN), answers, code)


def process(machine: Machine) -> str:
    return machine.property(RECORDER, "MainPID")


def test_the_answers_of_another_car_take_effect(edited: Machine) -> None:
    before, had = edited.run("cat", CONFIGURATION), process(edited)
    output = ask(
        edited,
        ("number", "502"),
        ("gps-port", ""),
        ("can-port", "/dev/ttyACM9"),
        ("protocol", "slcan"),
        ("bitrate", "125000"),
        ("pin", ""),
    )
    assert PIN not in output
    after = edited.run("cat", CONFIGURATION)
    changed = [
        (old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new
    ]
    keys = [re.match(r"(\w+) = ", new) for _, new in changed]
    assert {key[1] for key in keys if key} == {"number", "port", "protocol", "bitrate"}, changed
    for line in (
        "number = 502",
        'port = "/dev/ttyACM9"',
        'protocol = "slcan"',
        "bitrate = 125000",
        f'pin = "{PIN}"',
    ):
        assert f"\n{line}" in after
    edited.wait_active(RECORDER, CREW)
    assert process(edited) != had
    edited.wait("a log of car 502", lambda: any("502" in log for log in logs(edited)))


def test_todays_settings_are_the_defaults(edited: Machine) -> None:
    """debconf's front end for an editor shows all of them at once."""
    had = process(edited)
    editor = "/run/editor"
    edited.shell(
        f"printf '#!/bin/sh\\ncat $1\\n' > {editor}; chmod 755 {editor}; grep 'number\\|port ' {CONFIGURATION}"
    )
    shown = conversation(
        edited.command("LC_ALL=C", f"EDITOR={editor}", "dpkg-reconfigure", "-f", "editor", "stagelog"), ()
    )
    text = edited.run("cat", CONFIGURATION)
    for question, key in (
        ("number", "number"),
        ("can-port", "port"),
        ("bitrate", "bitrate"),
        ("protocol", "protocol"),
    ):
        (value,) = re.findall(f'stagelog/{question}="(.*)"', shown)
        assert re.search(f'^{key} = "?{value}"?', text, re.MULTILINE), (question, value)
    assert PIN not in shown
    assert process(edited) == had, "nothing changes"


def test_a_wrong_answer_and_no_answer_leave_the_recorder_alone(edited: Machine) -> None:
    """Wrong where nobody can be asked: the terminal asks again. Ctrl-C is no answer."""
    before, had = edited.run("cat", CONFIGURATION), process(edited)
    preseed = "echo 'stagelog stagelog/can-port string {}' | debconf-set-selections"
    edited.shell(preseed.format("COM4"))
    quietly = " ".join(("exec", *QUIETLY, "dpkg-reconfigure", "stagelog", "2>&1"))
    output = edited.run("sh", "-c", quietly, check=False)
    assert "--can-port: " in output and output.count("\n") == 2, output
    ask(edited, ("number", "\x03"), code=-signal.SIGINT)
    edited.shell(f"{preseed.format('')}; {' '.join(QUIETLY)} dpkg-reconfigure stagelog")
    assert edited.run("cat", CONFIGURATION) == before
    edited.wait_active(RECORDER, CREW)
    assert process(edited) == had


def test_preseeded_answers_take_effect(edited: Machine) -> None:
    edited.shell(
        "printf 'stagelog stagelog/number string 77\\nstagelog stagelog/pin password another-pin\\n'"
        f" | debconf-set-selections; {' '.join(QUIETLY)} dpkg-reconfigure stagelog"
    )
    text = edited.run("cat", CONFIGURATION)
    assert "\nnumber = 77" in text and 'pin = "another-pin"' in text and "# by hand" in text
    assert edited.shell("grep -r another-pin /var/cache/debconf || echo none") == "none\n"
    edited.wait_active(RECORDER, CREW)
