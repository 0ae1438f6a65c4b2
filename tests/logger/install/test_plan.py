"""The plan as data: complete, ordered, and equal to the files in the repository."""

from __future__ import annotations

from itertools import combinations
from pathlib import PurePosixPath

import pytest

from logger.install import plan
from logger.install.plan import shipped

PROGRAM = "/opt/stagelog/bin/stagelog"


def steps(*options: str, program: str = PROGRAM, adapter_rules: bytes = b"") -> tuple[plan.Step, ...]:
    return plan.installation(
        shipped(),
        program=program,
        configuration=b'pin = "4711"',
        adapter_rules=adapter_rules,
        options=options,
    )


OPTION_SETS = [names for count in range(4) for names in combinations(plan.OPTIONS, count)]


@pytest.mark.parametrize("options", OPTION_SETS)
def test_folders_come_before_their_contents_and_no_path_is_repeated(options: tuple[str, ...]) -> None:
    created = {"/"}
    for step in steps(*options, adapter_rules=b"#"):
        if not isinstance(step, plan.Account):
            assert step.path not in created
            assert str(PurePosixPath(step.path).parent) in created
            created.add(step.path)
    assert {place for name in options for place in plan.OPTIONS[name].values()} == {
        place for files in plan.OPTIONS.values() for place in files.values() if place in created
    }


def test_users_are_created_before_their_files() -> None:
    there = {"root"}
    for step in steps():
        if isinstance(step, plan.Account):
            there |= {step.name, step.group}
        elif isinstance(step, plan.Folder | plan.File):
            assert {step.owner, step.group} <= there


def test_units_are_installed_unchanged_and_enabled_once() -> None:
    files = {step.path: step.content for step in steps() if isinstance(step, plan.File)}
    for name, place in plan.SHIPPED.items():
        assert files[place] == shipped()[name]
    links = {step.path: step.target for step in steps() if isinstance(step, plan.Link)}
    assert links == {plan.PROGRAM: PROGRAM} | {
        f"{plan.UNIT_FOLDER}/multi-user.target.wants/{unit}": f"{plan.UNIT_FOLDER}/{unit}"
        for unit in plan.UNITS
    }


def test_every_unit_starts_the_installed_program_with_the_installed_configuration() -> None:
    for unit in plan.UNITS:
        assert f"{plan.PROGRAM} " in shipped()[unit].decode()
        assert f" -c {plan.CONFIGURATION}\n" in shipped()[unit].decode()


def test_a_program_at_its_final_path_needs_no_link() -> None:
    assert plan.PROGRAM not in {
        step.path for step in steps(program=plan.PROGRAM) if not isinstance(step, plan.Account)
    }


def test_only_the_configuration_holds_the_pin_and_no_step_shows_it() -> None:
    (configuration,) = (step for step in steps() if isinstance(step, plan.File) and b"4711" in step.content)
    assert (configuration.path, configuration.mode, configuration.owner, configuration.group) == (
        "/etc/stagelog/stagelog.toml",
        0o640,
        "root",
        "stagelog",
    )
    assert configuration.keep
    assert "4711" not in repr(steps())


def test_nothing_is_writable_by_others() -> None:
    for step in steps(*plan.OPTIONS):
        if isinstance(step, plan.Folder | plan.File):
            assert not step.mode & 0o022
