"""The code's version, shown by `--version`, `logger.__version__` and each log's `session.software`.

A build takes it from git and writes it to `_version.py` (setuptools-scm). An editable installation outlives its
build: the next `git pull` changes the code and not that file. So if there is a `.git`, the commit is read from it,
and an archive made by git carries its commit in `_ARCHIVED`. `importlib.metadata` knows only the build's version, and
its import takes more than a tenth of the recorder's start.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

UNBUILT = "0.2.0.dev0"
"""The version of code without tags: `fallback_version` in pyproject.toml, to which commits are counted."""
_ARCHIVED = "$Format:%H$"
"""The commit, which `git archive` inserts here (.gitattributes); in a checkout this placeholder."""
_SHOWN_DIGITS = 9
"""Digits of a commit; setuptools-scm writes as many."""
_COMMIT_DIGITS = frozenset({40, 64})
"""Lengths of SHA-1 and SHA-256."""


def code_version() -> str:
    """The PEP 440 version, with the commit in its local part: 0.2.0.dev467+g180f1ce4b."""
    commit = _ARCHIVED if _is_commit(_ARCHIVED) else _checked_out(Path(__file__).parent.parent)
    return _with_commit(_built(), commit)


def _with_commit(built: str, commit: str) -> str:
    """The built version if it is of this commit; otherwise its public part with this commit."""
    public, _, local = built.partition("+")
    node = local.partition(".")[0]
    if not commit or (len(node) > 1 and f"g{commit}".startswith(node)):
        return built
    return f"{public}+g{commit[:_SHOWN_DIGITS]}"


def _built() -> str:
    try:
        return str(import_module("logger._version").VERSION)  # the build creates it
    except ImportError:
        return UNBUILT


def _checked_out(root: Path) -> str:
    """The commit checked out at `root`; "" if it cannot be read."""
    try:
        folder = root / ".git"
        if folder.is_file():  # a worktree
            folder = root / folder.read_text("utf-8").removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text("utf-8").strip()
        reference = head.removeprefix("ref:").strip()
        commit = head if reference == head else _referred(folder, reference)
    except (OSError, ValueError):
        return ""
    return commit if _is_commit(commit) else ""


def _referred(folder: Path, reference: str) -> str:
    """The commit of a reference such as refs/heads/main. Raises OSError, ValueError."""
    common = folder / "commondir"  # a worktree shares the repository's branches
    shared = folder / common.read_text("utf-8").strip() if common.exists() else folder
    if (shared / reference).exists():
        return (shared / reference).read_text("utf-8").strip()
    packed = (shared / "packed-refs").read_text("utf-8").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {reference}")), "")


def _is_commit(text: str) -> bool:
    return len(text) in _COMMIT_DIGITS and set(text) <= set("0123456789abcdef")


VERSION: Final = code_version()
SOFTWARE: Final = f"stagelog {VERSION}"
"""The program and version written to a log's `meta` and to each session."""
