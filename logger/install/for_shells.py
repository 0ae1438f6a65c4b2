"""What makes `stagelog` known to a user's shell: completions for bash, zsh and fish, and the man page.

The completions are click's own: a shell calls the program with what is typed so far. So they fit every version.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

NAME = "stagelog"
COMPLETIONS: Mapping[str, type[ShellComplete]] = {
    f"/usr/share/bash-completion/completions/{NAME}": BashComplete,
    f"/usr/share/zsh/vendor-completions/_{NAME}": ZshComplete,
    f"/usr/share/fish/vendor_completions.d/{NAME}.fish": FishComplete,
}
"""The folders in which the shells of Debian look for the completions of programs."""
MAN_PAGE = f"/usr/local/share/man/man1/{NAME}.1"


def shell_files() -> Mapping[str, bytes]:
    """The contents of the completions and the man page, by path."""
    man_page = files("logger").joinpath("cli", f"{NAME}.1").read_bytes()
    return {**{path: _script(kind) for path, kind in COMPLETIONS.items()}, MAN_PAGE: man_page}


def _script(kind: type[ShellComplete]) -> bytes:
    shell = kind(click.Command(NAME), {}, NAME, f"_{NAME}_COMPLETE".upper())
    # The subclass's own method for bash would also check the version of this machine's bash.
    script = ShellComplete.source(shell)
    if kind is ZshComplete:
        # zsh runs the file at every completion; click's last lines take the second time for a `source`.
        body, _, _ = script.partition("\nif [[ $zsh_eval_context")
        script = f'{body}\n_{NAME}_completion "$@"\n'
    return script.encode()
