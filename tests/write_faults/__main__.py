"""The faults of every verb: `python -m tests.write_faults [--every] [VERB...]`. Prints a line for each that did harm.

A log that is made has hundreds of writes by the same line of the program: of those alike some are tried, or every one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.write_faults.inputs import NAMES, make_template, ready
from tests.write_faults.trying import Trial


def main(arguments: list[str]) -> int:
    """Exit 1 when any did harm."""
    parser = argparse.ArgumentParser(prog="python -m tests.write_faults", description=__doc__)
    parser.add_argument("--every", action="store_true", help="at every place, however many are alike")
    parser.add_argument("verbs", nargs="*", choices=[*NAMES, []], metavar="VERB")
    options = parser.parse_args(arguments)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="stagelog-faults-") as scratch:
        template = make_template(Path(scratch) / "template")
        for name in options.verbs or NAMES:
            with ready(name, template) as case:
                trial, harmed = Trial(case, template, Path(scratch)), 0
                tried = trial.every if options.every else trial.faults
                for fault in tried:
                    try:
                        trial.run(fault)
                    except AssertionError as error:
                        harmed += 1
                        print(f"{name}: {fault}\n    {' '.join(str(error).split())[:600]}", flush=True)
            full, killed = (sum(fault.how == how for fault in tried) for how in ("full", "killed"))
            of = f"{len(tried)} of {len(trial.every)} faults tried"
            print(f"{name}: {of}, {full} full disks, {killed} kills, {harmed} harmed", flush=True)
            wrong += harmed
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
