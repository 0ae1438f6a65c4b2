"""Open and poll simulated ELM327 dongles: recorded frames, and whether a dongle ever sent on the bus."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from firmware_bridge.engine.obd2 import Obd2Decoder
from firmware_bridge.engine.obd2_frames import PIDS, SUPPORT_PIDS
from firmware_bridge.engine.obd2_poller import Poller
from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import BusSettings, Opened, protocol
from firmware_bridge.protocols.elm327_opening import user_protocol
from firmware_bridge.records import EFF_FLAG, CanFrame
from firmware_bridge.virtual.dongle import MODELS, Dongle
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.traffic import Traffic
from tests.firmware_bridge.virtual.courses import lively

BEGIN_S = 300.0
TICK_S = 0.02
ELM327 = protocol("elm327")


@cache
def engine() -> Engine:
    return Engine(lively())


class Host:
    """The recorder's side, on a simulated clock: opens the dongle, then sends what attendant and asker return."""

    def __init__(self, dongle: Dongle, settings: BusSettings, now_s: float = BEGIN_S) -> None:
        self.dongle, self.settings, self.now_s = dongle, settings, now_s
        self.decoder, self.readings = ELM327.decoder(0), Obd2Decoder()
        self.frames: list[CanFrame] = []
        self.values: dict[str, float] = {}
        self.openings = 0
        self.poller = Poller(has_prompt=True)
        assert ELM327.asker is not None
        self.asker = ELM327.asker(self.poller, settings.bitrate)
        self.opened = self.open()

    def open(self) -> Opened:
        dialogue, answer = ELM327.opening(self.settings), None
        self.openings += 1
        while True:
            try:
                step = next(dialogue) if answer is None else dialogue.send(answer)
            except StopIteration as end:
                opened: Opened = end.value
                return opened
            answer = self._hear(self.dongle.feed(step.send, self.now_s))
            until_s = self.now_s + step.wait_s
            while self.now_s < until_s and not step.is_answer(answer):
                answer += self._tick()

    def run(self, seconds: float, *, polls: bool = False) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            data = b""
            for command in self.asker.due(self._t_us()) if polls else ():
                data += self._hear(self.dongle.feed(command, self.now_s))
            data += self._tick()
            reaction = self.opened.attend(data) if self.opened.attend and data else b""
            if reaction is None:
                self.opened = self.open()
            elif reaction:
                self._hear(self.dongle.feed(reaction, self.now_s))

    def _t_us(self) -> int:
        return round(self.now_s * 1e6)

    def _tick(self) -> bytes:
        self.now_s += TICK_S
        return self._hear(self.dongle.bytes_between(self.now_s - TICK_S, self.now_s))

    def _hear(self, data: bytes) -> bytes:
        frames = self.decoder.feed(data, self._t_us()).frames
        self.frames += frames
        self.asker.feed(data, frames)
        for frame in frames:
            for reading in self.readings.decode(frame.t_us, frame.can_id, frame.data):
                self.values[reading.channel.name] = reading.value
        return data


def dongle(model: str, rate: float = 100.0, **more: object) -> Dongle:
    return Dongle(engine(), Traffic(engine(), rate=rate), model, **more)  # type: ignore[arg-type]


ASKING = BusSettings(listen_only=False)
LISTENING = BusSettings(500_000)
SILENT = [name for name in MODELS if "ATCSM" not in MODELS[name].lacks]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("bitrate", [500_000, 250_000])
def test_every_dongle_polls_every_car(model: str, extended: bool, bitrate: int) -> None:
    host = Host(dongle(model, extended=extended, bitrate=bitrate), ASKING)
    host.run(40.0, polls=True)
    assert host.poller.supported >= set(PIDS)
    assert set(host.values) == {pid.channel.name for pid in PIDS.values()}
    assert host.dongle.stopped == 0, "nothing is sent before the prompt"
    assert (host.decoder.bad, host.readings.bad) == (0, 0)
    assert max(len(payload) for _, payload in host.dongle.requests) == 7, "six PIDs at once"
    answers = {frame.can_id for frame in host.frames}
    assert answers == {0x18DAF110 | EFF_FLAG if extended else 0x7E8}


@pytest.mark.parametrize("model", MODELS)
def test_polling_rate_follows_the_dongle(model: str) -> None:
    host = Host(dongle(model), ASKING)
    host.run(5.0, polls=True)
    begin = len(host.dongle.requests)
    host.run(20.0, polls=True)
    a_second = (len(host.dongle.requests) - begin) / 20
    assert a_second > min(8.0, 0.6 / MODELS[model].timeout_s), a_second


def test_a_car_that_answers_one_pid_at_a_time() -> None:
    host = Host(dongle("elm327", max_pids=1), ASKING)
    host.run(30.0, polls=True)
    assert set(host.values) == {pid.channel.name for pid in PIDS.values()}


def test_a_known_bit_rate_is_the_only_one_tried() -> None:
    host = Host(dongle("elm327", bitrate=250_000), BusSettings(500_000, listen_only=False))
    host.run(30.0, polls=True)
    assert host.values == {}
    assert host.dongle._set.bitrate == 500_000


def test_ignition_switched_on_later_and_idle_dongle_stays_heard() -> None:
    host = Host(dongle("elm327"), ASKING)
    host.dongle.is_engine_on = False
    host.run(60.0, polls=True)
    before = len(host.dongle.requests)
    assert before < 40
    good = host.decoder.good
    host.run(5.0, polls=True)
    assert host.decoder.good > good
    host.dongle.is_engine_on = True
    host.run(70.0, polls=True)
    assert "rpm" in host.values


