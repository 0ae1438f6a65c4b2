"""The keys of the settings file on a card's boot partition, their rules, and what they make of the present settings.

Pure: what the machine has now comes in as `Present`. A key that is not in the file keeps what was set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from hashlib import pbkdf2_hmac
from typing import Any

from logger.config.configuration import MIN_PIN_LENGTH
from logger.config.sources import BITRATE, CAN_PROTOCOLS
from logger.install.configuration import Answers, given_answers, port_mistakes, settled
from logger.tomlconfig.schema import SECRET, UNWRITTEN, Flaw, one_of, within

_ROUNDS, _KEY_BYTES = 4096, 32
"""IEEE 802.11 annex J.4: a WPA passphrase becomes the key by PBKDF2 of HMAC-SHA1, salted with the network's name."""
_MAX_NAME_BYTES = 32
_MIN_PASSWORD, _MAX_PASSWORD = 8, 63
_PASSWORD = re.compile(r"[ -~]*")
_COUNTRY = re.compile(r"[A-Z]{2}")
_USUAL_CHANNEL = 6


@dataclass(frozen=True, slots=True)
class Network:
    """The Wi-Fi network of the access point. Its password is kept only as the key that the standard makes of it."""

    name: str
    key: str = field(repr=False)
    country: str
    channel: int = _USUAL_CHANNEL

    @property
    def configuration(self) -> str:
        """The configuration of hostapd. Name and key are hexadecimal, so no text can add a line."""
        lines = {
            "interface": "wlan0",
            "ssid2": self.name.encode().hex(),
            "utf8_ssid": 1,
            "country_code": self.country,
            "hw_mode": "g",
            "channel": self.channel,
            "ieee80211n": 1,
            "wmm_enabled": 1,
            "wpa": 2,
            "wpa_key_mgmt": "WPA-PSK",
            "rsn_pairwise": "CCMP",
            "wpa_psk": self.key,
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())


