"""Requests for logs, and the names of those in the folder that the fixtures make."""

from __future__ import annotations

import hashlib

from tests.logger.crew.serving import Answer, Served

CLOSED, LIVE, ASIDE = "stage-1-001.db", "stage-2-001.db", "stage-1-001.db.damaged-1"


def get(served: Served, name: str = CLOSED, method: str = "GET", **headers: str) -> Answer:
    """Request a log; underscores in header names become hyphens."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return served.ask(f"/api/logs/{name}", method, headers=sent)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
