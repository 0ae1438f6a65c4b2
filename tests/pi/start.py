"""Start of the recorder with a large DBC file: from exec to the first committed row, in time and in instructions."""

from __future__ import annotations

import os
import statistics
import sys
import time
import tty
from collections.abc import Callable
from pathlib import Path

from tests.bench.configuration import Bus, configure
from tests.bench.recorder import NO_BYTECODE, cpu_s, folder, rows
from tests.pi.counter import Counter
from tests.pi.instructions import program
from tests.pi.processors import CHECKOUT, Processor

SIGNALS = 2_000
_SIGNALS_PER_MESSAGE = 8
_LOG = "drive-001.db"
_LONGEST_S = 120.0


def start(processor: Processor | None, runs: int) -> bool:
    """Print the start without and with a DBC file; without a processor on this one, as it is. Returns True."""
    if processor is not None:
        _emulated(processor, "")  # compiles the libraries, once
    for signals in (0, SIGNALS):
        text = large_dbc(signals) if signals else ""
        figures = _emulated(processor, text) if processor is not None else _here(text, runs)
        print(f"exec to the first row, {signals:,} signals: {figures}", flush=True)
    return True


def _here(text: str, runs: int) -> str:
    taken = []
    for _ in range(runs):
        with folder() as place:
            taken.append(_first_row(place, text, lambda arguments: [sys.executable, *arguments]))
    seconds = [time_s for time_s, _ in taken]
    cpu = statistics.median(cpu_time_s for _, cpu_time_s in taken)
    return f"{min(seconds):.2f} to {max(seconds):.2f} s, {cpu:.2f} s of it CPU, {runs} starts"


def _emulated(processor: Processor, text: str) -> str:
    with folder() as place:
        counter = Counter(place)
        time_s, _ = _first_row(place, text, lambda rest: processor.python(rest, place, counter.options))
        millions = sum(counter.by_thread().values()) / 1e6
    return f"{millions:,.0f} M instructions, {time_s:.1f} s emulated"


def _first_row(place: Path, text: str, command: Callable[[list[str]], list[str]]) -> tuple[float, float]:
    """Seconds from exec to the first committed row, and CPU seconds until then."""
    master, slave = os.openpty()
    tty.setraw(slave)
    (place / "bus.dbc").write_text(text)
    bus = Bus("bus", os.ttyname(slave), dbc="bus.dbc" if text else "")
    config = configure(place, buses=(bus,), is_live=True)
    environment = {name: value for name, value in os.environ.items() if name != NO_BYTECODE}
    environment.update(PYTHONPATH=str(CHECKOUT), PYTHONSAFEPATH="1")
    began = time.monotonic()
    with program(command(["-m", "logger", "run", "-c", str(config)]), environment, place / "run") as recorder:
        while not rows(place / "logs" / _LOG, "event"):
            if recorder.poll() is not None or time.monotonic() - began > _LONGEST_S:
                raise RuntimeError((place / "run").read_text())
            time.sleep(0.005)
        taken = time.monotonic() - began, cpu_s(recorder.pid)
    os.close(master)
    os.close(slave)
    return taken


def large_dbc(signals: int) -> str:
    """A DBC file as a manufacturer's: both byte orders, comments, units, start values, named values."""
    messages, comments, attributes, values = [], [], [], []
    for number in range(signals // _SIGNALS_PER_MESSAGE):
        can_id, order = 0x100 + number, number % 3 == 0
        messages.append(f"\nBO_ {can_id} Message_{can_id:X}: 8 ECU")
        comments.append(f'CM_ BO_ {can_id} "The message {can_id}, sent every 100 ms.";')
        attributes.append(f'BA_ "GenMsgCycleTime" BO_ {can_id} 100;')
        for at in range(_SIGNALS_PER_MESSAGE):
            name, begin = f"Signal_{can_id:X}_{at}", 8 * at + (7 if order else 0)
            layout = f"{begin}|8@{0 if order else 1}{'-' if at % 2 else '+'}"
            messages.append(
                f' SG_ {name} : {layout} (0.{at + 1},-{at}) [-{at * 10}|{200 + at}] "unit" TCU,BCM'
            )
            comments.append(f'CM_ SG_ {can_id} {name} "What it means, in a sentence of usual length.";')
            attributes.append(f'BA_ "GenSigStartValue" SG_ {can_id} {name} {at};')
            if at % 4 == 0:
                values.append(f'VAL_ {can_id} {name} 0 "off" 1 "on" 2 "error" 3 "not available" ;')
    definitions = [
        'BA_DEF_ BO_ "GenMsgCycleTime" INT 0 65535;',
        'BA_DEF_ SG_ "GenSigStartValue" FLOAT 0 100000;',
    ]
    parts = ['VERSION ""\n\nBU_: ECU TCU BCM', *messages, "", *comments, *definitions, *attributes, *values]
    return "\n".join(parts) + "\n"
