"""Fuzz decoders and readers: `python -m tests.fuzz TARGET... --seconds 60`; all without a target.

Inputs that crash or hang a target are kept in `--keep`, and the exit code is 1. `--atheris` fuzzes one target with
atheris, guided by coverage (`pip install atheris`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.coverage import covered


def main(arguments: list[str]) -> int:
    """Fuzz the named targets, or all. Returns 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60.0, help="time per target")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="folder for failing inputs")
    parser.add_argument("--atheris", action="store_true", help="fuzz one target with atheris")
    options = parser.parse_args(arguments)
    if options.atheris:
        if len(options.targets) != 1:
            parser.error("atheris takes one target")
        covered(options.targets[0], options.seconds, options.keep / f"corpus-{options.targets[0]}")
    from tests.fuzz.running import TARGETS, run  # late: atheris cannot trace modules imported before it

    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; choose from {', '.join(TARGETS)}")
    failed = 0
    for name in options.targets or TARGETS:
        done = run(name, most=sys.maxsize, seconds=options.seconds, seed=options.seed, keep=options.keep)
        failed += len(done.failures)
        for failure in done.failures.values():
            print(failure)
        figures = (
            f"{done.inputs:>10,} inputs {done.inputs / done.seconds:>8,.0f}/s {done.grown_kb:>8,} kB growth"
        )
        print(f"{name:12} {figures} {len(done.failures):>3} failures", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
