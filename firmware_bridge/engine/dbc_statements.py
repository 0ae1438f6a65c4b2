"""Split the text of a DBC file into statements with line numbers, without interpreting them.

A statement begins with a keyword. BO_, SG_ and the sections of the file's head end at the next keyword, all others
with a semicolon. Inside those, a keyword is an argument unless it begins a line; then it ends a statement whose
semicolon is missing. Keywords and semicolons in strings are ignored.

Unpaired quotation marks are common in comments, and one would swallow the rest of the file. So a string that contains
a line which looks like a statement counts as a string only if a semicolon follows it.
One pass, linear in the size of the text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_DBC_BYTES = 8_000_000
"""Twice the size of the largest vehicle databases."""

_HEAD = ("VERSION", "NS_", "BS_", "BU_", "BO_", "SG_")
"""Statements without a semicolon at the end."""
_ENDED = (
    *("NS_DESC_", "CM_", "BA_DEF_", "BA_", "VAL_", "CAT_DEF_", "CAT_", "FILTER", "BA_DEF_DEF_", "EV_DATA_"),
    *(
        "ENVVAR_DATA_",
        "SGTYPE_",
        "SGTYPE_VAL_",
        "BA_DEF_SGTYPE_",
        "BA_SGTYPE_",
        "SIG_TYPE_REF_",
        "VAL_TABLE_",
    ),
    *("SIG_GROUP_", "SIG_VALTYPE_", "SIGTYPE_VALTYPE_", "BO_TX_BU_", "BA_DEF_REL_", "BA_REL_", "EV_"),
    *("BA_DEF_DEF_REL_", "BU_SG_REL_", "BU_EV_REL_", "BU_BO_REL_", "SG_MUL_VAL_"),
)
_AFTER_NS = frozenset({"BS_", "BU_", "BO_"})
"""Keywords that end the section of new symbols, which is itself a list of keywords."""
# Every alternative begins with a plain character: `re` then skips all others ten times as fast as with a condition in
# front of the keywords, which `_marks` checks instead.
_MARK = re.compile(
    r'//[^\n]*|"[^"\\\n]*"|"|;|' + "|".join(rf'{keyword}(?![^\s:"])' for keyword in (*_HEAD, *_ENDED))
)
_ESCAPED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_REST_OF_LINE = re.compile(r'[^";\n/]*+(?:"[^"\\\n]*+"[^";\n/]*+)*+;')
_PLAIN = re.compile(r'"[^"]*+"')
_STATEMENT_LINE = re.compile(r"\n[ \t]*(?:BO_|SG_|CM_|BA_\w*|VAL_\w*|SIG_\w+|SG_MUL_VAL_|EV_|BU_)[ \t:]")
_LINE_COMMENT = re.compile(r"^[ \t]*//[^\n]*", re.MULTILINE)
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_MESSAGE_APART = re.compile(r"\n[ \t]*\n[ \t]*BO_\s")
_SIGNAL_APART = re.compile(r"\n[ \t]*\n[ \t]*SG_\s")
_SIGNAL_AT = re.compile(r"\n[ \t]*SG_\s+(\S+)\s*:\s*(\d+)\s*\|")
"""Name and start bit of a signal that is not multiplexed."""
_MANY = 4
"""Empty lines between messages for each one within a message, of a file that separates its messages."""
_SEMICOLON = re.compile(r"\s*;")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAMPLE_BYTES = 200
_MAX_REST = 1_000
"""Longest rest of a line that is searched for a semicolon; bounds the search in a file of one long line."""
_MAX_INDENT = 80
"""Longest indent of a keyword that begins a line; bounds the search back in a file of one long line."""


class Statement(NamedTuple):
    """One statement from its keyword to its end, without the semicolon. `kind` is "" for text outside a statement."""

    line: int
    kind: str
    text: str
    is_apart: bool = False
    """Whether it is a signal, and an empty line stands between it and the beginning of the statement before it."""


def text_of(raw: bytes) -> str:
    """Decode a DBC file: UTF-16, UTF-8, else cp1252, the code page of the usual editors.

    Trailing ^Z and NUL, left by DOS and by block-wise copying, are removed.
    """
    sample = raw[:_SAMPLE_BYTES]
    if raw.startswith(_UTF_16):
        text = raw.decode("utf-16", errors="replace")
    elif sample[1::2].count(0) > len(sample) // 3:
        text = raw.decode("utf-16-le", errors="replace")
    elif sample[::2].count(0) > len(sample) // 3:
        text = raw.decode("utf-16-be", errors="replace")
    else:
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
    return text.lstrip("\ufeff").rstrip("\0\x1a")


def with_plain_ends(text: str) -> str:
    """The text with LF as the only line end, and blanks instead of NUL and ^Z."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", " ").replace("\x1a", " ")


