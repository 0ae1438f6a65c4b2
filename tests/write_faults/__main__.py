"""Every fault of every verb: `python -m tests.write_faults [MOST] [VERB...]`. Prints a line for each that did harm.

`MOST` is how many of each kind and verb are tried, evenly spread; a log that is made has hundreds of writes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.write_faults.faults import Fault
from tests.write_faults.inputs import NAMES, make_template, ready
from tests.write_faults.trying import Trial


def spread(faults: list[Fault], how: str, most: int) -> list[Fault]:
    """At most so many of a kind, the first and the last among them."""
    of_kind = [fault for fault in faults if fault.how == how]
    if len(of_kind) <= most:
        return of_kind
    return [of_kind[round(at * (len(of_kind) - 1) / (most - 1))] for at in range(most)]


def main(arguments: list[str]) -> int:
    """Exit 1 when any did harm."""
    most = int(arguments[0]) if arguments and arguments[0].isdecimal() else sys.maxsize
    names = [argument for argument in arguments if not argument.isdecimal()]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="stagelog-faults-") as scratch:
        template = make_template(Path(scratch) / "template")
        for name in names or NAMES:
            with ready(name, template) as case:
                trial, harmed = Trial(case, template, Path(scratch)), 0
                tried = [*spread(trial.faults, "full", most), *spread(trial.faults, "killed", most)]
                for fault in tried:
                    try:
                        trial.run(fault)
                    except AssertionError as error:
                        harmed += 1
                        print(f"{name}: {fault}\n    {' '.join(str(error).split())[:600]}", flush=True)
            kinds = [sum(fault.how == how for fault in tried) for how in ("full", "killed")]
            print(f"{name}: {kinds[0]} full disks, {kinds[1]} kills, {harmed} harmed", flush=True)
            wrong += harmed
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
