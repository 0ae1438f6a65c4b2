"""A full disk and a kill at some writes of each verb; `python -m tests.write_faults` tries all."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.write_faults.faults import Fault, Place, require_strace, run_with_fault
from tests.write_faults.inputs import NAMES, ready
from tests.write_faults.trying import EXIT_IO, Trial

SAMPLED = 2
"""Number of places per verb and kind of fault."""


@pytest.mark.matrix(4)
@pytest.mark.parametrize("how", ["full", "killed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_write_fault_does_no_harm(name: str, how: str, template: Path, tmp_path: Path) -> None:
    require_strace()
    with ready(name, template) as case:
        trial = Trial(case, template, tmp_path)
        of_kind = [fault for fault in trial.faults if fault.how == how]
        for fault in random.Random(f"{name} {how}").sample(of_kind, min(SAMPLED, len(of_kind))):
            trial.run(fault)


def test_full_shared_memory_is_named(template: Path, tmp_path: Path) -> None:
    """`simulate` shares its progress among processes; their memory is not in the folder of the logs."""
    require_strace()
    fault = Fault("full", Place("ftruncate", 1, ""))
    ended, _ = run_with_fault(
        fault, ("simulate", "short.toml", "-o", str(tmp_path / "out")), template, template
    )
    assert ended.code == EXIT_IO, ended
    assert ended.err.startswith("stagelog: /dev/shm: No space left on device; make room there"), ended.err
