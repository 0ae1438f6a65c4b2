"""Try write faults in verbs: `python -m tests.write_faults [--every] [VERB...]`.

Prints each fault that did harm; standard error gets each that is tried. Making a log has hundreds of writes by the same
line of the program: some of them are tried, or all with `--every`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.write_faults.inputs import NAMES, make_template, ready
from tests.write_faults.trying import Trial


def main(arguments: list[str]) -> int:
    """Try the faults. Returns 1 if one did harm."""
    parser = argparse.ArgumentParser(prog="python -m tests.write_faults", description=__doc__)
    parser.add_argument("--every", action="store_true", help="try every write, also similar ones")
    parser.add_argument("verbs", nargs="*", choices=[*NAMES, []], metavar="VERB")
    options = parser.parse_args(arguments)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="stagelog-faults-") as scratch:
        template = make_template(Path(scratch) / "template")
        for name in options.verbs or NAMES:
            with ready(name, template) as case:
                trial, harmed, elsewhere = Trial(case, template, Path(scratch)), 0, 0
                tried = trial.every if options.every else trial.faults
                for number, fault in enumerate(tried, 1):
                    print(f"{name}: {number} of {len(tried)}: {fault}", file=sys.stderr, flush=True)
                    try:
                        elsewhere += not trial.run(fault)
                    except AssertionError as error:
                        harmed += 1
                        print(f"{name}: {fault}\n    {' '.join(str(error).split())[:600]}", flush=True)
            full, killed = (sum(fault.how == how for fault in tried) for how in ("full", "killed"))
            share = f"{len(tried)} of {len(trial.every)} faults tried"
            print(
                f"{name}: {share}, {full} full disks, {killed} kills,"
                f" {elsewhere} hit another call first, {harmed} harmed",
                flush=True,
            )
            wrong += harmed
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
