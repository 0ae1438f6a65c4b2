"""The opening of GVRET adapters: set up only after they answered; what they say of themselves confirms it."""

from __future__ import annotations

import struct

import pytest

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import BusSettings, Opened
from firmware_bridge.protocols.gvret import report
from firmware_bridge.protocols.gvret_opening import opening
from firmware_bridge.records import CanFrame
from firmware_bridge.virtual.dialogue import GvretDialogue
from tests.firmware_bridge.dialogues import Held, hold, hold_late

NOISE = b"".join(report(CanFrame(n, 0, 0x100 + n, b"\xf1\x06\x01\x02\x03\x04\x05\xf1")) for n in range(20))


def opened(adapter: GvretDialogue, *settings: object, noise: bytes = b"") -> Held:
    asked = BusSettings(*settings)  # type: ignore[arg-type]
    return hold(opening(asked), lambda sent: noise + adapter.feed(sent, 0).answer + noise)


def buses(held: Held) -> list[tuple[int, int]]:
    """What each set-up asked for."""
    return [struct.unpack_from("<II", sent, 2) for sent in held.sent if sent[:2] == b"\xf1\x05"]


@pytest.mark.parametrize("noise", [b"", NOISE], ids=["quiet", "among frames"])
@pytest.mark.parametrize("listen_only", [True, "try"])
def test_listening_only_is_asked_for_and_confirmed(listen_only: object, noise: bytes) -> None:
    adapter = GvretDialogue()
    held = opened(adapter, 250_000, None, listen_only, noise=noise)
    assert held.opened == Opened()
    assert held.sent[:2] == [b"\xe7\xe7", bytes.fromhex("f10c f106 f107 f109")]
    assert buses(held) == [(0xA003_D090,) * 2, (0xE003_D090,) * 2], "both buses, first switched off"
    assert (adapter.is_listening, adapter.been_normal, adapter.bitrate) == (True, False, 250_000)


@pytest.mark.parametrize("late_s", [0.1, 0.4])
def test_an_adapter_that_answers_late_is_set_up_all_the_same(late_s: float) -> None:
    adapter = GvretDialogue()
    dialogue = opening(BusSettings(250_000))
    assert hold_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s) == Opened()
    assert (adapter.is_listening, adapter.been_normal, adapter.bitrate) == (True, False, 250_000)


def test_with_leave_to_acknowledge_bus_1_still_only_listens() -> None:
    adapter = GvretDialogue()
    held = opened(adapter, 500_000, None, False)
    assert held.opened == Opened()
    assert buses(held) == [(0xC007_A120, 0xE007_A120)]
    assert adapter.been_normal


def test_without_a_bit_rate_the_adapter_keeps_its_own_but_listens_only() -> None:
    adapter = GvretDialogue()
    adapter.feed(struct.pack("<2sII", b"\xf1\x05", 0xC003_D090, 0), 0)
    adapter.been_normal = False
    assert opened(adapter, None, None, True).opened == Opened()
    assert (adapter.bitrate, adapter.is_listening, adapter.been_normal) == (250_000, True, False)
    assert buses(opened(GvretDialogue(), None, None, False)) == []


def test_a_bus_that_is_off_is_not_switched_on_at_a_rate_that_nobody_named() -> None:
    held = opened(GvretDialogue(), None, None, True)
    assert held.opened is not None
    assert "set `bitrate`" in held.opened.doubt
    assert buses(held) == []


def test_who_does_not_confirm_is_switched_off_and_refused() -> None:
    adapter = GvretDialogue(has_listen_only=False)
    with pytest.raises(NotOpenedError, match='not opened; set listen_only = "try" or false') as caught:
        opened(adapter, 500_000)
    assert caught.value.state == "normal_only"
    assert not adapter.is_enabled
    assert not adapter.been_normal, "it was asked while its bus was off"
    held = opened(GvretDialogue(has_listen_only=False), 500_000, None, "try")
    assert held.opened is not None
    assert "acknowledges" in held.opened.warning


def test_who_does_not_answer_is_not_set_up() -> None:
    adapter = GvretDialogue(answers=False)
    held = opened(adapter, 500_000, None, True)
    assert held.opened is not None
    assert "does not answer" in held.opened.doubt
    assert (buses(held), adapter.been_normal) == ([], False)
    held = opened(adapter, 500_000, None, "try")
    assert held.opened is not None
    assert "acknowledges" in held.opened.warning
    assert adapter.is_enabled


@pytest.mark.parametrize("bitrate", [0, -1, 1_000_001])
def test_bit_rates_there_are_not(bitrate: int) -> None:
    with pytest.raises(NotOpenedError, match="it has any from 1 to 1000000"):
        opened(GvretDialogue(), bitrate)
