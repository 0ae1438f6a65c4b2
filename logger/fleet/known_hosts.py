"""SFTP host key check: accept only servers in `~/.ssh/known_hosts`.

fsspec accepts any host key by default. A man in the middle could read and change the season's logs.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

KNOWN_HOSTS = "~/.ssh/known_hosts"
_SCHEMES = ("sftp://", "ssh://")


def options(url: str) -> dict[str, Any]:
    """Options for fsspec's driver of a URL; empty except for SFTP.

    Raises ImportError if the driver is not installed.
    """
    if not url.startswith(_SCHEMES):
        return {}
    import paramiko  # noqa: PLC0415 - only for SFTP

    class Known(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        """Called for every host, because fsspec loads no list of known hosts."""

        def missing_host_key(self, _client: object, hostname: str, key: Any) -> None:
            known = paramiko.HostKeys()
            with suppress(OSError):
                known.load(str(Path(KNOWN_HOSTS).expanduser()))
            if not known.check(hostname, key):
                raise paramiko.SSHException(
                    f"{hostname} is not in {KNOWN_HOSTS} with this key: connect by ssh once"
                )

    return {"host_key_policy": Known}
