"""The settings on a card's boot partition: applied once and forgotten, or refused with a line per mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.config import configuration
from logger.install.card import SETTINGS, applied
from logger.install.card_files import ACCESS_POINT
from logger.install.plan import CONFIGURATION
from logger.install.root import Root
from logger.tomlconfig.schema import TomlError
from tests.logger.install.installing import add_users, output_of

WHOLE = """\
# the car
number = 501
pin = "jaune-2468"
protocol = "gvret"
bitrate = 250000
can_port = "/dev/ttyACM1"
wifi_name = "Équipe 501"
wifi_password = "desert wind"
wifi_country = "SA"
wifi_channel = 11
"""
NETWORK = 'pin = "1234"\nwifi_name = "car"\nwifi_password = "12345678"\nwifi_country = "SA"\n'


@pytest.fixture
def card(image: Path, tmp_path: Path) -> tuple[Path, Root]:
    """A boot partition, and the machine of the image recipe: stagelog installed with its defaults."""
    add_users(image)
    output_of(image, "--yes")
    (image / "etc/hostapd").mkdir()
    boot = tmp_path / "boot"
    boot.mkdir()
    return boot, Root(image)


def text_of(root: Root, path: str) -> str:
    entry = root.look(path)
    assert entry is not None, path
    return entry.content.decode()


def problems(card: tuple[Path, Root], text: str) -> list[str]:
    """The messages for a settings file that is refused. Nothing else may change."""
    boot, root = card
    before = text_of(root, CONFIGURATION)
    (boot / SETTINGS).write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        applied(boot, root)
    assert text_of(root, CONFIGURATION) == before
    assert root.look(ACCESS_POINT) is None
    assert (boot / SETTINGS).read_text() == text
    found = refused.value.problems if isinstance(refused.value, TomlError) else (refused.value,)
    return [str(problem) for problem in found]


def test_settings_become_the_configuration_and_the_access_point(card: tuple[Path, Root]) -> None:
    boot, root = card
    (boot / SETTINGS).write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())  # from Windows
    assert applied(boot, root) == (
        "applied: car 501; crew page for the crew's tablets, with the pin; Wi-Fi Équipe 501"
    )
    config = configuration.loads(text_of(root, CONFIGURATION), CONFIGURATION, boot)
    assert (config.car.number, config.serve.pin, config.serve.host) == (501, "jaune-2468", "0.0.0.0")  # noqa: S104
    assert (config.can[0].port, config.can[0].protocol, config.can[0].bitrate) == (
        "/dev/ttyACM1",
        "gvret",
        250000,
    )
    entry = root.look(CONFIGURATION)
    assert entry is not None and (entry.mode, entry.uid, entry.gid) == (0o640, 0, 321)
    access_point = root.look(ACCESS_POINT)
    assert access_point is not None and access_point.mode == 0o600


def test_the_key_is_that_of_the_standard(card: tuple[Path, Root]) -> None:
    """IEEE 802.11 annex J.4.2: the passphrase "password" for the network "IEEE"."""
    boot, root = card
    (boot / SETTINGS).write_text(NETWORK.replace('"car"', '"IEEE"').replace("12345678", "password"))
    applied(boot, root)
    lines = text_of(root, ACCESS_POINT).splitlines()
    assert "wpa_psk=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e" in lines
    assert "ssid2=49454545" in lines
    assert "country_code=SA" in lines
    assert "password" not in text_of(root, ACCESS_POINT)


def test_secrets_leave_the_boot_partition(card: tuple[Path, Root]) -> None:
    boot, root = card
    file = boot / SETTINGS
    file.write_text(WHOLE)
    with file.open("rb") as before:
        applied(boot, root)
        assert not file.exists()
        assert before.read() == b"\n" * len(WHOLE.encode()), "the blocks of the removed file"


def test_a_second_boot_changes_nothing(card: tuple[Path, Root]) -> None:
    boot, root = card
    (boot / SETTINGS).write_text(WHOLE)
    applied(boot, root)
    edited = text_of(root, CONFIGURATION) + "# by hand\n"
    root.write(CONFIGURATION, edited.encode(), 0o640, 0, 321)
    assert applied(boot, root) == ""
    assert text_of(root, CONFIGURATION) == edited


def test_an_edited_configuration_is_kept_beside_the_new_one(card: tuple[Path, Root]) -> None:
    boot, root = card
    edited = text_of(root, CONFIGURATION) + "# by hand\n"
    root.write(CONFIGURATION, edited.encode(), 0o640, 0, 321)
    (boot / SETTINGS).write_text("number = 7\n")
    assert applied(boot, root) == "applied: car 7; crew page on this machine only"
    assert text_of(root, f"{CONFIGURATION}.edited-1") == edited
    assert "number = 7" in text_of(root, CONFIGURATION)


@pytest.mark.parametrize("text", ["", "\n\n", '# number = 501\n  # pin = "..."\n', "\ufeff# nothing\r\n"])
def test_a_file_without_settings_is_left_alone(card: tuple[Path, Root], text: str) -> None:
    boot, root = card
    (boot / SETTINGS).write_text(text)
    assert applied(boot, root) == ""
    assert (boot / SETTINGS).exists()


def test_every_mistake_is_reported_at_its_line_without_secrets(card: tuple[Path, Root]) -> None:
    text = 'number = "501"\npin = "abc"\nwifi_name = "car"\nwifi_password = "short"\nwifi_contry = "SA"\n'
    found = problems(card, text)
    for line, word in ((1, "number"), (2, "pin"), (4, "wifi_password"), (5, "wifi_country")):
        assert any(f"{SETTINGS}:{line}" in problem and word in problem for problem in found), found
    assert not any("abc" in problem or 'short"' in problem for problem in found), found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("number = 501\nnumber = 502\n", f"{SETTINGS}:2"),
        ("number = 100000\n", "too large"),
        ("number = -1\n", "too small"),
        ("number = 501.5\n", "number"),
        ("[car]\nnumber = 501\n", "car"),
        ("number: 501\n", f"{SETTINGS}:1"),
        ("pin = \u201c1234\u201d\n", f"{SETTINGS}:1"),
        ("pin = 1234\n", "pin"),
        ('protocol = "elm"\n', "protocol"),
        ("bitrate = 12\n", f"{SETTINGS}:1: bitrate"),
        ('gps_port = "  "\n', f"{SETTINGS}:1: gps_port"),
        ('can_port = ""\nbitrate = "fast"\n', "bitrate"),
        (NETWORK.replace('"car"', '""'), "wifi_name"),
        (NETWORK.replace('"car"', f'"{"x" * 33}"'), "wifi_name"),
        (NETWORK.replace('"car"', '"' + "é" * 17 + '"'), "wifi_name"),
        (NETWORK.replace('"car"', '"car\\nwpa=0"'), "wifi_name"),
        (NETWORK.replace('"12345678"', '"1234567\\u0000"'), "wifi_password"),
        (NETWORK.replace('"12345678"', '"pass\\nwpa=0"'), "wifi_password"),
        (NETWORK.replace('"12345678"', f'"{"x" * 64}"'), "wifi_password"),
        (NETWORK.replace('"12345678"', '"mot de passe é"'), "wifi_password"),
        (NETWORK.replace('"SA"', '"sa"'), "wifi_country"),
        (NETWORK.replace('wifi_country = "SA"', "wifi_channel = 14"), "wifi_channel"),
        (NETWORK.replace('pin = "1234"\n', ""), "pin"),
        ('wifi_password = "12345678"\n', "wifi_password"),
        ("x" * 40_000_000, "32 MB"),
        ("a." * 5000 + "b = 1\n", SETTINGS),
        ("number = 1\n" + "[" * 5000 + "]" * 5000, SETTINGS),
    ],
)
def test_odd_values_are_refused_and_nothing_changes(card: tuple[Path, Root], text: str, word: str) -> None:
    found = problems(card, text)
    assert any(word in problem for problem in found), [problem[:200] for problem in found]
    assert all("\n" not in problem and len(problem) < 500 for problem in found)


@pytest.mark.parametrize(
    "data", [b"number = \xff\xfe\n", "number = 501\n".encode("utf-16-le"), b"\x00" * 4096]
)
def test_a_file_that_is_not_text_is_refused(card: tuple[Path, Root], data: bytes) -> None:
    boot, root = card
    (boot / SETTINGS).write_bytes(data)
    with pytest.raises(ConfigurationError):
        applied(boot, root)
