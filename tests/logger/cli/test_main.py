"""Wrong input on the command line: one line with where, what and how to fix it, the right exit code, no traceback."""

from __future__ import annotations

import random
import re
import sqlite3
from pathlib import Path

import click
import pytest

from logger.cli.main import VERBS, cli
from tests.logger.command_line import into_closed_pipe, stagelog

DONE, FOUND_WRONG, USAGE, CONFIGURATION, IO, BROKEN_PIPE = 0, 1, 2, 64, 74, 141
MAX_SUMMARY_CHARS = 60
"""The overview stays one line per verb in a narrow terminal."""
GPS = '[log]\ndirectory = "logs"\n[gps]\nport = "gps"\n'
CAN = '[log]\ndirectory = "logs"\n[[can]]\nname = "engine"\nport = "can"\nprotocol = "slcan"\n'
STAGE = (
    '[stage]\nevent = "Test"\nnumber = 1\nname = "A - B"\n'
    '[[section]]\nkind = "liaison"\nname = "L"\nlength_km = 3.0\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for every kind of mistake."""
    folder = tmp_path_factory.mktemp("wrong")
    texts = {
        "unknown_key.toml": GPS + "baudd = 9600\n",
        "protocol.toml": CAN.replace("slcan", "slcann"),
        "poll.toml": CAN + 'preset = "obd2"\npoll = true\n',
        "no_dbc.toml": CAN + 'dbc = ["none.dbc"]\n',
        "bad_dbc.toml": CAN + 'dbc = ["bad.dbc"]\n',
        "bad.dbc": "BO_ nonsense\n",
        "no_toml.toml": "[gps\n",
        "no_source.toml": "[car]\nnumber = 500\n",
        "no_stage.toml": GPS + '[stage]\nitinerary = "none.toml"\n',
        "latin_stage.toml": GPS + '[stage]\nitinerary = "latin.toml"\n',
        "file_as_folder.toml": GPS.replace('"logs"', '"text/logs"'),
        "good.toml": GPS,
        "good_stage.toml": STAGE,
        "everything.toml": CAN + 'bitrate = 1\ndbbc = "x"\nlisten_only = "no"\n[serve]\nhost = "0.0.0.0"\n',
        "files.toml": CAN + 'dbc = ["none.dbc", "bad.dbc"]\n[stage]\nitinerary = "bad_stage.toml"\n',
        "bad_stage.toml": '[stage]\nnumber = "x"\n[[section]]\nkind = "selectiv"\nname = "S"\nlength_km = -1.0\n',
        "text": "no recording at all\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    noise = random.Random(1).randbytes(5000)
    for name in ("noise.bin", "noise.log", "noise.blf", "noise.asc", "noise.trc", "noise.csv", "noise.db"):
        (folder / name).write_bytes(noise)
    (folder / "latin.toml").write_bytes(b'[gps]\nname = "M\xfcller"\n')
    (folder / "empty").write_bytes(b"")
    (folder / "empty.db").write_bytes(b"")
    connection = sqlite3.connect(folder / "foreign.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        ("run -c none.toml", CONFIGURATION, ["none.toml", "No such file", "-c FILE"]),
        ("run -c .", CONFIGURATION, ["directory", "-c FILE"]),
        ("run -c unknown_key.toml", CONFIGURATION, ["unknown_key.toml:5", "gps.baudd", 'mean "baud"']),
        ("run -c protocol.toml", CONFIGURATION, ["protocol.toml:6", '"slcann"', 'mean "slcan"']),
        ("run -c poll.toml", CONFIGURATION, ["poll.toml:8", "listen_only = true", "set poll = false"]),
        ("run -c no_toml.toml", CONFIGURATION, ["no_toml.toml:1", "not TOML", "[table]"]),
        ("run -c no_source.toml", CONFIGURATION, ["no source", "plugged in"]),
        ("run -c no_stage.toml", CONFIGURATION, ["none.toml", "No such file", "check its name"]),
        ("run -c latin.toml", CONFIGURATION, ["latin.toml:2", "not UTF-8", "save the file in UTF-8"]),
        ("run -c latin_stage.toml", CONFIGURATION, ["latin.toml:2", "not UTF-8", "save the file in UTF-8"]),
        ("run -c file_as_folder.toml", IO, ["text/logs/drive-001.db", "Not a directory", "check the folder"]),
        ("info none.db", IO, ["none.db", "no such log", "stagelog logs"]),
        ("info .", IO, ["folder", "stagelog logs"]),
        ("info foreign.db", IO, ["foreign.db", "not a stagelog log", "stagelog run"]),
        ("info noise.db", IO, ["noise.db", "not a database", "stagelog verify"]),
        ("info empty.db", IO, ["empty.db", "nothing was ever recorded", "deleted"]),
        ("logs none", IO, ["none", "no such folder", "[log] directory"]),
        ("logs text", IO, ["text", "no such folder"]),
        ("replay none.db", IO, ["none.db", "No such file", "check the name"]),
        ("replay none --protocol slcan", IO, ["none", "No such file", "check the name"]),
        ("replay .", IO, ["folder", "contains a recording"]),
        ("replay . --protocol slcan", IO, ["folder", "contains a recording"]),
        ("replay empty", IO, ["empty", "is empty", "contains a recording"]),
        ("replay empty --protocol nmea", IO, ["empty", "is empty", "contains a recording"]),
        ("replay foreign.db", IO, ["foreign.db", "not a stagelog log"]),
        ("replay text", IO, ["text", "neither a log", "--protocol"]),
        ("replay noise.bin", IO, ["noise.bin", "neither a log", "--protocol"]),
        ("replay noise.log", IO, ["noise.log", "neither a log", "--protocol"]),
        ("replay noise.bin --protocol slcann", CONFIGURATION, ['"slcann"', 'mean "slcan"']),
        ("replay noise.bin --protocol slcan --dbc bad.dbc", CONFIGURATION, ["bad.dbc:1", "no readable DBC"]),
        ("replay noise.bin --protocol slcan --preset obd3", CONFIGURATION, ['"obd3"', "obd2"]),
        ("replay noise.bin --protocol slcan -o text", IO, ["text/noise-replay.db", "check the folder"]),
        ("import none.gpx -o x.toml", CONFIGURATION, ["none.gpx", "No such file", "check its name"]),
        ("import noise.bin -o x.toml", CONFIGURATION, ["noise.bin:1", "not an XML file", "OpenRally"]),
        ("import . -o x.toml", CONFIGURATION, ["this is a folder", "check its name"]),
        ("simulate nowhere -o sim", CONFIGURATION, ["nowhere", "neither a built-in stage", "dakar-2026-11"]),
        ("simulate . -o sim", CONFIGURATION, ["neither a built-in stage", "dakar-2026-11"]),
        ("simulate bad_stage.toml -o sim", CONFIGURATION, ["bad_stage.toml:1", "stage.name", "add name"]),
        ("simulate dakar-2026-11 -o sim --car nobody", CONFIGURATION, ['"nobody"', "baciuska"]),
        (
            "simulate good_stage.toml -o text --can-rate 0",
            IO,
            ["text/test-1-car-1-001.db", "check the folder"],
        ),
    ],
)
def test_one_line_that_says_what_where_and_the_hint(
    folder: Path, arguments: str, code: int, expected: list[str]
) -> None:
    ended = stagelog(*arguments.split(), folder=folder)
    assert ended.complaint.startswith("stagelog: ")
    assert [word for word in expected if word not in ended.complaint] == [], ended.complaint
    assert ended.code == code
    assert ended.out == ""


@pytest.mark.parametrize("ending", ["asc", "blf", "trc", "csv"])
def test_a_file_extension_alone_does_not_make_a_can_log(folder: Path, ending: str) -> None:
    ended = stagelog("replay", f"noise.{ending}", "-o", "sim", folder=folder)
    assert f"noise.{ending}: neither a log, an NMEA text nor a CAN log" in ended.err.splitlines()[-1]
    assert ended.code == IO
    assert list((folder / "sim").glob("noise*")) == [], "no unfinished log is left"


@pytest.mark.parametrize(
    "arguments",
    [
        "nothing",
        "run",
        "simulate dakar-2026-11",
        "simulate -o sim",
        "demo --seconds 0",
        "demo --gps-hz 26",
        "verify",
        "replay noise.bin --protocol slcan --baud 0",
        "replay noise.bin --protocol slcan --baud -5",
        "info a b",
    ],
)
def test_wrong_usage(folder: Path, arguments: str) -> None:
    ended = stagelog(*arguments.split(), folder=folder)
    assert ended.code == USAGE
    assert re.match(r"stagelog( \w+)?: .*; `stagelog( \w+)? --help` shows the usage$", ended.complaint)
    assert ended.out == ""


@pytest.mark.parametrize(
    "verb", ["info", "verify", "replay", "check", "logs", "simulate -o sim", "run -c", ""]
)
def test_arguments_that_are_not_text(folder: Path, verb: str) -> None:
    ended = stagelog(*verb.split(), b"\xff\xfe\x01", folder=folder)
    assert ended.code in {FOUND_WRONG, USAGE, CONFIGURATION, IO}
    assert ended.err or ended.out


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("none.db", "no such log"),
        (".", "this is a folder"),
        ("foreign.db", "not a stagelog log"),
        ("noise.db", "not a database"),
        ("empty.db", "nothing was ever recorded"),
    ],
)
def test_verify_prints_the_reason(folder: Path, log: str, reason: str) -> None:
    ended = stagelog("verify", log, folder=folder)
    assert ended.code == FOUND_WRONG
    assert "NOT whole" in ended.out
    assert reason in ended.out


