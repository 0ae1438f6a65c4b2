"""The pin: who is let in, how slow guessing is, what a token is worth."""

from __future__ import annotations

import pytest

from logger.crew import pin
from logger.crew.pin import Gate, TooManyGuessesError

PIN = "2468"


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def gate(code: str | None = PIN, salt: bytes = b"this car") -> tuple[Gate, Clock]:
    clock = Clock()
    return Gate(code, salt, clock), clock


def test_the_pin_is_known_and_others_are_not() -> None:
    asked, _ = gate()
    assert asked.knows(PIN, "10.0.0.2")
    for wrong in ("", "246", "24680", "2469", " 2468", "２４６８", "\x00", "é" * 1000):
        with_own_address = str(hash(wrong) % 200)
        assert not asked.knows(wrong, f"10.0.1.{with_own_address}")


def test_without_a_pin_the_gate_is_open() -> None:
    assert gate(None)[0].open
    assert not gate()[0].open


def test_an_address_has_a_few_guesses_and_then_earns_one_at_a_time() -> None:
    asked, clock = gate()
    for _ in range(pin.ADDRESS_GUESSES):
        assert not asked.knows("0000", "10.0.0.2")
    with pytest.raises(TooManyGuessesError) as refused:
        asked.knows(PIN, "10.0.0.2")  # not even the right one is looked at
    assert refused.value.wait_s == pytest.approx(pin.ADDRESS_EVERY_S)
    clock.s += pin.ADDRESS_EVERY_S - 0.1
    with pytest.raises(TooManyGuessesError):
        asked.knows(PIN, "10.0.0.2")
    clock.s += 0.2
    assert asked.knows(PIN, "10.0.0.2")
    assert asked.knows(PIN, "10.0.0.2"), "who knows the pin spends nothing"


def test_another_address_is_not_kept_waiting_by_the_first() -> None:
    asked, _ = gate()
    for _ in range(pin.ADDRESS_GUESSES):
        asked.knows("0000", "10.0.0.2")
    assert asked.knows(PIN, "10.0.0.3")


def test_many_addresses_together_have_a_bound_too() -> None:
    asked, clock = gate()
    taken = 0
    for number in range(1000):
        try:
            asked.knows("0000", f"10.0.{number // 250}.{number % 250}")
            taken += 1
        except TooManyGuessesError:
            pass
    assert taken == pin.ALL_GUESSES
    clock.s += 3600
    for number in range(1000):
        try:
            asked.knows("0000", f"10.1.{number // 250}.{number % 250}")
            taken += 1
        except TooManyGuessesError:
            pass
    assert taken == 2 * pin.ALL_GUESSES, "patience is saved up to the first burst and no further"


def test_one_machine_with_a_whole_network_of_ipv6_addresses_is_one() -> None:
    asked, _ = gate()
    for number in range(pin.ADDRESS_GUESSES):
        asked.knows("0000", f"fd00::{number + 1:x}%wlan0")
    with pytest.raises(TooManyGuessesError):
        asked.knows("0000", "fd00::ffff")
    assert asked.knows(PIN, "fd00:0:0:1::1")


def test_a_token_is_good_after_a_restart_and_no_longer_when_pin_or_car_change() -> None:
    token = gate()[0].token()
    assert gate()[0].admits(token)
    assert not gate("1357")[0].admits(token)
    assert not gate(salt=b"another car")[0].admits(token)


def test_no_token_is_made_up() -> None:
    asked, _ = gate()
    name, _, signature = asked.token().partition(".")
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
        assert not asked.admits(forged)
    assert asked.token() != asked.token()
