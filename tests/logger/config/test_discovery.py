"""Which configuration a verb reads: -c, STAGELOG_CONFIG, ./stagelog.toml, then the installed one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.logger.command_line import ENVIRONMENT, Ended, stagelog

USAGE, CONFIGURATION, NO_DEVICE = 2, 64, 69
READERS = ["run", "serve", "doctor", "canup can0", "stick away"]
"""Verbs that need a configuration."""
NOBODY = 65534


def configuration(number: int) -> str:
    """A configuration whose one mistake names its number: every verb that reads it stops and reports it."""
    return f'[gps]\nport = "gps"\nmistake_{number} = 1\n'


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file for each place, none of them in its place."""
    monkeypatch.delitem(ENVIRONMENT, "STAGELOG_CONFIG", raising=False)
    for number, name in enumerate(("given.toml", "named.toml", "here.toml", "installed.toml"), 1):
        (tmp_path / name).write_text(configuration(number))
    return tmp_path


def call(arguments: str, folder: Path, installed: Path | None = None) -> Ended:
    """Call a verb in a folder, as on a machine whose installed configuration is `installed`."""
    code = (
        "import sys, pathlib, logger.config.discovery as discovery\n"
        f"discovery.INSTALLED = pathlib.Path({str(installed or folder / 'nowhere')!r})\n"
        "from logger.__main__ import start\n"
        "start()\n"
    )
    return stagelog(*arguments.split(), folder=folder, starter=("-c", code))