def test_logs_also_lists_files_that_are_not_logs(folder: Path) -> None:
    ended = stagelog("logs", folder=folder)
    assert ended.code == DONE
    assert re.search(r"foreign\.db .* not a stagelog log", ended.out)
    assert re.search(r"noise\.db .* not a database", ended.out)


@pytest.mark.parametrize(("file", "kind"), [("good.toml", "configuration"), ("good_stage.toml", "itinerary")])
def test_check_of_valid_files(folder: Path, file: str, kind: str) -> None:
    ended = stagelog("check", file, folder=folder)
    assert ended.code == DONE
    assert f"{file}: a" in ended.out
    assert kind in ended.out
    assert ended.complaints == []


@pytest.mark.parametrize(
    ("file", "problems"),
    [
        (
            "everything.toml",
            [
                ("everything.toml:7", "can[0].bitrate"),
                ("everything.toml:8", 'can[0].dbbc: unknown key; did you mean "dbc"?'),
                ("everything.toml:9", "can[0].listen_only"),
                ("everything.toml:10", "serve.pin"),
            ],
        ),
        (
            "bad_stage.toml",
            [
                ("bad_stage.toml:1", "stage.name"),
                ("bad_stage.toml:2", "stage.number"),
                ("bad_stage.toml:4", 'did you mean "selective"?'),
                ("bad_stage.toml:6", "section[0].length_km"),
            ],
        ),
        (
            "files.toml",
            [
                ("files.toml:7: can[0].dbc[0]: none.dbc", "No such file"),
                ("bad.dbc:1", "no readable DBC"),
                ("bad_stage.toml:1", "stage.name"),
                ("bad_stage.toml:2", "stage.number"),
                ("bad_stage.toml:4", "section[0].kind"),
                ("bad_stage.toml:6", "section[0].length_km"),
            ],
        ),
        ("latin.toml", [("latin.toml:2", "not UTF-8")]),
        ("none.toml", [("none.toml", "No such file")]),
    ],
)
def test_check_lists_every_error(folder: Path, file: str, problems: list[tuple[str, str]]) -> None:
    ended = stagelog("check", file, folder=folder)
    assert ended.code == FOUND_WRONG
    lines = ended.complaints
    assert len(lines) == len(problems), ended.err
    for line, (where, what) in zip(lines, problems, strict=True):
        assert line.startswith(where), line
        assert what in line
        assert ";" in line, "the hint is missing"