def separates_messages(text: str) -> bool:
    """Whether empty lines stand between the messages of a file, and hardly ever within one.

    One is allowed within: the line BO_ of a message may be missing there. In a file of two messages it is, if a signal
    after the empty line has the name or the place of one before it.
    """
    text = with_plain_ends(text)
    between, within = len(_MESSAGE_APART.findall(text)), len(_SIGNAL_APART.findall(text))
    if between == within == 1:
        before, after = _SIGNAL_APART.split(text)
        head, tail = before[before.rfind("\nBO_") :], _EMPTY_LINE.split(after)[0]
        names, starts = zip(("", ""), *_SIGNAL_AT.findall(head), strict=True)
        return any(name in names or start in starts for name, start in _SIGNAL_AT.findall("\n SG_ " + tail))
    return between > 1 and (within <= 1 or _MANY * within <= between)


def statements(text: str) -> Iterator[Statement]:
    """The statements of a DBC file in order. Lines count from 1; a single CR also ends a line."""
    text = with_plain_ends(text)
    line, counted, kind, begin, before = 1, 0, "", 0, 0

    def cut(end: int) -> Statement | None:
        nonlocal line, counted, before
        part = text[begin:end]
        if "//" in part:
            part = _LINE_COMMENT.sub("", part)
        begun = part.lstrip()
        words = begun.rstrip()
        if not words or words == kind:
            return None
        first = begin + len(part) - len(begun)
        line += text.count("\n", counted, first)
        counted = first
        is_apart = kind == "SG_" and _EMPTY_LINE.search(text, before, first) is not None
        before = first if kind else before
        return Statement(line, kind, words, is_apart)

    for mark, at in _marks(text):
        if mark == ";" or _begins(kind, mark, text, at):
            if (statement := cut(at)) is not None:
                yield statement
            kind, begin = ("", at + 1) if mark == ";" else (mark, at)
    if (statement := cut(len(text))) is not None:
        yield statement


def _begins(kind: str, keyword: str, text: str, at: int) -> bool:
    """Whether a keyword begins a statement; otherwise it is an argument of the current one."""
    if kind == "NS_":
        return keyword in _AFTER_NS
    if not kind or kind in _HEAD:
        return True
    before = text[max(0, at - _MAX_INDENT) : at]
    return not before.rpartition("\n")[2].strip() and "\n" in before


def _marks(text: str) -> Iterator[tuple[str, int]]:
    """The semicolons and keywords outside strings and line comments, with their offsets.

    Arguments of a statement that ends on the line of its keyword are left out.
    """
    has_escapes, is_symbol_list, at = True, False, 0
    while (mark := _MARK.search(text, at)) is not None:
        begin, at = mark.span()
        word = mark[0]
        if word == '"':  # the string has several lines, or backslashes, or no end
            string = _ESCAPED.match(text, begin) if has_escapes else None
            if string is None or not _is_string(text, string):
                # A backslash at the end of a Windows path is not an escape; then the whole file has no escapes.
                has_escapes = has_escapes and string is not None and "\\" not in string[0]
                string = _PLAIN.match(text, begin)
            if string is not None and _is_string(text, string):
                at = string.end()
        elif word == ";":
            yield word, begin
        elif word[0] not in '"/':
            if begin and text[begin - 1] not in ';"' and not text[begin - 1].isspace():
                at = begin + 1  # the end of a longer word
                continue
            yield word, begin
            is_symbol_list = word == "NS_" or (is_symbol_list and word not in _AFTER_NS)
            rest = None if is_symbol_list or word in _HEAD else _REST_OF_LINE.match(text, at, at + _MAX_REST)
            if rest is not None:
                at = rest.end()
                yield ";", at - 1


def _is_string(text: str, string: re.Match[str]) -> bool:
    """Whether the text between two quotation marks can be one string."""
    if "\n" not in string[0] or _SEMICOLON.match(text, string.end()):
        return True
    return _STATEMENT_LINE.search(string[0]) is None
