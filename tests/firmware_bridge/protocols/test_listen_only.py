"""Listen-only guarantee: every adapter on a real pty with every setting, checked by what it did on the bus.

The recorder's reader opens, loses and reopens the adapter, which keeps track of its own mode. The expected result is
listed for each dialect: the settings with which it records, and those with which it is not opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from firmware_bridge.devices.ports import PortReader
from firmware_bridge.protocols import BusSettings, protocol
from firmware_bridge.records import CanFrame
from firmware_bridge.virtual.adapter import CanAdapter
from firmware_bridge.virtual.device import LiveDevice
from firmware_bridge.virtual.dialogue import Dialogue, GvretDialogue
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.slcan_dialects import DIALECTS
from firmware_bridge.virtual.traffic import Traffic
from tests.firmware_bridge.protocols.slcan_adapters import CANNOT, LISTENING
from tests.firmware_bridge.simulated_devices import Sink, clock_us, eventually, running
from tests.firmware_bridge.virtual.courses import lively

ENGINE = Engine(lively())
GVRETS: dict[str, Callable[[], Dialogue]] = {
    "gvret": GvretDialogue,
    "gvret, deaf": partial(GvretDialogue, has_listen_only=False),
    "gvret, mute": partial(GvretDialogue, answers=False),
}
OWN = ("realdash", "canserial")
"""Self-built firmware accepts no command."""
ADAPTERS = (*DIALECTS, *GVRETS, *OWN)
LISTENS = {*LISTENING, "mute", "gvret"}
REFUSED = {*CANNOT, "gvret, deaf"}


@contextmanager
def plugged(name: str, folder: Path) -> Iterator[tuple[CanAdapter, LiveDevice]]:
    """Run the adapter behind `folder/can`."""
    spoken = "gvret" if name in GVRETS else name if name in OWN else "slcan"
    adapter = CanAdapter(ENGINE, Traffic(ENGINE, rate=500), spoken, name if name in DIALECTS else "lawicel")
    if name in GVRETS:
        adapter._make = GVRETS[name]
        adapter.restart()
    began_s = time.monotonic()
    device = LiveDevice(
        "can", folder / "can", tick_s=0.005, baud=None, clock=lambda: 300.0 + time.monotonic() - began_s,
        produce=adapter.bytes_between, answer=adapter.feed, restart=adapter.restart,
    )  # fmt: skip
    device.start()
    try:
        yield adapter, device
    finally:
        device.stop()


def reader(
    adapter: CanAdapter, folder: Path, sink: Sink, listen_only: object, baud: object = 115_200
) -> PortReader:
    spoken = protocol(adapter.protocol)
    spoken = replace(
        spoken, bauds=spoken.bauds[:2]
    )  # the others are tried in the same way and take seconds each
    settings = BusSettings(500_000, None, listen_only)  # type: ignore[arg-type]
    return PortReader(
        "engine", str(folder / "can"), baud, spoken,  # type: ignore[arg-type]
        clock_us=clock_us(), sink=sink, opening=partial(spoken.opening, settings),
    )  # fmt: skip


def frames(adapter: CanAdapter, sink: Sink) -> int:
    """Number of frames received so far."""
    decoder = protocol(adapter.protocol).decoder(0)
    for chunk in sink.chunks("engine"):
        decoder.feed(chunk.data, chunk.t_us)
    return decoder.good


def answered(adapter: CanAdapter, sink: Sink) -> bool:
    """Whether the engine has answered a request."""
    decoder = protocol(adapter.protocol).decoder(0)
    heard = (decoder.feed(chunk.data, chunk.t_us).frames for chunk in sink.chunks("engine"))
    return any(frame.can_id == 0x7E8 for batch in heard for frame in batch)


def await_frames(adapter: CanAdapter, sink: Sink) -> None:
    before = frames(adapter, sink)
    eventually(lambda: frames(adapter, sink) > before + 100, "frames")


@pytest.mark.parametrize("name", ADAPTERS)
def test_true_never_acknowledges_and_records_if_possible(name: str, tmp_path: Path) -> None:
    sink = Sink()
    with plugged(name, tmp_path) as (adapter, device):
        with running(reader(adapter, tmp_path, sink, listen_only=True)):
            if name in REFUSED:
                refused = sink.await_state("normal_only", "engine")
                assert 'listen_only = "try" or false' in refused.detail
                assert "\n" not in refused.detail
                eventually(lambda: not adapter.is_open)
            elif name in LISTENS or name in OWN:
                await_frames(adapter, sink)
                change = sink.await_state("open", "engine")
                assert not change.warning
                assert name in OWN or adapter._dialogue.is_listening  # type: ignore[attr-defined]
                device.set_plugged(False)
                sink.await_state("lost", "engine")
                device.set_plugged(True)
                await_frames(adapter, sink)
            else:
                silent = sink.await_state("silent", "engine")
                assert 'listen_only = "try" or false' in silent.detail
                assert not adapter.is_open
        assert not adapter.been_normal


@pytest.mark.parametrize("name", ADAPTERS)
def test_try_records_with_every_adapter_and_warns_where_it_acknowledges(name: str, tmp_path: Path) -> None:
    sink = Sink()
    with plugged(name, tmp_path) as (adapter, _), running(reader(adapter, tmp_path, sink, "try")):
        await_frames(adapter, sink)
        change = sink.await_state("open", "engine")
    assert bool(change.warning) is adapter.been_normal
    assert change.warning in change.detail
    assert adapter.been_normal is not (name in LISTENS or name in OWN)


@pytest.mark.parametrize("name", ADAPTERS)
def test_false_records_and_transmits_with_every_adapter(name: str, tmp_path: Path) -> None:
    sink = Sink()
    with plugged(name, tmp_path) as (adapter, _):
        engine = reader(adapter, tmp_path, sink, listen_only=False)
        with running(engine):
            await_frames(adapter, sink)
            assert not sink.await_state("open", "engine").warning
            spoken = protocol(adapter.protocol)
            assert spoken.encode is not None
            question = spoken.encode(CanFrame(0, 0, 0x7DF, bytes.fromhex("02010c0000000000")))
            eventually(lambda: engine.write(question))
            eventually(lambda: answered(adapter, sink), "the engine's answer")
    assert adapter.been_normal


@pytest.mark.parametrize("name", ["canable2", "mintynet", "wican", "esp32ret", "mute normal", "lawicel"])
def test_the_search_for_the_baud_rate_keeps_the_promise(name: str, tmp_path: Path) -> None:
    """A refusal at one rate may be noise, so all are tried; then the refusal is reported, not "silent"."""
    sink = Sink()
    with plugged(name, tmp_path) as (adapter, _):
        with running(reader(adapter, tmp_path, sink, listen_only=True, baud="auto")):
            if name in CANNOT:
                assert "cannot listen only" in sink.await_state("normal_only", "engine").detail
            elif name in LISTENS:
                await_frames(adapter, sink)
            else:
                assert "answers nothing" in sink.await_state("silent", "engine").detail
        assert not adapter.been_normal


@pytest.mark.parametrize("name", LISTENING)
def test_an_adapter_that_another_program_left_open_normal_only_listens_afterwards(
    name: str, tmp_path: Path
) -> None:
    sink = Sink()
    with plugged(name, tmp_path) as (adapter, _):
        adapter.feed(b"S6\rM0\rO\r" if name != "wican" else b"S6\rO\r", 300.0)
        assert adapter.is_open
        adapter._dialogue.been_normal = False  # type: ignore[misc]
        with running(reader(adapter, tmp_path, sink, listen_only=True)):
            await_frames(adapter, sink)
        assert not adapter.been_normal