@pytest.mark.parametrize("verb", [*READERS, "watch --once", "check"])
def test_the_first_place_decides_for_every_verb(
    places: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    installed = places / "installed.toml"
    ended = call(verb, places, installed)
    assert "mistake_4" in ended.err + ended.out
    (places / "here.toml").rename(places / "stagelog.toml")
    ended = call(verb, places, installed)
    assert "mistake_3" in ended.err + ended.out
    monkeypatch.setitem(ENVIRONMENT, "STAGELOG_CONFIG", "named.toml")
    ended = call(verb, places, installed)
    assert "mistake_2" in ended.err + ended.out
    assert f"configuration: {places / 'named.toml'}" in ended.err.splitlines()
    given = "" if verb == "check" else "-c "
    ended = call(f"{verb} {given}given.toml", places, installed)
    assert "mistake_1" in ended.err + ended.out
    assert "configuration: " not in ended.err


@pytest.mark.parametrize("verb", [*READERS, "watch --once", "check"])
def test_a_named_file_that_is_not_there_is_an_error(
    places: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    (places / "here.toml").rename(places / "stagelog.toml")
    monkeypatch.setitem(ENVIRONMENT, "STAGELOG_CONFIG", "lost.toml")
    ended = call(verb, places, places / "installed.toml")
    assert ended.complaint.startswith("stagelog: lost.toml: no such file; STAGELOG_CONFIG names it")
    assert ended.code == CONFIGURATION
    given = "" if verb == "check" else "-c "
    ended = call(f"{verb} {given}missing.toml --", places, places / "installed.toml")
    assert "missing.toml" in ended.err + ended.out
    assert ended.code in {1, CONFIGURATION}, "doctor and check found something wrong"


def test_an_empty_variable_names_nothing(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (places / "here.toml").rename(places / "stagelog.toml")
    monkeypatch.setitem(ENVIRONMENT, "STAGELOG_CONFIG", "")
    assert "mistake_3" in call("run", places).err


@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_another_kind_of_file_in_the_place_is_an_error(places: Path, kind: str) -> None:
    if kind == "folder":
        (places / "stagelog.toml").mkdir()
    else:
        (places / "stagelog.toml").symlink_to("gone")
    ended = call("run", places, places / "installed.toml")
    assert "stagelog: stagelog.toml: cannot be read: " in ended.err
    assert ended.code == CONFIGURATION


@pytest.mark.parametrize("verb", [*READERS, "check"])
def test_without_any_configuration_the_usage_is_wrong(places: Path, verb: str) -> None:
    ended = call(verb, places)
    assert ended.code == USAGE
    assert "no configuration: " in ended.complaint
    assert "`stagelog init` writes one" in ended.complaint


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """A folder that only root may enter, as /etc/stagelog is for other users."""
    folder.chmod(0o700)
    try:
        yield
    finally:
        folder.chmod(0o755)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_installed_configuration_that_this_user_may_not_read(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It is named with the reason, instead of "no configuration"."""
    base = tmp_path_factory.mktemp("away")
    installed = base / "etc" / "stagelog.toml"
    installed.parent.mkdir()
    installed.write_text(configuration(4))
    code = (
        "import os, pathlib, logger.config.discovery as discovery\n"
        "import logger.cli.main, logger.recorder.verbs, logger.config.configuration\n"
        f"discovery.INSTALLED = pathlib.Path({str(installed)!r})\n"
        f"os.chdir('/'); os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        f"print(discovery.find(None, {{}}))\n"
        "logger.config.configuration.load(discovery.find(None, {}))\n"
    )
    for parent in (base, base.parent, base.parent.parent):
        parent.chmod(0o755)
    with unprivileged(installed.parent):
        done = subprocess.run(
            [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    assert done.stdout.strip() == str(installed)
    assert "Permission denied; this user may not read it" in done.stderr


def test_json_is_alone_on_both_streams(places: Path) -> None:
    (places / "stagelog.toml").write_text(configuration(3))
    ended = call("doctor --json --seconds 1", places)
    assert json.loads(ended.out)["findings"][0]["where"].startswith("stagelog.toml")
    assert "configuration: " not in ended.err
    for verb in ("check --json", "watch --once --json"):
        assert "configuration: " not in call(verb, places).err


def test_watch_needs_no_configuration(places: Path) -> None:
    """With --socket not even one that is there is read; without any, the socket is that of the services."""
    (places / "stagelog.toml").write_text(configuration(3))
    ended = call("watch --once --socket none.sock", places)
    assert ended.complaint.startswith("stagelog: none.sock: ")
    assert ended.code == NO_DEVICE
    (places / "stagelog.toml").unlink()
    assert "no configuration" not in call("watch --once", places).err


def test_watch_takes_the_socket_of_the_found_configuration(places: Path) -> None:
    (places / "stagelog.toml").write_text('[gps]\nport = "gps"\n[live]\nsocket = "own.sock"\n')
    ended = call("watch --once", places)
    assert "own.sock: " in ended.err
    assert ended.code == NO_DEVICE


SERVED = (
    '[gps]\nport = "gps"\n[log]\ndirectory = "logs"\n[live]\nsocket = "live.sock"\n[serve]\nstate = "state"\n'
)


def has_ipv6() -> bool:
    """Whether a server can listen on the loopback address of IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("more", "arguments", "expected"),
    [
        ("port = 1\n", "--port 0", "crew page at http://127.0.0.1:"),
        pytest.param(
            'port = 1\nhost = "nowhere.invalid"\npin = "4711"\n',
            "--port 0 --host ::1",
            "crew page at http://[::1]:",
            marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6"),
        ),
        ('pin = "4711"\n', "--port 0 --host 0.0.0.0", "crew page at http://"),
    ],
)
def test_serve_at_another_address(places: Path, more: str, arguments: str, expected: str) -> None:
    (places / "stagelog.toml").write_text(SERVED + more)
    with subprocess.Popen(
        [sys.executable, "-m", "logger", "serve", *arguments.split()],
        cwd=places,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"configuration: {places / 'stagelog.toml'}\n"
        line = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert line.startswith(expected)


@pytest.mark.parametrize("host", ["::", "192.0.2.1", "", "car.local"])
def test_serve_asks_for_the_pin_where_others_can_reach_it(places: Path, host: str) -> None:
    (places / "stagelog.toml").write_text(SERVED)
    ended = stagelog("serve", "-c", "stagelog.toml", "--port", "0", "--host", host, folder=places)
    assert ended.code == CONFIGURATION
    assert "stagelog.toml: serve." in ended.complaint
    assert ("pin" if host else "host") in ended.complaint


def test_a_busy_port_names_the_option(places: Path) -> None:
    (places / "stagelog.toml").write_text(SERVED)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = stagelog("serve", "-c", "stagelog.toml", "--port", str(taken.getsockname()[1]), folder=places)
    assert (
        "Address already in use; choose a free address of this machine with --host and --port"
        in ended.complaint
    )
    assert ended.code == NO_DEVICE
