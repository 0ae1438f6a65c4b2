"""Settings on the boot partition of an SD card, applied at the next boot: `python -m logger.install.card FOLDER`.

The boot partition is FAT, so any computer can edit the file there: car number, pin, Wi-Fi. Valid settings replace the
configuration and the access point's, and leave the file: pins and passwords do not stay on a partition that everybody
can read. A mistake changes nothing: the recorder keeps the configuration that it had. Either way the result is in a
second file there, one line per mistake.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import pbkdf2_hmac
from pathlib import Path, PurePosixPath

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.terminal import echo
from logger.boundary.whole_file import write_whole
from logger.config.configuration import MIN_PIN_LENGTH
from logger.config.input_files import read_text
from logger.config.sources import CAN_PROTOCOLS
from logger.install.accounts import Accounts
from logger.install.change import edited_name
from logger.install.configuration import Answers, given_answers, render, settled
from logger.install.plan import CONFIGURATION, GROUP
from logger.install.root import Root
from logger.tomlconfig.schema import SECRET, Flaw, TomlError, TomlFile, one_of, within

SETTINGS = "stagelog-settings.txt"
"""Its name ends in .txt because a double click then opens it in an editor on every system. Its syntax is TOML."""
RESULT = "stagelog-result.txt"
ACCESS_POINT = "/etc/hostapd/wlan0.conf"
"""Read by Debian's hostapd@wlan0.service, which starts only if it is there."""
_ROUNDS, _KEY_BYTES = 4096, 32
"""IEEE 802.11 annex J.4: a WPA passphrase becomes the key by PBKDF2 of HMAC-SHA1, salted with the network's name."""
_MAX_NAME_BYTES = 32
_PASSWORD = re.compile(r"[ -~]{8,63}")
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of the file. A key that is missing has the value of a new installation."""

    number: int | None = field(default=None, metadata=within(0, 99_999))
    pin: str | None = field(default=None, repr=False, metadata=SECRET)
    gps_port: str | None = None
    can_port: str | None = None
    protocol: str | None = field(default=None, metadata=one_of(CAN_PROTOCOLS))
    bitrate: int | None = None
    wifi_name: str | None = None
    wifi_password: str | None = field(default=None, repr=False, metadata=SECRET)
    wifi_country: str | None = None
    wifi_channel: int = field(default=6, metadata=within(1, 13))

    def flaws(self) -> Iterable[Flaw]:
        if self.pin is not None and len(self.pin) < MIN_PIN_LENGTH:
            yield Flaw(("pin",), "too short", f"use at least {MIN_PIN_LENGTH} characters")
        if self.wifi_name is None:
            if self.wifi_password is not None:
                yield Flaw(("wifi_password",), "there is no network for it", 'add wifi_name = "..."')
            return
        if not 1 <= len(self.wifi_name.encode()) <= _MAX_NAME_BYTES or not self.wifi_name.isprintable():
            what = "not the name of a Wi-Fi network"
            yield Flaw(("wifi_name",), what, f"use 1 to {_MAX_NAME_BYTES} letters and digits")
        if self.wifi_password is None or not _PASSWORD.fullmatch(self.wifi_password):
            what = "missing" if self.wifi_password is None else "not a WPA password"
            yield Flaw(("wifi_password",), what, "use 8 to 63 letters and digits, without accents")
        if self.wifi_country is None or not _COUNTRY.fullmatch(self.wifi_country):
            what = "missing" if self.wifi_country is None else "not a country"
            hint = "write the two capital letters of the country where the car is, such as SA"
            yield Flaw(("wifi_country",), f"{what}: the permitted channels depend on it", hint)
        if self.pin is None:
            yield Flaw(("pin",), "missing: the page needs one for the crew's tablets", 'add pin = "..."')

    @property
    def answers(self) -> Answers:
        """The answers for a new configuration."""
        given = given_answers(
            {
                name: getattr(self, name)
                for name in ("number", "pin", "gps_port", "can_port", "protocol", "bitrate")
            }
        )
        return settled(replace(Answers(), **given), given)

    @property
    def access_point(self) -> str:
        """The configuration of hostapd; "" without Wi-Fi. Name and key are hexadecimal, so no text can add a line."""
        if self.wifi_name is None or self.wifi_password is None:
            return ""
        name = self.wifi_name.encode()
        key = pbkdf2_hmac("sha1", self.wifi_password.encode(), name, _ROUNDS, _KEY_BYTES)
        lines = {
            "interface": "wlan0",
            "ssid2": name.hex(),
            "utf8_ssid": 1,
            "country_code": self.wifi_country,
            "hw_mode": "g",
            "channel": self.wifi_channel,
            "ieee80211n": 1,
            "wmm_enabled": 1,
            "wpa": 2,
            "wpa_key_mgmt": "WPA-PSK",
            "rsn_pairwise": "CCMP",
            "wpa_psk": key.hex(),
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())


def main(arguments: Sequence[str]) -> int:
    """Apply the settings in a folder. Returns 1 if they have a mistake or cannot be applied."""
    boot = Path(arguments[0])
    try:
        result, code = applied(boot, Root()), 0
    except TomlError as error:
        result, code = "\n".join(map(str, error.problems)), 1
    except (StagelogError, OSError) as error:
        result, code = str(error), 1
    for line in result.splitlines():
        echo(line)
    if result:
        try:
            write_whole(boot / RESULT, result + "\n")
        except OSError as error:
            echo(error, err=True)
            code = 1
    return code


def applied(boot: Path, root: Root) -> str:
    """Apply the settings in `boot` to a machine. Returns the result as text, "" if there are none.

    Raises TomlError with every mistake, ConfigurationError, OSError.
    """
    file = boot / SETTINGS
    if not file.exists():
        return ""
    text = read_text(file)
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return ""
    if not os.access(file, os.W_OK):
        hint = "mount the boot partition read-write: settings with a pin must not stay there"
        raise ConfigurationError("cannot be removed after it is applied", where=str(file), hint=hint)
    settings = TomlFile(text, SETTINGS).build(Settings)
    try:
        configuration = render(settings.answers)
    except ConfigurationError as error:  # it names a line of the new configuration, which nobody sees
        raise ConfigurationError(error.what, where=SETTINGS, hint=error.hint) from error
    _replace(root, CONFIGURATION, configuration, 0o640, GROUP)
    if settings.access_point:
        _replace(root, ACCESS_POINT, settings.access_point.encode(), 0o600)
    _forget(file)
    number = "no number" if settings.number is None else f"car {settings.number}"
    page = "for the crew's tablets, with the pin" if settings.pin is not None else "on this machine only"
    wifi = f"; Wi-Fi {settings.wifi_name}" if settings.wifi_name is not None else ""
    return f"applied: {number}; crew page {page}{wifi}"


def _replace(root: Root, path: str, content: bytes, mode: int, group: str = "root") -> None:
    """Write a file; an edited one that is there keeps its content under another name."""
    gid = Accounts(root).gid(group) or 0
    present = root.look(path)
    if present is not None and present.content not in (content, render(Answers())):
        kept = PurePosixPath(path).with_name(edited_name(path, root))
        root.write(str(kept), present.content, present.mode, present.uid, present.gid)
    root.write(path, content, mode, 0, gid)


def _forget(file: Path) -> None:
    """Overwrite a file's own blocks, then remove it; what FAT leaves of a removed file can be read."""
    with file.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        stream.write(b"\n" * size)
        stream.flush()
        os.fsync(stream.fileno())
    file.unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
