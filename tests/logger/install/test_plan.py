"""The plan as data: complete, in order, and the same as what the repository ships."""

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
def test_every_folder_comes_before_what_is_in_it_and_no_path_comes_twice(options: tuple[str, ...]) -> None:
    made = {"/"}
    for step in steps(*options, adapter_rules=b"#"):
        if not isinstance(step, plan.Account):
            assert step.path not in made
            assert str(PurePosixPath(step.path).parent) in made
            made.add(step.path)
    assert {place for name in options for place in plan.OPTIONS[name].values()} == {
        place for files in plan.OPTIONS.values() for place in files.values() if place in made
    }


def test_owners_are_made_before_what_they_own() -> None:
    there = {"root"}
    for step in steps():
        if isinstance(step, plan.Account):
            there |= {step.name, step.group}
        elif isinstance(step, plan.Folder | plan.File):
            assert {step.owner, step.group} <= there


def test_units_are_installed_as_they_are_shipped_and_enabled_once() -> None:
    files = {step.path: step.content for step in steps() if isinstance(step, plan.File)}
    for name, place in plan.SHIPPED.items():
        assert files[place] == shipped()[name]
    links = {step.path: step.target for step in steps() if isinstance(step, plan.Link)}
    assert links == {plan.PROGRAM: PROGRAM} | {
        f"{plan.UNIT_FOLDER}/multi-user.target.wants/{unit}": f"{plan.UNIT_FOLDER}/{unit}"
        for unit in plan.UNITS
    }


def test_every_unit_starts_the_program_with_the_configuration_that_are_installed() -> None:
    for unit in plan.UNITS:
        assert f"{plan.PROGRAM} " in shipped()[unit].decode()
        assert f" -c {plan.CONFIGURATION}\n" in shipped()[unit].decode()


def test_a_program_in_its_place_needs_no_link() -> None:
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
