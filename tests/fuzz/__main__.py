"""A fuzzer: `python -m tests.fuzz TARGET... --seconds 60`; without a target all of them, one after another.

What crashes or hangs a target is kept in `--keep`; then the exit code is 1. `--atheris` lets atheris choose the inputs
of one target (to be installed for it: `pip install atheris`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.coverage import covered


def main(arguments: list[str]) -> int:
    """Run the targets."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60.0, help="a target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--atheris", action="store_true")
    options = parser.parse_args(arguments)
    if options.atheris:
        if len(options.targets) != 1:
            parser.error("atheris takes one target")
        covered(options.targets[0], options.seconds, options.keep / f"corpus-{options.targets[0]}")
    from tests.fuzz.running import TARGETS, run  # not before: what is imported then, atheris does not follow

    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    failed = 0
    for name in options.targets or TARGETS:
        done = run(name, most=sys.maxsize, seconds=options.seconds, seed=options.seed, keep=options.keep)
        failed += len(done.found)
        for told in done.found.values():
            print(told)
        figures = (
            f"{done.inputs:>10,} inputs {done.inputs / done.seconds:>8,.0f}/s {done.grown_kb:>8,} kB more"
        )
        print(f"{name:12} {figures} {len(done.found):>3} failures", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
