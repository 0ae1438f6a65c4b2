"""SFTP stores: only a server that `ssh` knows already. fsspec by itself believes whoever answers.

A man in the middle would get the season's logs, and a say in what is believed of them.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

KNOWN_HOSTS = "~/.ssh/known_hosts"
_SCHEMES = ("sftp://", "ssh://")


def options(url: str) -> dict[str, Any]:
    """What fsspec's driver of a URL is to be told; nothing for others than SFTP's.

    Raises ImportError where its driver is not installed.
    """
    if not url.startswith(_SCHEMES):
        return {}
    import paramiko  # noqa: PLC0415 - only for these

    class Known(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        """Asked for every host, as fsspec reads no list of them."""

        def missing_host_key(self, _client: object, hostname: str, key: Any) -> None:
            known = paramiko.HostKeys()
            with suppress(OSError):
                known.load(str(Path(KNOWN_HOSTS).expanduser()))
            if not known.check(hostname, key):
                raise paramiko.SSHException(
                    f"{hostname} is not in {KNOWN_HOSTS} with this key: connect by ssh once"
                )

    return {"host_key_policy": Known}
