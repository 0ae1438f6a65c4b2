"""Hostile TOML is refused quickly with one line; real files are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from logger.config import configuration
from logger.demo import stages
from logger.stage import itinerary
from logger.tomlconfig import limits
from logger.tomlconfig.schema import MAX_PROBLEMS, TomlError, TomlFile
from tests.logger.command_line import stagelog, within_cpu_s

CPU_S = 10
CASES = Path(__file__).parents[2] / "field_cases" / "adversary"


@pytest.mark.parametrize("case", sorted(CASES.glob("*.toml")), ids=lambda path: path.stem)
def test_field_cases_are_refused_in_one_line(case: Path, tmp_path: Path) -> None:
    ended = stagelog("check", case, folder=tmp_path, before=within_cpu_s(CPU_S))
    assert ended.code == 1
    assert 0 < len(ended.complaints) <= 3
    assert all(len(line) < 500 for line in ended.complaints)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (".".join(["a"] * 50_000) + " = 1", "1: a key of more than 16 parts"),
        ("x = 1\n[" + ".".join(["a"] * 50_000) + "]", "2: a key of more than 16 parts"),
        (".".join(['"a"'] * 50_000) + " = 1", "1: a key of more than 16 parts"),
        ("a" + " . a" * 50_000 + " = 1", "1: a key of more than 16 parts"),
        ("a = 0x" + "f" * 100_000, "1: a word of over 1000 characters"),
        ("a = " + "9" * 5000, "1: a word of over 1000 characters"),
        ("a = 0b" + "1" * 5000, "1: a word of over 1000 characters"),
        ("a = " + "[" * 900 + "]" * 900, "1: nested more than 16 deep"),
        ("a = " + "{b=" * 900 + "1" + "}" * 900, "1: nested more than 16 deep"),
        ("# " + "x" * 1_000_001, "1: over 1,000,000 characters"),
        ('a = """' + '"""a' * 100_000, "not TOML"),
        ("a = '" * 100_000, "not TOML"),
        ("[[section]]\n" * 60_000 + "x", "not TOML"),
    ],
)
def test_a_text_over_a_limit_is_refused(text: str, what: str) -> None:
    with pytest.raises(TomlError) as caught:
        itinerary.load(text, "x.toml")
    assert what in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_of_nothing_but_mistakes_names_a_hundred() -> None:
    text = "".join(f"key_{n} = {n}\n" for n in range(50_000))
    with pytest.raises(TomlError) as caught:
        TomlFile(text, "x.toml").build(configuration.Config)
    assert len(caught.value.problems) == MAX_PROBLEMS


DATES = [
    ("0001-01-01T00:00:00+14:00", "the year 1"),
    ("9999-12-31T23:59:59-14:00", "the year 9999"),
    ("1899-12-31T23:59:59Z", "the year 1899"),
]


@pytest.mark.parametrize(("written", "what"), DATES)
def test_dates_at_the_edges_of_the_calendar(written: str, what: str) -> None:
    section = f'[[section]]\nkind = "selective"\nlength_km = 5\nstart_utc = {written}\n'
    with pytest.raises(TomlError) as caught:
        itinerary.load(f'[stage]\nname = "x"\ndate = {written[:10]}\n{section}', "x.toml")
    assert [what in str(problem) for problem in caught.value.problems] == [True, True]


def test_real_files_are_below_every_limit() -> None:
    written = Path(stages.__file__).with_name("dakar_2026_11.toml").read_text()
    assert limits.excess(written) is None
    assert (
        limits.excess('a = [1.5, 2.5]\n[x.y."z"]\nb = {c = [1, [2]], d = 2026-01-15T00:00:00.123456Z}')
        is None
    )


def test_a_file_without_an_end_is_refused(tmp_path: Path) -> None:
    ended = stagelog("check", "/dev/zero", folder=tmp_path, before=within_cpu_s(CPU_S))
    assert ended.code == 1
    assert "over 32 MB" in ended.complaint
