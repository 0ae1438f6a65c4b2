"""Opening of SLCAN adapters: commands and confirmations per firmware, refusals, damaged answers."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import BusSettings, Opened, Step
from firmware_bridge.protocols.slcan import Decoder
from firmware_bridge.protocols.slcan_opening import opening
from firmware_bridge.virtual.slcan_device import SlcanDialogue
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from tests.firmware_bridge.dialogues import Transcript, run_opening, run_opening_late
from tests.firmware_bridge.protocols.slcan_adapters import CANNOT, LISTENING, SILENT, opened
from tests.firmware_bridge.wire import feed


def test_every_dialect_is_of_one_kind() -> None:
    assert sorted((*LISTENING, *CANNOT, *SILENT)) == sorted(DIALECTS)


@pytest.mark.parametrize("dialect", LISTENING)
@pytest.mark.parametrize("listen_only", [True, "try"])
def test_adapters_that_can_listen_only_confirm_it(dialect: str, listen_only: object) -> None:
    adapter = DIALECTS[dialect]()
    transcript = opened(adapter, listen_only=listen_only)
    assert transcript.opened == Opened()
    assert adapter.is_open
    assert adapter.is_listening
    assert not adapter.been_normal
    assert adapter.bitrate_code == "6"


@pytest.mark.parametrize("dialect", CANNOT)
def test_adapter_that_cannot_listen_only_is_refused_with_a_hint(dialect: str) -> None:
    adapter = DIALECTS[dialect]()
    with pytest.raises(NotOpenedError) as caught:
        opened(adapter)
    assert caught.value.state == "normal_only"
    assert "not opened" in str(caught.value)
    assert 'listen_only = "try" or false' in str(caught.value)
    assert not adapter.is_open
    assert not adapter.been_normal


@pytest.mark.parametrize("dialect", SILENT)
def test_mute_adapter_gets_no_opening_command_except_l(dialect: str) -> None:
    adapter = DIALECTS[dialect]()
    transcript = opened(adapter)
    assert transcript.opened is not None
    assert "answers nothing" in transcript.opened.doubt
    assert 'listen_only = "try" or false' in transcript.opened.doubt
    assert not adapter.been_normal
    assert adapter.is_open is (dialect == "mute"), "it listens, if it understands L"


def test_frames_after_l_confirm_it_on_a_mute_adapter() -> None:
    adapter = DIALECTS["mute"]()

    def answer(sent: bytes) -> bytes:
        adapter.feed(sent, 0)
        return b"t1230\rt4561AA\r" if adapter.is_open else b""

    assert run_opening(opening(BusSettings(500_000)), answer).opened == Opened()
    assert not adapter.been_normal


@pytest.mark.parametrize("dialect", (*CANNOT, *SILENT))
def test_try_opens_them_with_a_warning(dialect: str) -> None:
    adapter = DIALECTS[dialect]()
    transcript = opened(adapter, listen_only="try")
    assert transcript.opened is not None
    assert "acknowledges" in transcript.opened.warning
    assert adapter.is_open


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("left", [b"", b"S6\rL\r", b"S6\rM1\rO\r", b"S6\rOS\r", b"t12"])
def test_normal_mode_transmits_with_every_adapter_in_any_previous_state(dialect: str, left: bytes) -> None:
    adapter = DIALECTS[dialect]()
    adapter.feed(left, 0)
    transcript = opened(adapter, listen_only=False)
    assert transcript.opened == Opened()
    assert adapter.is_open
    assert not adapter.is_listening
    assert adapter.feed(b"t7DF803010C0000000000\r", 0).transmit


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_adapter_that_was_left_open_normal_is_closed_before_anything_else(dialect: str) -> None:
    """Its last frames and an incomplete one arrive before and among the answers."""
    adapter, pick = DIALECTS[dialect](), random.Random(dialect)
    adapter.feed(b"S6\rM0\rO\r", 0)
    adapter.been_normal = False
    rest = [b"0011223344\r" + b"t1238DEADBEEF01234567\r" * pick.randrange(4) for _ in range(2)]

    def answer(sent: bytes) -> bytes:
        received = adapter.feed(sent, 0).answer
        return (rest.pop(0) if rest else b"") + received

    transcript = Transcript()
    try:
        run_opening(opening(BusSettings(500_000)), answer, transcript)
    except NotOpenedError as refusal:
        assert refusal.state == "normal_only"
        assert dialect in CANNOT
    assert not adapter.been_normal
    assert not adapter.is_open or adapter.is_listening


@pytest.mark.parametrize("seed", range(40))
def test_late_or_lost_answers_never_open_in_normal_mode(seed: int) -> None:
    """A slow UART, Wi-Fi: an answer may be lost, late by some commands, or joined with the next one."""
    pick = random.Random(seed)
    for dialect, make in DIALECTS.items():
        adapter, waiting = make(), [b""] * 3

        def answer(sent: bytes, adapter: SlcanDialogue = adapter, waiting: list[bytes] = waiting) -> bytes:
            waiting[pick.randrange(3)] += adapter.feed(sent, 0).answer
            due, waiting[:] = waiting[0], [*waiting[1:], b""]
            return due if pick.random() < 0.9 else b""

        transcript = Transcript()
        with suppress(NotOpenedError):
            run_opening(opening(BusSettings(500_000)), answer, transcript)
        assert not adapter.been_normal, (dialect, transcript.sent)


@pytest.mark.parametrize("late_s", [0.0, 0.04, 0.1, 0.15, 0.25, 0.4, 0.5, 0.6, 0.75, 0.88])
@pytest.mark.parametrize("listen_only", [True, "try"])
@pytest.mark.parametrize("dialect", (*LISTENING, *CANNOT))
def test_constantly_late_answers_change_nothing(dialect: str, listen_only: object, late_s: float) -> None:
    """An adapter behind Wi-Fi: no late answer is taken for the answer to L."""
    adapter = DIALECTS[dialect]()
    dialogue = opening(BusSettings(500_000, None, listen_only))  # type: ignore[arg-type]
    if dialect in LISTENING:
        assert run_opening_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s) == Opened()
        assert adapter.is_listening
    elif listen_only == "try":
        assert (
            "acknowledges"
            in run_opening_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s).warning
        )
    else:
        with pytest.raises(NotOpenedError) as caught:
            run_opening_late(dialogue, lambda sent: adapter.feed(sent, 0).answer, late_s)
        assert caught.value.state == "normal_only"
        assert "cannot listen only" in str(caught.value)
    assert adapter.is_open is (dialect in LISTENING or listen_only == "try")
    assert adapter.been_normal is (dialect in CANNOT and listen_only == "try")


def test_decoder_knows_all_answers() -> None:
    for dialect, make in DIALECTS.items():
        batch = feed(Decoder(), [opened(make(), listen_only="try").heard])
        assert not batch.rejected, dialect
        assert not batch.frames


def test_no_opening_sends_an_empty_line() -> None:
    """Stock CANables would repeat their last frame."""
    for make in DIALECTS.values():
        for sent in opened(make(), listen_only="try").sent:
            assert sent.endswith(b"\r")
            assert b"" not in sent.split(b"\r")[:-1]


def test_a_step_waits_for_the_whole_answer_and_not_for_frames() -> None:
    dialogue = opening(BusSettings(500_000))
    step: Step = next(dialogue)
    while step.send != b"L\r":
        step = dialogue.send(b"")
    assert not step.is_answer(b"t1238DEADBEEF01234567\rt12")
    assert not step.is_answer(b"z\r")
    assert step.is_answer(b"t1238DEADBEEF01234567\r\r")
    assert step.is_answer(b"t1230\r\a")
