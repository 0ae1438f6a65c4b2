"""Escape untrusted text for CSV cells against formula injection and terminal control characters.

Excel, LibreOffice and Google Sheets evaluate a cell that begins with = + - or @, also after blanks; a formula can run a
program or send the sheet's content (OWASP, "CSV Injection"). A leading apostrophe makes the cell text. Numbers are
formatted elsewhere and do not pass through here.
"""

from __future__ import annotations

import sys

from firmware_bridge.printable import printable

_SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Spreadsheets in East Asian languages also evaluate the full-width signs."""
_BLANKS = ("\t", "\r", "\n")


def cell_text(text: str, max_chars: int = sys.maxsize) -> str:
    """Return untrusted text as a one-line cell. The CSV writer adds quotes."""
    is_formula = text.lstrip().startswith(_SIGNS) or text.startswith(_BLANKS)
    return ("'" if is_formula else "") + printable(text, max_chars)
