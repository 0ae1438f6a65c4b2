"""Opening of GVRET adapters: set up only after an answer, confirmed by the adapter's report."""

from __future__ import annotations

import struct

import pytest

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import BusSettings, Opened
from firmware_bridge.protocols.gvret import report
from firmware_bridge.protocols.gvret_opening import opening
from firmware_bridge.records import CanFrame
from firmware_bridge.virtual.dialogue import GvretDialogue
from tests.firmware_bridge.dialogues import Transcript, run_opening, run_opening_late

NOISE = b"".join(report(CanFrame(n, 0, 0x100 + n, b"\xf1\x06\x01\x02\x03\x04\x05\xf1")) for n in range(20))


def opened(adapter: GvretDialogue, *settings: object, noise: bytes = b"") -> Transcript:
    bus_settings = BusSettings(*settings)  # type: ignore[arg-type]
    return run_opening(opening(bus_settings), lambda sent: noise + adapter.feed(sent, 0).answer + noise)


def buses(transcript: Transcript) -> list[tuple[int, int]]:
    """The bus settings of each set-up command."""
    return [struct.unpack_from("<II", sent, 2) for sent in transcript.sent if sent[:2] == b"\xf1\x05"]


@pytest.mark.parametrize("noise", [b"", NOISE], ids=["quiet", "among frames"])
@pytest.mark.parametrize("listen_only", [True, "try"])
def test_listen_only_mode_is_requested_and_confirmed(listen_only: object, noise: bytes) -> None:
    adapter = GvretDialogue()
    transcript = opened(adapter, 250_000, None, listen_only, noise=noise)
    assert transcript.opened == Opened()
    assert transcript.sent[:2] == [b"\xe7\xe7", bytes.fromhex("f10c f106 f107 f109")]
    assert buses(transcript) == [(0xA003_D090,) * 2, (0xE003_D090,) * 2], "both buses, first switched off"
    assert (adapter.is_listening, adapter.been_normal, adapter.bitrate) == (True, False, 250_000)


@pytest.mark.parametrize("late_s", [0.1, 0.4, 0.5, 0.7, 0.9])
def test_adapter_that_answers_late_is_set_up(late_s: float) -> None:
    adapter = GvretDialogue()
    dialogue = opening(BusSettings(250_000))
    assert run_opening_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s) == Opened()
    assert (adapter.is_listening, adapter.been_normal, adapter.bitrate) == (True, False, 250_000)


def test_bus_1_listens_only_also_in_normal_mode() -> None:
    adapter = GvretDialogue()
    transcript = opened(adapter, 500_000, None, False)
    assert transcript.opened == Opened()
    assert buses(transcript) == [(0xC007_A120, 0xE007_A120)]
    assert adapter.been_normal


def test_without_a_bit_rate_the_adapter_keeps_its_own_but_listens_only() -> None:
    adapter = GvretDialogue()
    adapter.feed(struct.pack("<2sII", b"\xf1\x05", 0xC003_D090, 0), 0)
    adapter.been_normal = False
    assert opened(adapter, None, None, True).opened == Opened()
    assert (adapter.bitrate, adapter.is_listening, adapter.been_normal) == (250_000, True, False)
    assert buses(opened(GvretDialogue(), None, None, False)) == []


def test_disabled_bus_stays_off_without_a_configured_rate() -> None:
    transcript = opened(GvretDialogue(), None, None, True)
    assert transcript.opened is not None
    assert "set `bitrate`" in transcript.opened.doubt
    assert buses(transcript) == []


def test_adapter_without_confirmation_is_switched_off_and_refused() -> None:
    adapter = GvretDialogue(has_listen_only=False)
    with pytest.raises(NotOpenedError, match='not opened; set listen_only = "try" or false') as caught:
        opened(adapter, 500_000)
    assert caught.value.state == "normal_only"
    assert not adapter.is_enabled
    assert not adapter.been_normal, "it was asked while its bus was off"
    transcript = opened(GvretDialogue(has_listen_only=False), 500_000, None, "try")
    assert transcript.opened is not None
    assert "acknowledges" in transcript.opened.warning


def test_adapter_without_answer_is_not_set_up() -> None:
    adapter = GvretDialogue(answers=False)
    transcript = opened(adapter, 500_000, None, True)
    assert transcript.opened is not None
    assert "does not answer" in transcript.opened.doubt
    assert (buses(transcript), adapter.been_normal) == ([], False)
    transcript = opened(adapter, 500_000, None, "try")
    assert transcript.opened is not None
    assert "acknowledges" in transcript.opened.warning
    assert adapter.is_enabled


@pytest.mark.parametrize("bitrate", [0, -1, 1_000_001])
def test_impossible_bit_rates(bitrate: int) -> None:
    with pytest.raises(NotOpenedError, match="it has any from 1 to 1000000"):
        opened(GvretDialogue(), bitrate)
