"""Arguments of an installation, its output, and users that exist before it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from logger.install import plan, verbs

CONFIGURATION = plan.CONFIGURATION.lstrip("/")
RECORDER = "etc/systemd/system/stagelog-recorder.service"
WITH_PIN = ("--pin-file", "-", "--number", "500")


def add_users(image: Path, *names: str) -> None:
    """Add the services' users to the image, or others with their group."""
    with (image / "etc/group").open("a") as group, (image / "etc/passwd").open("a") as passwd:
        group.write("stagelog:x:321:\n")
        for number, name in enumerate(names or ("stagelog", "stagelog-crew")):
            passwd.write(f"{name}:x:{321 + number}:321::/:/usr/sbin/nologin\n")


def output_of(image: Path, *arguments: str, stdin: bytes = b"") -> str:
    """The terminal output of an installation. Fails unless it succeeds."""
    command = ["--root", str(image), *arguments]
    result = CliRunner().invoke(verbs.install, command, input=stdin, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stderr
