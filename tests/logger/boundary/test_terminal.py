"""Output to people: no foreign text moves a cursor, and no module bypasses the boundary."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.boundary.terminal import MAX_LINE_CHARS, echo, echo_json, json_text, print_table, print_tables
from logger.export.csv_cells import cell_text
from tests.logger.command_line import ENVIRONMENT, ROOT
from tests.logger.hostile_texts import HOSTILE, stray

_WAYS_OUT = {"print", "input", "pprint"}
_STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
_CLICK = {"echo", "secho", "style", "progressbar", "echo_via_pager", "pause", "clear"}
BYPASSES = {
    ("logger/boundary/terminal.py", "print"): "the border",
    ("logger/boundary/terminal.py", "sys.stdout"): "the border",
    ("logger/boundary/terminal.py", "sys.stderr"): "the border",
    (
        "logger/boundary/console.py",
        "rich",
    ): "the border's part for terminals: a console that marks every text",
    ("logger/boundary/console.py", "sys.stdout"): "asks the border for its stream",
    ("logger/boundary/console.py", "sys.stderr"): "asks the border for its stream",
    ("logger/transfer/progress_bars.py", "rich"): "columns on a PlainConsole, markup off",
    ("logger/transfer/verbs.py", "sys.stderr"): "whether it is a terminal",
    ("logger/crew/terminal.py", "rich"): "tables on a PlainConsole; every Text by _shown",
    ("logger/crew/terminal.py", "sys.stdout"): "whether it is a terminal",
    ("logger/export/verbs.py", "sys.stdout"): "whether it is a terminal",
    ("logger/cli/main.py", "sys.stdout"): "flushes it, and sends it nowhere when it cannot be written",
    ("logger/transfer/__main__.py", "print"): "JSON in ASCII for the parent process",
}
"""Each file that writes directly, with the reason."""


def uses(tree: ast.AST) -> Iterator[str]:
    """The lines of a module that write to a terminal."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) if name in _WAYS_OUT:
                yield name
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in _STREAMS:
                yield f"sys.{name}"
            case ast.Attribute(value=ast.Name(id="click"), attr=name) if name in _CLICK:
                yield f"click.{name}"
            case ast.Attribute(attr="from_markup" | "from_ansi"):
                yield "markup"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in {"rich", "tqdm"}:
                yield module.split(".")[0]
            case ast.ImportFrom(module="sys" | "click", names=names):
                yield from (name.name for name in names if name.name in _STREAMS | _CLICK)
            case ast.Import(names=names):
                yield from (name.name.split(".")[0] for name in names if name.name.split(".")[0] == "rich")


