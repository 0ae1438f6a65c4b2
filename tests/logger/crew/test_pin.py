"""The pin: who is let in, how slow guessing is, what a token is worth."""

from __future__ import annotations

from contextlib import suppress

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
    assert asked.accepts_pin(PIN, "10.0.0.2")
    for wrong in ("", "246", "24680", "2469", " 2468", "２４６８", "\x00", "é" * 1000):
        with_own_address = str(hash(wrong) % 200)
        assert not asked.accepts_pin(wrong, f"10.0.1.{with_own_address}")


def test_without_a_pin_the_gate_is_open() -> None:
    assert gate(None)[0].open
    assert not gate()[0].open


def test_an_address_has_a_few_guesses_and_then_earns_one_at_a_time() -> None:
    asked, clock = gate()
    for _ in range(pin.CLIENT_GUESSES):
        assert not asked.accepts_pin("0000", "10.0.0.2")
    with pytest.raises(TooManyGuessesError) as refused:
        asked.accepts_pin(PIN, "10.0.0.2")  # not even the right one is looked at
    assert refused.value.wait_s == pytest.approx(pin.CLIENT_EVERY_S)
    clock.s += pin.CLIENT_EVERY_S - 0.1
    with pytest.raises(TooManyGuessesError):
        asked.accepts_pin(PIN, "10.0.0.2")
    clock.s += 0.2
    assert asked.accepts_pin(PIN, "10.0.0.2")
    assert asked.accepts_pin(PIN, "10.0.0.2"), "who knows the pin spends nothing"


def test_another_address_is_not_kept_waiting_by_the_first() -> None:
    asked, _ = gate()
    for _ in range(pin.CLIENT_GUESSES):
        asked.accepts_pin("0000", "10.0.0.2")
    assert asked.accepts_pin(PIN, "10.0.0.3")


def guessed(asked: Gate, addresses: list[str]) -> int:
    """How many wrong guesses, one from each address, are looked at."""
    taken = 0
    for address in addresses:
        with suppress(TooManyGuessesError):
            asked.accepts_pin("0000", address)
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
def test_all_addresses_together_have_a_bound(addresses: list[str]) -> None:
    asked, clock = gate()
    taken = sum(guessed(asked, addresses) for _ in range(10))
    assert taken == pin.SHARED_GUESSES + pin.MAX_CLIENTS * pin.FIRST_GUESSES
    clock.s += 24 * 3600
    taken = sum(guessed(asked, addresses) for _ in range(10))
    assert taken == pin.SHARED_GUESSES, "patience is saved up to the first burst and no further"


@pytest.mark.slow
def test_a_four_digit_pin_withstands_a_whole_network_for_a_night() -> None:
    asked, clock = gate()
    taken = 0
    for _ in range(8 * 60):
        clock.s += 60
        taken += guessed(asked, NEIGHBOURS)
    assert taken < 10_000 / 4


def test_guesses_of_others_do_not_keep_out_who_knows_the_pin() -> None:
    """Neither at the first login, mistyped once, nor whenever it comes again."""
    asked, clock = gate()
    for _ in range(10):
        guessed(asked, NEIGHBOURS)
    assert not asked.accepts_pin(PIN + "1", CREW)
    assert asked.accepts_pin(PIN, CREW)
    for _ in range(60):
        clock.s += 60
        guessed(asked, NEIGHBOURS)
        assert not asked.accepts_pin(PIN + "1", CREW)
        assert asked.accepts_pin(PIN, CREW)


@pytest.mark.parametrize(("address", "neighbours"), [(CREW, 1000), ("fe80::c0de%wlan0", pin.MAX_CLIENTS - 1)])
def test_neighbours_of_one_link_do_not_keep_each_other_out(address: str, neighbours: int) -> None:
    """IPv6 addresses without number use up the first guesses of IPv6, and of nothing else."""
    asked, _ = gate()
    for _ in range(3):
        guessed(asked, [f"fe80::{number:x}%wlan0" for number in range(1, neighbours)])
    assert asked.accepts_pin(PIN, address)


def test_who_takes_over_the_address_of_one_who_knew_it_is_slow_too() -> None:
    asked, clock = gate()
    assert asked.accepts_pin(PIN, CREW)
    assert guessed(asked, [CREW] * 100) == pin.CLIENT_GUESSES
    guessed(asked, [f"10.0.{number // 250}.{number % 250}" for number in range(1000)])
    clock.s += pin.CLIENT_EVERY_S
    assert guessed(asked, [CREW] * 100) == 1, "its patience is not forgotten for the sake of newcomers"


def test_the_journal_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    asked, clock = gate()
    for _ in range(30):
        guessed(asked, ["10.0.0.2"])
    assert caplog.messages == ["pin guesses: 1 wrong, 0 refused; the last from 10.0.0.2"]
    clock.s += pin.LOG_EVERY_S
    guessed(asked, ["10.0.0.3"])
    assert caplog.messages[1:] == ["pin guesses: 5 wrong, 25 refused; the last from 10.0.0.3"]
    assert not any(word in caplog.text for word in ("0000", PIN))


def test_one_machine_with_a_whole_network_of_ipv6_addresses_is_one() -> None:
    asked, _ = gate()
    for number in range(pin.CLIENT_GUESSES):
        asked.accepts_pin("0000", f"fd00::{number + 1:x}%wlan0")
    with pytest.raises(TooManyGuessesError):
        asked.accepts_pin("0000", "fd00::ffff")
    assert asked.accepts_pin(PIN, "fd00:0:0:1::1")


def test_a_token_is_good_after_a_restart_and_no_longer_when_pin_or_car_change() -> None:
    token = gate()[0].token()
    assert gate()[0].accepts_token(token)
    assert not gate("1357")[0].accepts_token(token)
    assert not gate(salt=b"another car")[0].accepts_token(token)


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
        assert not asked.accepts_token(forged)
    assert asked.token() != asked.token()
