"""Run the benchmarks and print their figures: `python -m tests.bench [NAME...]`.

`--runs N` repeats each and prints medians; `--minutes M` sets the length of runs at a steady rate.
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.bench import recorder
from tests.bench.crew_cpu import crew_cpu
from tests.bench.download import downloads
from tests.bench.export import exports
from tests.bench.fleet import fleet
from tests.bench.live import live
from tests.bench.page import page
from tests.bench.recorder import Load
from tests.bench.review import reviews
from tests.bench.review_page import review_page

Row = tuple[str, str]
FAST_FRAMES = 600_000
PEER_FRAMES = 30_000
MIXED = ("mixed", "stamped")
SATURATED_FRAMES_PER_S = 9_000
"""Frame rate of a full 1 Mbit/s bus."""


def _median(
    runs: int, measure: Callable[[], Load], figure: Callable[[Load], float]
) -> tuple[float, list[Load]]:
    loads = [measure() for _ in range(runs)]
    return statistics.median(figure(load) for load in loads), loads


def throughput(options: argparse.Namespace) -> Iterator[Row]:
    """From bytes on a pty to committed rows, compared with python-can's slcan bus and SqliteWriter.

    First mixed traffic, as a car's bus has it; then frames of one kind, which is the best case of each protocol.
    """
    for title, traffic, protocols in (
        ("mixed traffic, stamped", MIXED, ("slcan",)),
        ("frames of one kind", (), ("slcan", "gvret", "realdash", "canserial")),
    ):
        peers = [recorder.peer(PEER_FRAMES, traffic) for _ in range(options.runs)]
        peer_rate = statistics.median(load.frames_per_s for load in peers)
        peer_cpu = statistics.median(load.cpu_us_per_frame for load in peers)
        yield (
            f"python-can slcan -> SqliteWriter, {title}",
            f"{peer_rate:,.0f} frames/s, {peer_cpu:.1f} us CPU per frame",
        )
        for protocol in protocols:
            measure = partial(recorder.record, protocol, FAST_FRAMES, traffic=traffic)
            rate, loads = _median(options.runs, measure, lambda load: load.frames_per_s)
            cpu = statistics.median(load.cpu_us_per_frame for load in loads)
            lost = sum(load.dropped for load in loads)
            yield (
                f"{protocol} pty -> committed rows, {title}",
                f"{rate:,.0f} frames/s ({rate / peer_rate:.0f} x peer), {cpu:.2f} us CPU per frame"
                f" (peer / {peer_cpu / cpu:.0f}), {lost} lost",
            )


def saturated(options: argparse.Namespace) -> Iterator[Row]:
    """A full 1 Mbit/s bus with 10 Hz GPS: CPU, losses, memory."""
    seconds = int(options.minutes * 60)
    for title, traffic in (("mixed traffic, stamped", MIXED), ("frames of one kind", ())):
        measure = partial(
            recorder.record,
            "slcan",
            SATURATED_FRAMES_PER_S * seconds,
            SATURATED_FRAMES_PER_S,
            traffic=traffic,
        )
        share, loads = _median(options.runs, measure, lambda load: load.cpu_s / load.seconds)
        yield (
            f"9,000 frames/s + 10 Hz GPS, {seconds} s, {title}",
            f"{100 * share:.1f} % of one core, {statistics.median(load.cpu_us_per_frame for load in loads):.2f} us CPU"
            f" per frame, {sum(load.dropped for load in loads)} lost, max {max(load.rss_mb for load in loads):.0f} MB"
            " resident",
        )


def disk(options: argparse.Namespace) -> Iterator[Row]:
    """Bytes written to the card per frame, all writes included, at 1,000 frames/s and max_loss_s = 1."""
    for gps_hz in (1, 10):
        figure, _ = _median(
            options.runs,
            partial(recorder.record, "slcan", int(60_000 * options.minutes), 1_000, gps_hz=gps_hz),
            lambda load: load.disk_bytes / load.frames,
        )
        yield f"1,000 frames/s + {gps_hz} Hz GPS", f"{figure:.1f} bytes to the card per frame"


def start(options: argparse.Namespace) -> Iterator[Row]:
    """From exec to the first committed row that another process can read; the first run compiles the bytecode."""
    recorder.record("slcan", 1_000)
    figure, _ = _median(
        max(3, options.runs), lambda: recorder.record("slcan", 1_000), lambda load: load.first_row_s
    )
    yield "exec to first committed row", f"{figure:.2f} s"


BENCHMARKS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "throughput": throughput,
    "saturated": saturated,
    "disk": disk,
    "start": start,
    "live": live,
    "page": page,
    "crew_cpu": crew_cpu,
    "download": downloads,
    "export": exports,
    "review": reviews,
    "review_page": review_page,
    "fleet": fleet,
}


def main() -> None:
    """Run the named benchmarks, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=3, help="repetitions of each benchmark")
    parser.add_argument("--minutes", type=float, default=1.0, help="length of a run at a steady rate")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the log that is downloaded")
    parser.add_argument(
        "--hours", type=float, default=1.0, help="length of the logs that are exported and reviewed"
    )
    parser.add_argument(
        "--logs", type=int, default=6, help="number of logs in the fleet; the goals are for 60"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_processor()}", flush=True)
    for name in options.names or BENCHMARKS:
        for what, figure in BENCHMARKS[name](options):
            print(f"{name:12} {what:42} {figure}", flush=True)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith(("model name", "Model"))]
    return f"{len(models)} x {models[0]}" if models else platform.machine()


if __name__ == "__main__":
    main()