def test_no_module_bypasses_the_boundary() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), use)
        for package in ("logger", "firmware_bridge")
        for path in (ROOT / package).rglob("*.py")
        for use in uses(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found - BYPASSES.keys() == set(), "write it with logger.boundary.terminal, or add the reason here"
    assert BYPASSES.keys() - found == set(), "no longer needed here"


def test_a_line_is_one_line_and_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    echo(HOSTILE)
    echo("x" * 10**6, err=True)
    out, err = capsys.readouterr()
    assert stray(out + err) == []
    assert (out.count("\n"), err.count("\n")) == (1, 1)
    assert "[red]red[/red]" in out
    assert len(err) == MAX_LINE_CHARS + 2


def test_tables_keep_their_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([HOSTILE, "b"], [["1", HOSTILE], [HOSTILE * 1000, "2"]])
    print_tables([(HOSTILE, ["a"], [[HOSTILE]])])
    out = capsys.readouterr().out
    assert stray(out) == []
    assert out.count("\n") == 3 + 4
    assert max(map(len, out.splitlines())) < 10 * MAX_LINE_CHARS


@given(
    st.recursive(
        st.text() | st.floats() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_json_is_json_and_printable(encoding: str, document: object) -> None:
    text = json_text(document, encoding, 1)
    text.encode(encoding)
    assert stray(text) == []
    again = json.loads(text, parse_constant=pytest.fail)
    assert json.dumps(again) == json.dumps(
        json.loads(json.dumps(document), parse_constant=lambda _word: None)
    )


def test_json_of_names(capsys: pytest.CaptureFixture[str]) -> None:
    echo_json({"name": HOSTILE, "file": os.fsdecode(b"\xff"), "mean": float("nan")})
    out = capsys.readouterr().out
    assert stray(out) == []
    assert json.loads(out) == {"name": HOSTILE, "file": "\udcff", "mean": None}


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", r"'\t=1"),
        ("\r=1", r"'\r=1"),
        ("\n=1", r"'\n=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("oil-temperature", "oil-temperature"),
        ("Étape 3", "Étape 3"),
        ("a\x1b[2J", r"a\x1b[2J"),
        ("", ""),
    ],
)
def test_a_name_in_a_cell_is_not_a_formula(text: str, cell: str) -> None:
    assert cell_text(text) == cell


@given(st.text())
def test_any_cell_is_harmless(text: str) -> None:
    written = io.StringIO()
    csv.writer(written).writerow([cell_text(text), "1"])
    first, second = next(csv.reader(io.StringIO(written.getvalue())))
    assert second == "1"
    assert first[:1] not in {*"=+-@\t\r\n"}
    assert first.isprintable()


_NAUGHTY = """
import logging, sys, warnings
from logger.boundary.standard_streams import mark_streams
from logger.boundary.terminal import OneLine, LiveLine, progress_bar
from tests.logger.hostile_texts import HOSTILE
mark_streams()
mark_streams()
handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(OneLine("%(levelname)s %(message)s"))
logging.basicConfig(handlers=[handler])
print("forgotten", HOSTILE, "\\udcff", "é")
sys.stderr.write(HOSTILE + "\\n")
logging.getLogger("x").warning("record %s", HOSTILE)
try:
    raise ValueError(HOSTILE)
except ValueError:
    logging.getLogger("x").exception("trace %s", HOSTILE)
live = LiveLine()
live.show(HOSTILE)
live.say(HOSTILE)
with progress_bar(HOSTILE) as progress:
    progress(0.5)
    print("within", HOSTILE)
warnings.warn(HOSTILE)
sys.stdout.buffer.flush()
raise SystemExit(HOSTILE)
"""


@pytest.mark.parametrize("locale", ["utf-8", "ascii"])
def test_direct_output_is_marked_too(locale: str, tmp_path: Path) -> None:
    environment = ENVIRONMENT | {"PYTHONIOENCODING": locale, "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-c", _NAUGHTY], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    out, err = done.stdout.decode(locale), done.stderr.decode(locale)
    assert stray(out + err) == []
    assert "UnicodeEncodeError" not in err
    assert len([line for line in err.splitlines() if line.startswith("WARNING record")]) == 1
    assert r"forgotten =HYPERLINK(1)\x1b[2J" in out


def on_a_terminal(command: list[str | bytes], cwd: Path, **more: str) -> str:
    """The output of a command on a terminal, both streams."""
    master, slave = pty.openpty()
    environment = ENVIRONMENT | {"TERM": "xterm", "COLUMNS": "100"} | more
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=slave, stderr=slave, stdin=slave
    ) as process:
        os.close(slave)
        seen = b""
        try:
            while data := os.read(master, 65_536):
                seen += data
        except OSError:  # the other end is closed
            pass
        process.wait(60)
    os.close(master)
    return seen.decode()


def test_on_a_terminal_only_our_own_controls_pass(tmp_path: Path) -> None:
    shown = on_a_terminal([sys.executable, "-c", _NAUGHTY], tmp_path)
    assert "\x1b[" in shown, "the bar and the live line are drawn"
    for control in ("\x1b]", "\x1b[2J", "\x9b", "\x07", "\u202e", "\x1b[31m"):
        assert control not in shown
    assert "[red]red[/red]" in shown
