"""Hostile logs through every reading verb: `python -m tests.fuzz.hostile --logs 1000 --seed 1`.

The log of a number is always the same. A finding names the log's number, its mutations and the verb; the exit code is
then 1. `--with NAME` makes logs with that mutation alone; `--step VERB` runs that verb alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.fuzz.hostile import logs
from tests.fuzz.hostile.campaign import Campaign


def main(arguments: list[str]) -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.hostile", description=__doc__)
    parser.add_argument("--logs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1, help="the number of the first log")
    parser.add_argument(
        "--every", type=int, default=1, help="only every n-th log: for several processes side by side"
    )
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument(
        "--kind", action="append", choices=tuple(logs.MUTATIONS), help="only logs of this kind alone"
    )
    parser.add_argument("--step", action="append", default=[])
    parser.add_argument("--with", dest="names", action="append", default=[])
    options = parser.parse_args(arguments)
    campaign = Campaign(options.step, tuple(options.names))
    began, found = time.monotonic(), Counter[str]()
    try:
        seeds: Sequence[int] = range(options.seed, options.seed + options.logs, options.every)
        if options.kind:
            seeds = [seed for seed in seeds if logs.kinds(logs.drawn(seed)) <= set(options.kind)]
        for one in campaign.tried(seeds, began + options.seconds):
            found[one.what] += 1
            if found[one.what] == 1:
                print(one, flush=True)
    finally:
        campaign.close()
    for what, count in found.most_common():
        print(f"{count:>6} {what}")
    took_s = time.monotonic() - began
    print(f"{campaign.logs:,} logs, {campaign.steps:,} steps, {found.total()} findings, {took_s:.0f} s")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
