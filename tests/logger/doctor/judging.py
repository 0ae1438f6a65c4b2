"""Observations of ports, and the comparison of findings with the expected ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from logger.doctor.findings import Finding
from logger.doctor.port_observation import PortObservation


def heard(
    protocol: str = "slcan", state: str = "open", detail: str = "115200 baud", **more: Any
) -> PortObservation:
    """Five seconds of a port."""
    name = "gps" if protocol == "nmea" else "engine"
    return PortObservation(name, "/dev/ttyUSB0", protocol, state, detail, **{"seconds": 5.0, **more})


def texts(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Each finding's verdict, and its message with hint."""
    return [(finding.verdict, f"{finding.what}; {finding.hint}") for finding in findings]


def assert_findings(findings: Iterable[Finding], *expected: tuple[str, str]) -> None:
    """The findings have the expected verdicts and texts, in order."""
    found = texts(findings)
    assert [verdict for verdict, _ in found] == [verdict for verdict, _ in expected], found
    for (_, text), (_, words) in zip(found, expected, strict=True):
        assert words in text, found
