"""The pin: who is admitted, how guessing is limited, how long a token is valid."""

from __future__ import annotations

from contextlib import suppress

import pytest

from logger.crew import pin
from logger.crew.pin import Gate, TooManyGuessesError

PIN = "2468"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def gate(code: str | None = PIN, salt: bytes = b"this car") -> tuple[Gate, Clock]:
    clock = Clock()
    return Gate(code, salt, clock), clock


def test_only_the_configured_pin_is_accepted() -> None:
    pin_gate, _ = gate()
    assert pin_gate.accepts_pin(PIN, "10.0.0.2")
    for wrong in ("", "246", "24680", "2469", " 2468", "２４６８", "\x00", "é" * 1000):
        with_own_address = str(hash(wrong) % 200)
        assert not pin_gate.accepts_pin(wrong, f"10.0.1.{with_own_address}")


def test_without_a_pin_the_gate_is_open() -> None:
    assert gate(None)[0].open
    assert not gate()[0].open


def test_an_address_has_a_few_guesses_and_regains_them_slowly() -> None:
    pin_gate, clock = gate()
    for _ in range(pin.CLIENT_GUESSES):
        assert not pin_gate.accepts_pin("0000", "10.0.0.2")
    with pytest.raises(TooManyGuessesError) as refused:
        pin_gate.accepts_pin(PIN, "10.0.0.2")  # even the right pin is not checked
    assert refused.value.wait_s == pytest.approx(pin.CLIENT_EVERY_S)
    clock.s += pin.CLIENT_EVERY_S - 0.1
    with pytest.raises(TooManyGuessesError):
        pin_gate.accepts_pin(PIN, "10.0.0.2")
    clock.s += 0.2
    assert pin_gate.accepts_pin(PIN, "10.0.0.2")
    assert pin_gate.accepts_pin(PIN, "10.0.0.2"), "the right pin uses up no guess"


def test_addresses_are_limited_separately() -> None:
    pin_gate, _ = gate()
    for _ in range(pin.CLIENT_GUESSES):
        pin_gate.accepts_pin("0000", "10.0.0.2")
    assert pin_gate.accepts_pin(PIN, "10.0.0.3")


def guessed(pin_gate: Gate, addresses: list[str]) -> int:
    """Number of wrong guesses, one per address, that are checked."""
    taken = 0
    for address in addresses:
        with suppress(TooManyGuessesError):
            pin_gate.accepts_pin("0000", address)
            taken += 1
    return taken


NEIGHBOURS = [f"192.168.4.{number}" for number in range(2, 255)]
"""Of somebody who has every address of the car's network, but for the crew's."""
CREW = "192.168.4.1"


@pytest.mark.slow
@pytest.mark.parametrize(
    "addresses",
    [
        [f"10.0.{number // 250}.{number % 250}" for number in range(1000)],
        [f"fe80::{number:x}%wlan0" for number in range(1, 1000)],
        [f"fd00:0:0:{number:x}::1" for number in range(1, 1000)],
    ],
    ids=["IPv4", "link-local", "IPv6"],
)
def test_guesses_of_all_addresses_together_are_limited(addresses: list[str]) -> None:
    pin_gate, clock = gate()
    taken = sum(guessed(pin_gate, addresses) for _ in range(10))
    assert taken == pin.SHARED_GUESSES + pin.MAX_CLIENTS * pin.FIRST_GUESSES
    clock.s += 24 * 3600
    taken = sum(guessed(pin_gate, addresses) for _ in range(10))
    assert taken == pin.SHARED_GUESSES, "saved guesses are bounded by the first burst"


@pytest.mark.slow
def test_a_four_digit_pin_withstands_a_night_of_guesses_from_a_network() -> None:
    pin_gate, clock = gate()
    taken = 0
    for _ in range(8 * 60):
        clock.s += 60
        taken += guessed(pin_gate, NEIGHBOURS)
    assert taken < 10_000 / 4


def test_guesses_of_others_do_not_lock_out_the_crew() -> None:
    """At the first login, after one typing error, and at each later login."""
    pin_gate, clock = gate()
    for _ in range(10):
        guessed(pin_gate, NEIGHBOURS)
    assert not pin_gate.accepts_pin(PIN + "1", CREW)
    assert pin_gate.accepts_pin(PIN, CREW)
    for _ in range(60):
        clock.s += 60
        guessed(pin_gate, NEIGHBOURS)
        assert not pin_gate.accepts_pin(PIN + "1", CREW)
        assert pin_gate.accepts_pin(PIN, CREW)


@pytest.mark.parametrize(("address", "neighbours"), [(CREW, 1000), ("fe80::c0de%wlan0", pin.MAX_CLIENTS - 1)])
def test_ipv6_neighbours_on_one_link_do_not_lock_out_the_crew(address: str, neighbours: int) -> None:
    """Countless IPv6 addresses use up only the shared guesses of IPv6."""
    pin_gate, _ = gate()
    for _ in range(3):
        guessed(pin_gate, [f"fe80::{number:x}%wlan0" for number in range(1, neighbours)])
    assert pin_gate.accepts_pin(PIN, address)


def test_guesses_from_an_address_that_logged_in_before_are_limited_too() -> None:
    pin_gate, clock = gate()
    assert pin_gate.accepts_pin(PIN, CREW)
    assert guessed(pin_gate, [CREW] * 100) == pin.CLIENT_GUESSES
    guessed(pin_gate, [f"10.0.{number // 250}.{number % 250}" for number in range(1000)])
    clock.s += pin.CLIENT_EVERY_S
    assert guessed(pin_gate, [CREW] * 100) == 1, "its limit is remembered despite newcomers"


def test_wrong_guesses_are_logged_once_per_minute(caplog: pytest.LogCaptureFixture) -> None:
    pin_gate, clock = gate()
    for _ in range(30):
        guessed(pin_gate, ["10.0.0.2"])
    assert caplog.messages == ["pin guesses: 1 wrong, 0 refused; the last from 10.0.0.2"]
    clock.s += pin.LOG_EVERY_S
    guessed(pin_gate, ["10.0.0.3"])
    assert caplog.messages[1:] == ["pin guesses: 5 wrong, 25 refused; the last from 10.0.0.3"]
    assert not any(word in caplog.text for word in ("0000", PIN))


def test_all_addresses_of_an_ipv6_network_count_as_one_client() -> None:
    pin_gate, _ = gate()
    for number in range(pin.CLIENT_GUESSES):
        pin_gate.accepts_pin("0000", f"fd00::{number + 1:x}%wlan0")
    with pytest.raises(TooManyGuessesError):
        pin_gate.accepts_pin("0000", "fd00::ffff")
    assert pin_gate.accepts_pin(PIN, "fd00:0:0:1::1")


def test_a_token_survives_a_restart_but_not_a_new_pin_or_car() -> None:
    token = gate()[0].token()
    assert gate()[0].accepts_token(token)
    assert not gate("1357")[0].accepts_token(token)
    assert not gate(salt=b"another car")[0].accepts_token(token)


def test_forged_tokens_are_refused() -> None:
    pin_gate, _ = gate()
    name, _, signature = pin_gate.token().partition(".")
    for forged in (
        "",
        ".",
        name,
        f"{name}.",
        f".{signature}",
        f"{name}x.{signature}",
        f"{name}.{signature}0",
        "é.é",
    ):
        assert not pin_gate.accepts_token(forged)
    assert pin_gate.token() != pin_gate.token()
