"""Text in a cell of CSV: a spreadsheet must not take a name for a formula, nor a terminal for a command.

Excel, LibreOffice and Google Sheets compute a cell that begins with = + - or @, also behind blanks, and can be made to
run a program or send the sheet's content (OWASP, "CSV Injection"). An apostrophe before it makes it text. Numbers are
written by others and never pass through here.
"""

from __future__ import annotations

import sys

from firmware_bridge.printable import printable

_SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""The full-width ones count where the spreadsheet's language is East Asian."""
_BLANKS = ("\t", "\r", "\n")


def cell_text(text: str, most_chars: int = sys.maxsize) -> str:
    """Foreign text as a cell, on one line; CSV's own quotes are the writer's work."""
    is_formula = text.lstrip().startswith(_SIGNS) or text.startswith(_BLANKS)
    return ("'" if is_formula else "") + printable(text, most_chars)
