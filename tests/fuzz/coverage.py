"""Fuzz one target with atheris, guided by the coverage of the project's code.

atheris is not in the extra [dev]: `pip install atheris`.
"""

from __future__ import annotations

from pathlib import Path


def covered(name: str, seconds: float, folder: Path) -> None:
    """Fuzz a target; `folder` keeps inputs that reach new code. libFuzzer ends the process."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["firmware_bridge", "logger"]):
        from tests.fuzz.running import HANG_S, TARGETS

        make_seeds, make_check = TARGETS[name]
        check = make_check()  # imports the code under test
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(make_seeds()):
        (folder / f"seed-{number}").write_bytes(data)
    options = [f"-max_total_time={seconds:.0f}", f"-timeout={HANG_S}", "-max_len=16384", "-rss_limit_mb=1024"]
    atheris.Setup(["fuzz", *options, str(folder)], check)
    atheris.Fuzz()
