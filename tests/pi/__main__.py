"""Run stagelog on an emulated Raspberry Pi: `python -m tests.pi STEP`.

    drive           install the package, record, verify, review, serve, purge: all on a Pi's processor
    instructions    count the recorder's instructions per second under three loads, by thread; with --native on this
                    machine's processor, which needs no root and compares a change before and after

Needs root, and Debian's qemu-user, qemu-user-static, debootstrap and gcc. The first run makes a Debian for the Pi's
processor in some minutes and keeps it in `--folder`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.pi import roots
from tests.pi.instructions import LOADS, instructions
from tests.pi.processors import ARM64_EMULATOR, Arm64, Native
from tests.pi.session import drive

KEPT = Path.home() / ".cache" / "stagelog" / "pi"
NOT_INSTALLED = 69
_NEEDED = ("gcc", ARM64_EMULATOR, f"{ARM64_EMULATOR}-static", "debootstrap", "dpkg-deb")


def main(arguments: list[str]) -> int:
    """Parse the options and run a step. Returns the exit code."""
    options = _parser().parse_args(arguments)
    is_native = options.step == "instructions" and options.native
    needed = ("gcc", Native.emulator) if is_native else _NEEDED
    missing = [tool for tool in needed if shutil.which(tool) is None]
    if not is_native and os.geteuid() != 0:
        missing.append("the rights of root")
    if missing:
        print(f"missing here: {', '.join(missing)}", file=sys.stderr)
        return NOT_INSTALLED
    if is_native:
        return 0 if instructions(Native(), options.load or list(LOADS), options.seconds) else 1
    root = roots.kept_root(options.folder, options.release)
    if root is None:
        print("making a Debian for arm64, once; this takes some minutes", file=sys.stderr)
        root = roots.make_root(options.folder, options.release)
    if options.step == "drive":
        return 0 if drive(root, options.seconds) else 1
    with roots.overlay(root) as changed, tempfile.TemporaryDirectory() as scratch:
        for package in roots.build_packages(Path(scratch), with_review=False):
            roots.run("dpkg-deb", "-x", str(package), str(changed))
        return 0 if instructions(Arm64(changed), options.load or list(LOADS), options.seconds) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.pi", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=KEPT, help="folder of the roots that are kept")
    parser.add_argument("--release", choices=roots.RELEASES, default=roots.RELEASES[0])
    steps = parser.add_subparsers(dest="step", required=True)
    counting = steps.add_parser("instructions")
    counting.add_argument("--native", action="store_true", help="this machine's processor instead of a Pi's")
    counting.add_argument("--seconds", type=float, default=20.0, help="length of each count")
    counting.add_argument("--load", choices=tuple(LOADS), action="append", help="only this load")
    driving = steps.add_parser("drive")
    driving.add_argument("--seconds", type=float, default=30.0, help="length of the recording")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
