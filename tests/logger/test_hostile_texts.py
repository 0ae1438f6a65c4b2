"""Run every verb on logs, configurations, routes and tables with hostile names: none may move the cursor."""

from __future__ import annotations

import csv
import io
import os
import re
import sqlite3
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.logger.command_line import Ended, stagelog
from tests.logger.crew.serving import serving
from tests.logger.hostile_texts import FILE, HOSTILE, TOML, itinerary, stray, write_log
from tests.logger.json_documents import checked

WRITTEN = re.compile(r": (written, )?[\d.]+ MB(; open it in a browser)?$")
"""The end of the line that reports a written file."""
CODES = {0, 1, 2, 64, 69, 74}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every name is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    logs = folder / "logs"
    logs.mkdir()
    sound = write_log(logs / "sound-001.db")
    write_log(logs / "odd-001.db", is_sound=False)
    (folder / "other.db").write_bytes(sound.read_bytes())
    with closing(sqlite3.connect(folder / "other.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO meta VALUES ('note', 'another log')")
    (logs / os.fsdecode(FILE)).write_bytes(sound.read_bytes())
    (logs / f"broken{os.fsdecode(FILE)}").write_bytes(b"SQLite format 3\0\x1b[31m")
    (folder / "stage.toml").write_text(itinerary())
    (folder / "bad_stage.toml").write_text(
        f"[stage]\nname = {TOML}\n{TOML} = 1\n[[section]]\nkind = {TOML}\n"
    )
    (folder / "other_rules.toml").write_text(f"name = {TOML}\n[speed]\ntolerance_kmh = 0\n")
    (folder / "rules.toml").write_text(f"name = {TOML}\n[penalties]\nmodel = {TOML}\n")
    can = f'[[can]]\nname = {TOML}\nport = "none"\nprotocol = "slcan"\nlisten_only = true\n'
    alarm = f'[[alarm]]\nname = {TOML}\nwhen = "rpm > 1"\n'
    head = f'[log]\ndirectory = "logs"\n[car]\nname = {TOML}\nclass = {TOML}\ncrew = [{TOML}]\n'
    (folder / "car.toml").write_text(head + can + alarm + '[stage]\nitinerary = "stage.toml"\n')
    (folder / "bad.toml").write_text(
        head + can.replace('"slcan"', TOML).replace('"none"', TOML) + f"{TOML} = 1\n"
    )
    (folder / "bad_syntax.toml").write_bytes(b"[car]\n\x1b[31m = \x9b\n")
    (folder / "results.toml").write_text(
        f'[[result]]\ncar = 5\nname = {TOML}\nclass = {TOML}\nstage = {TOML}\ntime = "1:00:00"\n'
    )
    (folder / "penalties.toml").write_text(
        f"[[penalty]]\ncar = 71\nstage = {TOML}\nseconds = 5\nreason = {TOML}\ndocument = {TOML}\n"
    )
    (folder / "bad.csv").write_text(f"car,stage,time\n{HOSTILE.splitlines()[0]},1,1:00:00\n")
    (folder / "bad.dbc").write_text(f'VERSION "{HOSTILE}"\nBO_ 1 {HOSTILE}: 8 X\n')
    name = "".join(c if c.isprintable() or c in "\t\r\n" else "" for c in HOSTILE).replace(
        "<b>&", "&lt;b&gt;&amp;"
    )
    points = "".join(
        f'<wpt lat="{21 + at / 100}" lon="40"><name>{at} {name} \x9b31m\u202e</name><desc>{name}</desc></wpt>'
        for at in range(5)
    )
    gpx = f'<?xml version="1.0"?><gpx version="1.1"><metadata><name>{name}</name></metadata>{points}</gpx>'
    (folder / "route.gpx").write_text(gpx, encoding="utf-8", newline="")
    (folder / "broken.gpx").write_bytes(b"<gpx><\x1b[31m>")
    (folder / "noise.bin").write_bytes(b"\x1b[31m\x9b" * 500)
    return folder


READING = [
    *("info {}", "info {} --json", "verify {}", "verify {} --json", "replay {}", "replay {} -o made"),
    *("review {}", "review {} --json", "review {} --html page.html", "review {} --rules rules.toml"),
    *("review {} --itinerary bad_stage.toml", "review {} --html page.html --what-if rules.toml"),
    *("review {} --itinerary stage.toml", "review {} --dbc bad.dbc", "compare {} other.db"),
    *("compare {} other.db --json", "standings {}", "standings {} --json", "protect {}", "protect --off {}"),
    *("export {} --format gpx", "export {} --dbc bad.dbc --format csv", "export {} --format openrally"),
    *("export {} --format kml", "export {} --format candump", "export {} --format asc", "fleet add {} --store store"),
]  # fmt: skip
OTHERS = [
    *("logs logs", "logs logs --json", "check stage.toml", "check bad_stage.toml", "check car.toml", "check bad.toml"),
    *("check bad.toml --json", "check bad_stage.toml --json", "check bad_syntax.toml --json"),
    *("check bad_syntax.toml", "check rules.toml", "run -c bad.toml", "run -c bad_syntax.toml", "serve -c bad.toml"),
    *("doctor -c car.toml --seconds 1", "doctor -c car.toml --seconds 1 --json", "doctor -c bad.toml --seconds 1"),
    *("import route.gpx -o route.toml", "import broken.gpx -o x.toml", "import noise.bin -o x.toml"),
    *("replay noise.bin", "replay noise.bin --protocol slcan", "review noise.bin", "review broken.gpx"),
    *("standings logs/sound-001.db --results results.toml --penalties penalties.toml", "standings --results bad.csv"),
    *("standings --results results.toml --json", "standings --results bad_syntax.toml", "stick none -c car.toml"),
    *("canup can0 -c car.toml", "simulate bad_stage.toml -o sim", "fetch http://127.0.0.1:9 --patience 0"),
    *("watch --socket none.sock --once", "fleet query --store none SELECT"),
]  # fmt: skip


MORE = {"csv": "\r", "openrally": "\r\t"}
"""What a format has besides: line ends, or blanks within a name."""


def harmless(ended: Ended, more: str = "") -> Ended:
    """Assert that a command ended normally and wrote nothing that moves a cursor."""
    assert ended.code in CODES
    assert stray(ended.out, more) == []
    assert stray(ended.err) == []
    assert all(
        line.startswith(("stagelog", "INFO", "WARNING", "ERROR")) or WRITTEN.search(line) or ended.code
        for line in ended.complaints
    )
    return ended


@pytest.mark.matrix(4)
@pytest.mark.parametrize("verb", READING)
def test_reading_verbs(verb: str, folder: Path) -> None:
    for log in (b"logs/sound-001.db", b"logs/odd-001.db", b"logs/" + FILE):
        arguments = [log if word == "{}" else word for word in verb.split()]
        ended = harmless(stagelog(*arguments, folder=folder), MORE.get(verb.rsplit(maxsplit=1)[-1], ""))
        if "--json" in verb and ended.code in (0, 1) and ended.out:
            checked(verb.split(maxsplit=1)[0], ended.out)
        if (
            log == b"logs/sound-001.db"
            and "bad" not in verb
            and "rules" not in verb
            and "openrally" not in verb
        ):
            assert ended.code == 0 or "replay" in verb, ended.err


@pytest.mark.matrix(4)
@pytest.mark.parametrize("verb", OTHERS)
def test_other_verbs(verb: str, folder: Path) -> None:
    ended = harmless(stagelog(*verb.split(), folder=folder))
    if "--json" in verb:
        checked(verb.split(maxsplit=1)[0], ended.out)


def test_a_broken_log(folder: Path) -> None:
    for verb in (
        "info",
        "verify",
        "replay",
        "review",
        "standings",
        "protect",
        "export --format csv",
        "fleet add",
    ):
        harmless(stagelog(*verb.split(), b"logs/broken" + FILE, folder=folder))


def test_names_on_the_command_line(folder: Path) -> None:
    for verb in (
        "info",
        "review",
        "check",
        "import -o x",
        "logs",
        "run -c",
        "fetch",
        "stick -c",
        "nothing",
        "",
    ):
        harmless(stagelog(*verb.split(), HOSTILE, folder=folder))
        harmless(stagelog(*verb.split(), FILE, folder=folder))


def test_a_fetch_and_a_fleet(folder: Path, tmp_path: Path) -> None:
    with serving(tmp_path, tmp_path / "live.sock", logs=folder / "logs") as car:
        harmless(stagelog("fetch", car.url, "here", "--patience", "5", folder=tmp_path))
        assert stray(car.output.read_text()) == []
    for verb in (
        f"fleet add {folder / 'logs'} --store store",
        "fleet review --store store --workers 0",
        "fleet review --store store --workers 0 --json",
    ):
        harmless(stagelog(*verb.split(), folder=tmp_path))
    for sql in (
        "SELECT * FROM event",
        "SELECT * FROM log",
        "SELECT DISTINCT name, unit FROM reading",
        HOSTILE,
    ):
        for form in ((), ("--json",), ("--csv",)):
            ended = harmless(
                stagelog("fleet", "query", sql, "--store", "store", *form, folder=tmp_path),
                "\r" if form == ("--csv",) else "",
            )
            if form == ("--csv",) and not ended.code:
                safe_cells(ended.out)


def safe_cells(text: str) -> list[list[str]]:
    """The rows of a CSV, each cell a number or harmless text."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
        assert not cell.startswith("-") or re.fullmatch(r"-\d+(\.\d+)?(e-?\d+)?", cell), cell
    return rows


def test_the_cells_of_an_export(folder: Path) -> None:
    ended = stagelog("export", "logs/sound-001.db", "--format", "csv", folder=folder)
    heading, *rows = safe_cells(ended.out)
    assert any("HYPERLINK" in title for title in heading)
    assert len(rows) > 100


@pytest.mark.parametrize("form", ["gpx", "kml"])
def test_the_xml_of_an_export_is_well_formed(form: str, folder: Path) -> None:
    ended = stagelog("export", "logs/sound-001.db", "--format", form, folder=folder)
    texts = list(ElementTree.fromstring(ended.out).itertext())  # noqa: S314 - our own
    assert any("[red]red[/red]" in text and r"\x1b[2J" in text for text in texts)


class _Page(HTMLParser):
    """The elements of a page, and the addresses it refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [str(value) for name, value in attributes if name in ("href", "src", "onclick")]


@pytest.mark.parametrize("verb", ["review {}", "review {} --what-if other_rules.toml", "compare {} other.db"])
def test_pages_contain_no_foreign_element(verb: str, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    for log in (b"logs/sound-001.db", b"logs/" + FILE):
        words = [log if word == "{}" else word for word in verb.split()]
        ended = harmless(stagelog(*words, "--html", page, folder=folder))
        assert ended.code == 0, ended.err
        text = page.read_text(encoding="utf-8")
        assert "[red]red[/red]" in text
        assert "<b>" not in text
        seen = _Page(text)
        assert "b" not in seen.tags
        assert not any("evil" in address for address in seen.addresses)
