"""Answer the questions of the Debian package on a terminal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

_PROMPTS = {
    "number": "Number of the car:",
    "gps-port": "Port of the GPS receiver:",
    "can-port": "Port of the CAN adapter:",
    "protocol": "Protocol of the CAN adapter:",
    "bitrate": "bit/s:",
    "pin": "PIN of the crew page:",
}


def conversation(command: Sequence[str], answers: Sequence[tuple[str, str]], code: int = 0) -> str:
    """Run a command on a terminal, and type each answer after its question. Returns what is on the terminal.

    Fails unless the command ends with this code.
    """
    terminal, other_end = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", *command], stdin=other_end, stdout=other_end, stderr=other_end
    )
    os.close(other_end)
    seen, begin = "", 0
    try:
        for question, answer in answers:
            while (at := seen.find(_PROMPTS[question], begin)) < 0:
                text = _read(terminal)
                assert text, f"no question {question}: {seen}"
                seen += text
            begin = at + len(_PROMPTS[question])
            os.write(terminal, answer.encode() + b"\n")
        while text := _read(terminal):
            seen += text
        assert process.wait() == code, seen
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    return seen


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode(errors="replace").replace("\r", "")
    except OSError:  # the other end is closed
        return ""