def network_of(configuration: str) -> Network | None:
    """The network in a configuration that `Network.configuration` made; None if it is not one."""
    values = dict(line.split("=", 1) for line in configuration.splitlines() if "=" in line)
    try:
        name = bytes.fromhex(values["ssid2"]).decode()
        return Network(name, values["wpa_psk"], values["country_code"], int(values["channel"]))
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Present:
    """The settings that the machine has."""

    answers: Answers = field(default_factory=Answers)
    network: Network | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The keys of the file. A key that is missing keeps what was set."""

    number: int | None = field(default=None, metadata=within(0, 99_999))
    pin: str | None = field(default=None, repr=False, metadata=SECRET)
    gps_port: str | None = None
    can_port: str | None = None
    protocol: str | None = field(default=None, metadata=one_of(CAN_PROTOCOLS))
    bitrate: int | None = field(default=None, metadata=BITRATE)
    wifi_name: str | None = None
    wifi_password: str | None = field(default=None, repr=False, metadata=SECRET)
    wifi_country: str | None = None
    wifi_channel: int | None = field(default=None, metadata=within(1, 13))
    present: Present = field(default=Present(), repr=False, compare=False, metadata=UNWRITTEN)

    def flaws(self) -> Iterable[Flaw]:
        if self.pin is not None and len(self.pin) < MIN_PIN_LENGTH:
            yield Flaw(("pin",), "too short", f"use at least {MIN_PIN_LENGTH} characters")
        elif self.pin is not None and self.pin != self.pin.strip():
            yield Flaw(("pin",), "begins or ends with a blank", "remove it: nobody can see it")
        elif self.pin is not None and not self.pin.isprintable():
            yield Flaw(("pin",), "has a character that nobody can type", r"a \ in quotes is written \\")
        yield from self._port_flaws()
        yield from self._network_flaws()

    @property
    def answers(self) -> Answers:
        """The answers for the configuration."""
        given = self.given
        return settled(replace(self.present.answers, **given), given)

    @property
    def network(self) -> Network | None:
        """The network of the access point; None without Wi-Fi."""
        present = self.present.network
        name = self.wifi_name or (present.name if present else None)
        if name is None:
            return None
        if self.wifi_password is not None:
            key = pbkdf2_hmac("sha1", self.wifi_password.encode(), name.encode(), _ROUNDS, _KEY_BYTES).hex()
        else:
            key = present.key if present else ""
        country = self.wifi_country or (present.country if present else "")
        return Network(
            name, key, country, self.wifi_channel or (present.channel if present else _USUAL_CHANNEL)
        )

    @property
    def given(self) -> dict[str, Any]:
        """The answers that the file gives, by name."""
        names = ("number", "pin", "gps_port", "can_port", "protocol", "bitrate")
        return given_answers({name: getattr(self, name) for name in names})

    def _port_flaws(self) -> Iterator[Flaw]:
        given, answers = self.given, self.answers
        ports: dict[str, str] = {name: given[name] for name in ("gps_port", "can_port") if name in given}
        if "protocol" in given:
            ports.setdefault("can_port", answers.can_port)
        for name, port in ports.items():
            if "://" in port:
                yield Flaw((name,), "the recorder of the card has no network", 'name a device: "/dev/..."')
        yield from port_mistakes(ports, answers.protocol)

    def _network_flaws(self) -> Iterator[Flaw]:
        given = [
            name
            for name in ("wifi_name", "wifi_password", "wifi_country", "wifi_channel")
            if getattr(self, name) is not None
        ]
        if not given:
            return
        present = self.present.network
        if self.wifi_name is None and present is None:
            yield Flaw((given[0],), "there is no network for it", 'add wifi_name = "..."')
            return
        if self.wifi_name is not None and (what := _name_flaw(self.wifi_name)):
            yield Flaw(("wifi_name",), what, f"use 1 to {_MAX_NAME_BYTES} letters and digits")
        is_other = present is None or self.wifi_name not in (None, present.name)
        if what := _password_flaw(self.wifi_password, is_other):
            hint = f"use {_MIN_PASSWORD} to {_MAX_PASSWORD} letters and digits, without accents"
            yield Flaw(("wifi_password",), what, hint)
        if (self.wifi_country is not None or present is None) and not _is_country(self.wifi_country):
            what = "missing" if self.wifi_country is None else "not a country"
            yield Flaw(
                ("wifi_country",), f"{what}: the permitted channels depend on it", _hint(self.wifi_country)
            )
        if self.answers.pin is None:
            yield Flaw(("pin",), "missing: the page needs one for the crew's tablets", 'add pin = "..."')


def setting_names() -> list[str]:
    """The keys of the file."""
    return [each.name for each in fields(Settings) if each.name != "present"]


def _name_flaw(name: str) -> str:
    """What is wrong with the name of a network; "" if nothing is."""
    size = len(name.encode())
    if not name.strip():
        return "empty"
    if not name.isprintable():
        return "not the name of a Wi-Fi network: it has an invisible character"
    if size > _MAX_NAME_BYTES:
        return f"too long: {size} bytes of {_MAX_NAME_BYTES}; a letter with an accent takes two, so does an Arabic one"
    return ""


def _password_flaw(password: str | None, is_needed: bool) -> str:
    """What is wrong with the password of a network; "" if nothing is."""
    if password is None:
        return "missing: a network needs one, and again when its name changes" if is_needed else ""
    if not password.isprintable():
        return r"has a character that nobody can type; a \ in quotes is written \\"
    if not _PASSWORD.fullmatch(password):
        return "not a WPA password: it has a letter that is not in ASCII"
    if not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        return "too short" if len(password) < _MIN_PASSWORD else "too long"
    return ""


def _is_country(code: str | None) -> bool:
    return code is not None and code != "UK" and _COUNTRY.fullmatch(code) is not None


def _hint(code: str | None) -> str:
    if code == "UK":
        return 'the code of Great Britain is "GB"'
    if code is not None and _is_country(code.strip().upper()):
        return f'write wifi_country = "{code.strip().upper()}"'
    return "write the two capital letters of the country where the car is, such as SA"
