"""A card's settings a second time, under other names, in other encodings; nothing is half applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.config import configuration
from logger.config.configuration import Config
from logger.install.card import RESULT, SETTINGS, applied, main
from logger.install.card_files import ACCESS_POINT
from logger.install.plan import CONFIGURATION
from logger.install.root import Root
from logger.tomlconfig.schema import TomlError
from tests.logger.install.test_card import NETWORK, WHOLE, card, text_of

__all__ = ["card"]
Card = tuple[Path, Root]


def config_of(root: Root) -> Config:
    return configuration.loads(text_of(root, CONFIGURATION), CONFIGURATION, Path("/etc/stagelog"))


def apply(card: Card, text: str, name: str = SETTINGS) -> str:
    boot, root = card
    (boot / name).write_text(text)
    result = applied(boot, root)
    assert not (boot / name).exists()
    return result


def refused(card: Card, text: str) -> list[str]:
    boot, root = card
    (boot / SETTINGS).write_text(text)
    with pytest.raises(ConfigurationError) as error:
        applied(boot, root)
    found = error.value.problems if isinstance(error.value, TomlError) else (error.value,)
    return [str(problem) for problem in found]


def test_settings_that_are_left_out_keep_what_was_set(card: Card) -> None:
    _, root = card
    apply(card, WHOLE)
    network = text_of(root, ACCESS_POINT)
    before = config_of(root)
    result = apply(card, "number = 502\n")
    assert result == "applied: car 502; crew page for the crew's tablets, with the pin; Wi-Fi Équipe 501"
    after = config_of(root)
    assert after.car.number == 502
    assert (after.gps, after.can, after.serve) == (before.gps, before.can, before.serve)
    assert text_of(root, ACCESS_POINT) == network
    assert root.look(f"{CONFIGURATION}.edited-1") is None, "nobody edited it"


def test_one_setting_of_the_network_changes_alone(card: Card) -> None:
    _, root = card
    apply(card, WHOLE)
    before = text_of(root, ACCESS_POINT)
    apply(card, "wifi_channel = 1\n")
    assert text_of(root, ACCESS_POINT) == before.replace("channel=11\n", "channel=1\n")
    apply(card, 'wifi_password = "dune wind 9"\n')
    assert text_of(root, ACCESS_POINT) != before
    (problem,) = refused(card, 'wifi_name = "car 502"\n')
    assert "wifi_password: missing" in problem, "the key of the password depends on the name"


def test_a_port_brings_its_protocol_and_back(card: Card) -> None:
    _, root = card
    apply(card, 'can_port = "can0"\n')
    assert (config_of(root).can[0].port, config_of(root).can[0].protocol) == ("can0", "socketcan")
    apply(card, "bitrate = 250000\n")
    assert (config_of(root).can[0].port, config_of(root).can[0].bitrate) == ("can0", 250_000)
    apply(card, 'can_port = "/dev/ttyACM0"\n')
    assert (config_of(root).can[0].port, config_of(root).can[0].protocol) == ("/dev/ttyACM0", "slcan")


def test_a_device_may_be_taken_away_and_given_back(card: Card) -> None:
    _, root = card
    apply(card, 'gps_port = "None"\n')
    assert config_of(root).gps is None
    apply(card, 'gps_port = "/dev/ttyUSB0"\n')
    gps = config_of(root).gps
    assert gps is not None and gps.port == "/dev/ttyUSB0"


def test_an_edited_configuration_keeps_what_the_settings_do_not_name(card: Card) -> None:
    _, root = card
    apply(card, WHOLE)
    edited = text_of(root, CONFIGURATION).replace('# preset = "obd2"', 'preset = "obd2"   # by hand')
    edited += '\n[[alarm]]\nname = "hot"\nwhen = "rpm > 6000"\n'
    root.write(CONFIGURATION, edited.encode(), 0o640, 0, 321)
    apply(card, 'number = 77\npin = "other pin"\nbitrate = 125000\n')
    config = config_of(root)
    assert (config.car.number, config.serve.pin, config.can[0].bitrate) == (77, "other pin", 125_000)
    assert config.can[0].preset == "obd2" and config.alarms[0].name == "hot"
    assert "# by hand" in text_of(root, CONFIGURATION)
    assert text_of(root, f"{CONFIGURATION}.edited-1") == edited


def test_a_host_set_by_hand_stays_with_another_pin(card: Card) -> None:
    _, root = card
    apply(card, 'pin = "none"\n')
    assert (config_of(root).serve.pin, config_of(root).serve.host) == ("none", "0.0.0.0")  # noqa: S104
    edited = text_of(root, CONFIGURATION).replace('"0.0.0.0"', '"10.42.0.1"')
    root.write(CONFIGURATION, edited.encode(), 0o640, 0, 321)
    apply(card, 'pin = "2468"\n')
    assert (config_of(root).serve.pin, config_of(root).serve.host) == ("2468", "10.42.0.1")


def test_a_damaged_configuration_is_replaced_and_kept(card: Card) -> None:
    _, root = card
    root.write(CONFIGURATION, b"[car\nnumber = \xff", 0o640, 0, 321)
    apply(card, "number = 7\n")
    assert config_of(root).car.number == 7
    entry = root.look(f"{CONFIGURATION}.edited-1")
    assert entry is not None and entry.content == b"[car\nnumber = \xff"


def test_nothing_is_half_applied(card: Card) -> None:
    """Without hostapd's folder the second file cannot be written."""
    boot, root = card
    before = text_of(root, CONFIGURATION)
    root.remove_folder("/etc/hostapd")
    (boot / SETTINGS).write_text(WHOLE)
    with pytest.raises(OSError, match="hostapd"):
        applied(boot, root)
    assert text_of(root, CONFIGURATION) == before
    assert (boot / SETTINGS).read_text() == WHOLE


