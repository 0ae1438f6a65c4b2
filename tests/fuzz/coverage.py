"""One target with atheris, which follows what its inputs reach in our code.

It is not installed with the rest: `pip install atheris`.
"""

from __future__ import annotations

from pathlib import Path


def covered(name: str, seconds: float, folder: Path) -> None:
    """Fuzz; `folder` keeps the inputs that reached something new. libFuzzer ends the process, as its way is."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["firmware_bridge", "logger"]):
        from tests.fuzz.running import HANG_S, TARGETS

        make_seeds, make_check = TARGETS[name]
        check = make_check()  # imports what it is about
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(make_seeds()):
        (folder / f"seed-{number}").write_bytes(data)
    options = [f"-max_total_time={seconds:.0f}", f"-timeout={HANG_S}", "-max_len=16384", "-rss_limit_mb=1024"]
    atheris.Setup(["fuzz", *options, str(folder)], check)
    atheris.Fuzz()