def test_a_log_is_never_overwritten(folder: Path) -> None:
    arguments = ("replay", "noise.bin", "--protocol", "nmea", "-o", "made")
    assert stagelog(*arguments, folder=folder).code == DONE
    made = folder / "made" / "noise-replay.db"
    before = made.read_bytes()
    ended = stagelog(*arguments, folder=folder)
    assert ended.code == IO
    assert (
        "made/noise-replay.db: a log with this name exists; choose another folder with -o" in ended.complaint
    )
    assert made.read_bytes() == before
    assert stagelog("verify", made, folder=folder).code == DONE


@pytest.mark.parametrize("arguments", ["--help", "--version", "help", "help review", "review --help", "logs"])
def test_a_reader_that_closes_the_pipe(folder: Path, arguments: str) -> None:
    """`stagelog --help | true`."""
    assert into_closed_pipe(*arguments.split(), folder=folder) == (BROKEN_PIPE, b"")


@pytest.mark.parametrize("verb", VERBS)
def test_help_is_complete(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    assert command.help
    assert re.fullmatch(r"[A-Z][a-z]+ [^?!]*\.", VERBS[verb].summary)
    assert len(VERBS[verb].summary) < MAX_SUMMARY_CHARS
    help_text = command.get_help(click.Context(command, info_name=verb))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{verb} {parameter.opts[-1]}"
            assert all(name in help_text for name in parameter.opts)
        else:
            assert parameter.make_metavar(click.Context(command)) in help_text


def test_the_overview_names_every_verb(folder: Path) -> None:
    ended = stagelog("--help", folder=folder)
    assert ended.code == DONE
    for verb, (_, summary) in VERBS.items():
        assert re.search(rf"^  {verb} ", ended.out, re.MULTILINE)
        assert summary.split()[0] in ended.out
    for code in ("0", "1", "2", "64", "69", "74"):
        assert re.search(rf"\b{code}\b", ended.out)
