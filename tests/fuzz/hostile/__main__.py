"""Run reading verbs and endpoints on hostile logs: `python -m tests.fuzz.hostile --logs 1000`.

A number always gives the same log. A finding names the log's number, its mutations and the verb; the exit code is then
1. `--with NAME` makes logs with that mutation only; `--step VERB` runs only that verb. Standard error gets a line per
minute. For ten thousand logs start two processes, `--logs 10000 --every 2` with `--seed 1` and `--seed 2`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.fuzz.hostile import logs
from tests.fuzz.hostile.campaign import Campaign

REPORT_S = 60.0


def main(arguments: list[str]) -> int:
    """Run the campaign. Returns 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.hostile", description=__doc__)
    parser.add_argument("--logs", type=int, default=1000, help="how many logs")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first log")
    parser.add_argument(
        "--every", type=int, default=1, help="only every n-th log, to run several processes in parallel"
    )
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time")
    parser.add_argument(
        "--kind",
        action="append",
        choices=tuple(logs.MUTATIONS),
        help="only logs whose mutations are all of this kind",
    )
    parser.add_argument("--step", action="append", default=[], help="only this verb or endpoint")
    parser.add_argument("--with", dest="names", action="append", default=[], help="only this mutation")
    options = parser.parse_args(arguments)
    began, findings = time.monotonic(), Counter[str]()
    reported_s = began

    def progress() -> None:
        nonlocal reported_s
        if time.monotonic() - reported_s >= REPORT_S:
            reported_s = time.monotonic()
            print(figures(), file=sys.stderr, flush=True)

    def figures() -> str:
        cpu_s = campaign.cpu_s()
        return (
            f"{campaign.logs:,} logs, {campaign.steps:,} steps, {findings.total()} findings,"
            f" {time.monotonic() - began:.0f} s, {cpu_s:.0f} s of CPU time, {campaign.logs / cpu_s:.1f} logs/s"
        )

    campaign = Campaign(options.step, tuple(options.names), progress)
    try:
        seeds: Sequence[int] = range(options.seed, options.seed + options.logs, options.every)
        if options.kind:
            seeds = [seed for seed in seeds if logs.kinds(logs.drawn(seed)) <= set(options.kind)]
        for finding in campaign.findings_on(seeds, began + options.seconds):
            findings[finding.what] += 1
            if findings[finding.what] == 1:
                print(finding, flush=True)
        last = figures()
    finally:
        campaign.close()
    for what, count in findings.most_common():
        print(f"{count:>6} {what}")
    print(last)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
