"""The review page of a log: the time to write it, its size, the first picture in Chromium, pictures while dragging.

Ten hours (`--hours 10`) are fixes at 10 Hz, 12 million frames and 4.7 million readings; the goals are for this size.
The page is also made with 160 signals decoded from all frames (`--signals`).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.review import make_log, measure

Row = tuple[str, str]
GOAL_WRITE_S, GOAL_MB, GOAL_FIRST_S, GOAL_PER_S = 8.0, 4.0, 1.0, 60
MESSAGES, SIGNALS = 20, 8
SIZE = {"width": 1280, "height": 800}
DRAG_S = 4.0
FIRST_PICTURE = """async () => {
  while (!window.stagelog) await new Promise(done => setTimeout(done, 1));
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now();
}"""
"""Milliseconds from the begin of the navigation to the frame after the first picture."""
COUNT_FRAMES = """() => {
  window.frames_ms = []; window.script_ms = [];
  const count = at => { frames_ms.push(at); requestAnimationFrame(count); };
  const request = window.requestAnimationFrame.bind(window);
  request(count);
  window.requestAnimationFrame = draw => request(at => {
    const began = performance.now();
    draw(at);
    if (draw !== count) script_ms.push(performance.now() - began);
  });
}"""
"""Times of the frames, and what the page's own script takes to draw each, in ms."""


def review_page(options: argparse.Namespace) -> Iterator[Row]:
    """Write the page with and without signals, and look at it in Chromium."""
    with tempfile.TemporaryDirectory() as folder:
        log, dbc = Path(folder) / "day.db", Path(folder) / "car.dbc"
        make_log(log, options.hours)
        dbc.write_text(_dbc())
        for name, more in (("page", []), ("page, 160 signals", ["--signals", "--dbc", str(dbc)])):
            page = Path(folder) / "page.html"
            seconds, cpu_s, megabytes = measure([str(log), "--html", str(page), *more])
            what = f"{options.hours:g} h {name}"
            yield (
                f"{what}: written",
                (f"{seconds:.2f} s (goal {GOAL_WRITE_S:g}), {cpu_s:.2f} s CPU, {megabytes:.0f} MB of memory"),
            )
            yield f"{what}: size", f"{page.stat().st_size / 1e6:.2f} MB (goal {GOAL_MB:g})"
            program = shutil.which("chromium")
            if program is None:
                yield f"{what}: in Chromium", "skipped: chromium is not installed"
                continue
            yield from _shown(what, program, page)


def _dbc() -> str:
    messages = []
    for number in range(MESSAGES):
        signals = "".join(
            f' SG_ s{number}_{byte} : {8 * byte}|8@1+ (1,0) [0|0] "" X\n' for byte in range(SIGNALS)
        )
        messages.append(f"BO_ {256 + number} M{number}: 8 X\n{signals}\n")
    return "\n".join(messages)


def _shown(what: str, program: str, path: Path) -> Iterator[Row]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        browser.new_page().close()  # the browser itself has started
        page: Any = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(path.as_uri(), wait_until="commit")
        first_s = page.evaluate(FIRST_PICTURE) / 1000
        yield f"{what}: first picture", f"{first_s:.2f} s (goal {GOAL_FIRST_S:g})"
        page.evaluate("stagelog.zoom(-1e9, 1e9)")
        frames_ms, script_ms = _drag(page)
        between_ms = np.diff(frames_ms)
        yield (
            f"{what}: dragging",
            f"{1000 / between_ms.mean():.0f} pictures per second (goal {GOAL_PER_S}),"
            f" {np.percentile(between_ms, 99):.0f} ms between two at 99 %,"
            f" {np.median(script_ms):.1f} ms of script for each (median)",
        )
        browser.close()


def _drag(page: Any) -> tuple[list[float], list[float]]:
    """Drag the lanes to and fro, zoomed in to half of the day; returns each frame's time and its script's, in ms."""
    first, last = page.evaluate("stagelog.view()")
    page.evaluate(f"stagelog.zoom({first + (last - first) / 4}, {first + (last - first) * 3 / 4})")
    box = page.locator("#lanes").bounding_box()
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(middle, y)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.evaluate(COUNT_FRAMES)
    began = time.monotonic()
    while (passed_s := time.monotonic() - began) < DRAG_S:
        page.mouse.move(middle + 150 * float(np.sin(passed_s * 3)), y)
    frames_ms, script_ms = page.evaluate("[frames_ms, script_ms]")
    page.mouse.up()
    page.keyboard.up("Shift")
    return frames_ms, script_ms