@pytest.mark.parametrize("model", MODELS)
def test_restarted_dongle_is_set_up_again(model: str) -> None:
    host = Host(dongle(model), ASKING)
    host.run(10.0, polls=True)
    host.dongle.brown_out(host.now_s)
    host.run(8.0, polls=True)
    assert host.openings == 2
    host.values.clear()
    host.run(10.0, polls=True)
    assert "rpm" in host.values
    assert host.readings.bad == 0


@pytest.mark.parametrize("model", SILENT)
@pytest.mark.parametrize("bitrate", [500_000, 250_000, 125_000, 83_333, 33_333])
def test_listening_receives_both_kinds_of_identifier_and_never_acknowledges(model: str, bitrate: int) -> None:
    host = Host(
        dongle(model, rate=200, bitrate=round(500_000 / round(500_000 / bitrate))), BusSettings(bitrate)
    )
    host.run(3.0)
    assert host.opened == Opened(attend=host.opened.attend)
    assert 550 <= len(host.frames) <= 620
    assert {bool(frame.can_id & EFF_FLAG) for frame in host.frames} == {False, True}
    assert host.decoder.bad == 0
    assert not host.dongle.been_normal
    assert host.dongle.requests == []


@pytest.mark.parametrize("listen_only", [True, "try"])
@pytest.mark.parametrize("model", [name for name in MODELS if name not in SILENT])
def test_a_dongle_that_does_not_confirm_silence(model: str, listen_only: bool | str) -> None:
    device = dongle(model)
    settings = BusSettings(500_000, listen_only=listen_only)  # type: ignore[arg-type]
    if listen_only is True:
        with pytest.raises(NotOpenedError, match="does not confirm that it listens only") as caught:
            Host(device, settings)
        assert caught.value.state == "normal_only"
        assert not device.been_normal
    else:
        host = Host(device, settings)
        host.run(2.0)
        assert "acknowledges" in host.opened.warning
        assert "29-bit" in host.opened.warning
        assert len(host.frames) > 100


def test_listening_resumes_after_a_full_buffer() -> None:
    host = Host(dongle("elm327", rate=1_000), LISTENING)
    host.run(5.0)
    assert host.openings == 1
    assert len(host.frames) > 500
    assert not host.dongle.been_normal


def test_an_stn_keeps_up_with_a_busy_bus() -> None:
    host = Host(dongle("stn", rate=3_000), LISTENING)
    host.run(2.0)
    assert 5_500 <= len(host.frames) <= 6_200


def test_restarted_listening_dongle_is_reopened_not_resumed() -> None:
    host = Host(dongle("elm327"), LISTENING)
    host.run(1.0)
    host.dongle.brown_out(host.now_s)
    host.run(6.0)
    assert host.openings == 2
    heard = len(host.frames)
    host.run(2.0)
    assert len(host.frames) > heard + 150
    assert not host.dongle.been_normal


def test_without_a_bit_rate_nothing_listens() -> None:
    with pytest.raises(NotOpenedError, match="needs the bit rate") as caught:
        Host(dongle("stn"), BusSettings())
    assert caught.value.state == "normal_only"


@pytest.mark.parametrize(("model", "is_possible"), [("stn", True), ("elm327", False)])
def test_a_bit_rate_that_only_an_stn_has(model: str, is_possible: bool) -> None:
    settings = BusSettings(1_000_000)
    if is_possible:
        host = Host(dongle(model, bitrate=1_000_000), settings)
        host.run(1.0)
        assert len(host.frames) > 50
    else:
        with pytest.raises(NotOpenedError, match="no bit rate 1000000"):
            Host(dongle(model), settings)


def test_polling_supports_two_bit_rates() -> None:
    with pytest.raises(NotOpenedError, match="OBD-II has no bit rate 125000"):
        Host(dongle("elm327"), BusSettings(125_000, listen_only=False))


def test_a_dongle_without_headers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    device = dongle("clone")
    monkeypatch.setattr(device, "model", MODELS["clone"].__class__("ELM327 v1.0", lacks=("ATH",)))
    with pytest.raises(NotOpenedError, match="shows no identifiers"):
        Host(device, ASKING)


def test_dongle_left_listening_is_opened() -> None:
    device = dongle("elm327")
    host = Host(device, LISTENING)
    host.run(0.5)
    again = Host(device, LISTENING, host.now_s)
    again.run(1.0)
    assert len(again.frames) > 80


def test_dead_dongle_gives_a_doubt() -> None:
    dialogue: Callable[..., object] = ELM327.opening
    generator = dialogue(ASKING)
    sent = [next(generator).send, generator.send(b"").send]  # type: ignore[call-overload, attr-defined]
    assert sent == [b"ATI\r", b"ATI\r"]
    with pytest.raises(StopIteration) as end:
        generator.send(b"")  # type: ignore[attr-defined]
    assert "no prompt" in end.value.value.doubt


@pytest.mark.parametrize(
    ("bitrate", "code"),
    [(500_000, b"E0 01"), (250_000, b"E0 02"), (33_333, b"E0 0F"), (95_238, b"F0 06"), (1_000_000, None)],
)
def test_the_code_of_a_bit_rate(bitrate: int, code: bytes | None) -> None:
    assert user_protocol(bitrate) == code


def test_discovery_begins_with_the_first_support_pid() -> None:
    host = Host(dongle("elm327"), ASKING)
    host.run(2.0, polls=True)
    assert host.dongle.requests[0][1] == bytes((1, SUPPORT_PIDS[0]))