@pytest.mark.parametrize(
    "name",
    [
        "STAGELOG-SETTINGS.TXT",
        f"{SETTINGS}.txt",
        "stagelog-settings",
        "Stagelog-Settings (1).txt",
        "STAGEL~1.TXT",
    ],
)
def test_a_file_that_a_computer_renamed_is_applied(card: Card, name: str) -> None:
    boot, _ = card
    (boot / SETTINGS).write_text("# as shipped\n")
    (boot / f"._{SETTINGS}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    (boot / f"{SETTINGS}~").write_text("number = 7\n")
    assert apply(card, "number = 501\n", name).startswith("applied: car 501")
    assert (boot / SETTINGS).exists() and (boot / f"._{SETTINGS}").exists()


def test_a_document_is_reported(card: Card) -> None:
    boot, root = card
    (boot / "stagelog-settings.docx").write_bytes(b"PK\3\4 a word processor's")
    with pytest.raises(ConfigurationError, match=r"^stagelog-settings\.docx: .* put a plain text file"):
        applied(boot, root)


def test_two_files_with_settings_are_refused(card: Card) -> None:
    boot, _ = card
    (boot / "stagelog-settings (1).txt").write_text("number = 501\n")
    (problem,) = refused(card, "number = 502\n")
    assert problem == f"stagelog-settings (1).txt and {SETTINGS}: each has settings; keep one of them"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_what_editors_write_is_read(card: Card, encoding: str, end: str) -> None:
    boot, root = card
    (boot / SETTINGS).write_bytes(WHOLE.replace("\n", end).encode(encoding))
    assert applied(boot, root).endswith("Wi-Fi Équipe 501")


def test_every_line_that_is_not_toml_is_reported_without_secrets(card: Card) -> None:
    text = (
        "number: 501\npin = secret99\nwifi_name = car 501\nwifi_password = desert wind\nWIFI_PASSWORT: dune\n"
    )
    found = refused(card, text)
    assert [problem.split(":")[1] for problem in found] == ["1", "2", "3", "4", "5"]
    assert 'write wifi_name = "car 501"' in found[2]
    assert not any(secret in problem for problem in found for secret in ("secret99", "desert", "dune")), found


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('gps_port = "COM3"', 'write "/dev/stagelog-gps"'),
        ('can_port = "com11:"', 'write "/dev/stagelog-can"'),
        ('gps_port = "ttyUSB0"', 'write "/dev/ttyUSB0"'),
        ('can_port = "ttyACM0"', 'write "/dev/ttyACM0"'),
        ('can_port = "dev/ttyACM0"', 'write "/dev/ttyACM0"'),
        ('can_port = "stagelog-can"', 'write "/dev/stagelog-can"'),
        ('gps_port = "can0"', 'write it as "/dev/stagelog-gps"'),
        ('can_port = " /dev/ttyACM0"', 'write it as "/dev/stagelog-can"'),
        ('can_port = "can0"\nprotocol = "slcan"', 'set protocol to "socketcan"'),
        ('can_port = "/dev/ttyACM0"\nprotocol = "socketcan"', '"can0"'),
        ('gps_port = "gpsd://localhost"', '"/dev/..."'),
        ('gps_port = "none"\ncan_port = "none"', "plugged in"),
        ("number\u00a0= 501", "type it again"),
        ("number = 501;", "write number = 501"),
        ("number 501", "write number = 501"),
        ("Number = 501", 'did you mean "number"?'),
        ('wifi name = "car"', "write wifi_name = ..."),
        ("pin = 1234", 'write pin = "..."'),
        ('pin = "1234 "', "nobody can see it"),
        ('pin = "12\\b34"', "\\\\"),
        (NETWORK.replace("12345678", "12\\b345678"), "\\\\"),
        ("// our car", "begin the line with #"),
        (NETWORK.replace("SA", "sa"), 'write wifi_country = "SA"'),
        (NETWORK.replace("SA", "UK"), '"GB"'),
        (NETWORK.replace('"car"', f'"{"ع" * 16}a"'), "33 bytes"),
        ("wifi_channel = 6", 'add wifi_name = "..."'),
        ("number = 501\n" + "\0" * 500, "write it again"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(card: Card, text: str, hint: str) -> None:
    (problem,) = refused(card, text)
    assert hint in problem and problem.startswith(SETTINGS), problem


def test_a_folder_of_that_name_is_reported(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    boot, root = card
    (boot / SETTINGS).mkdir()
    monkeypatch.setattr("logger.install.card.Root", lambda: root)
    assert main([str(boot)]) == 1
    assert (boot / RESULT).read_text().startswith(f"{SETTINGS}: cannot be read: Is a directory; ")
