"""Likely mistakes on the command line, with what the program says: `mistakes.txt`, two lines for each.

    # a heading
    $ stagelog COMMAND LINE       typed in the folder of `scene`; `$ (user)` without root's rights
    [EXIT CODE] the one line of the answer

FOLDER in an answer stands for the path of the scene's folder, FORMATS for the list of export formats.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from logger.export.formats import FORMATS
from logger.export.verbs import ALL

TEXT = Path(__file__).with_name("mistakes.txt")
_ROW = re.compile(r"^\$ (\(user\) )?stagelog(.*)\n\[(\d+)\] (.*)$", re.MULTILINE)


class Mistake(NamedTuple):
    """A command line without the program's name, its exit code and the one line that it prints."""

    typed: str
    code: int
    line: str
    is_unprivileged: bool


def mistakes() -> list[Mistake]:
    """Every row of the table."""
    return [
        Mistake(typed.strip(), int(code), line.replace("FORMATS", ", ".join((*FORMATS, ALL))), bool(user))
        for user, typed, code, line in _ROW.findall(TEXT.read_text(encoding="utf-8"))
    ]
