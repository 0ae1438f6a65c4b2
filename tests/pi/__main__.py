"""Run stagelog on an emulated Raspberry Pi: `python -m tests.pi STEP`.

    drive           install, record, verify, review, serve, remove: all on a Pi's processor; --pip without a compiler
    machine         the same in a whole machine with USB adapters, whose power is cut again and again
    card            an SD-card image by its recipe, booted with settings on its FAT partition
    instructions    count the recorder's instructions per second under three loads, by thread
    pythons         a part of the tests on the Pythons of Debian trixie and forky, on this machine's processor
    start           exec to the first row with a DBC file of 2,000 signals: time and instructions

With --native `instructions` and `start` measure on this machine's processor. That needs no root, and compares a change
before and after within a minute. With --architecture armhf they and `drive` run on a 32-bit Pi.

Needs root, and Debian's qemu-user, qemu-user-static, mmdebstrap, arch-test and gcc; `pythons` needs debootstrap. The
first run makes a Debian for the Pi's processor in some minutes and keeps it in `--folder`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.pi import roots
from tests.pi.card import try_card
from tests.pi.instructions import LOADS, instructions
from tests.pi.machines import cut
from tests.pi.namespaces import enter
from tests.pi.processors import EMULATORS, Native, Pi, Processor
from tests.pi.pythons import RELEASES, pythons
from tests.pi.session import drive
from tests.pi.start import start

KEPT = Path.home() / ".cache" / "stagelog" / "pi"
NOT_INSTALLED = 69
_TOOLS = ("gcc", "mmdebstrap", "arch-test", "dpkg-deb")
_BOOT = ("machine", "card")
"""Steps that boot a kernel, which is that of a 64-bit Pi."""


def main(arguments: list[str]) -> int:
    """Parse the options and run a step. Returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.step in _BOOT and options.architecture != "arm64":
        parser.error(f"{options.step} boots a 64-bit Pi only")
    is_native = getattr(options, "native", False)
    emulator = EMULATORS[options.architecture].name
    needed = ("gcc", Native.emulator) if is_native else (*_TOOLS, emulator, f"{emulator}-static")
    missing = [tool for tool in needed if shutil.which(tool) is None]
    if not is_native and os.geteuid() != 0:
        missing.append("the rights of root")
    if missing:
        print(f"missing here: {', '.join(missing)}", file=sys.stderr)
        return NOT_INSTALLED
    if not is_native:
        enter(options.folder)
    if options.step == "card":
        return 0 if try_card(options.image, options.packages, options.release) else 1
    if options.step == "pythons":
        return 0 if pythons(options.folder, options.on or list(RELEASES)) else 1
    if is_native:
        return 0 if options.measure(Native(), options) else 1
    debian = roots.Debian(options.release, options.architecture)
    root = roots.kept_root(options.folder, debian)
    if root is None:
        print(f"making a Debian for {options.architecture}, once; this takes some minutes", file=sys.stderr)
        root = roots.make_root(options.folder, debian)
    return 0 if options.run(root, options) else 1


def _in_a_root(root: Path, options: argparse.Namespace) -> bool:
    """Measure on a Pi's processor, with the package's libraries and this checkout."""
    with roots.overlay(root) as changed, tempfile.TemporaryDirectory() as scratch:
        for package in roots.build_packages(Path(scratch), options.packages, options.architecture):
            roots.run("dpkg-deb", "-x", str(package), str(changed))
        passed: bool = options.measure(Pi(changed, options.architecture), options)
        return passed


def _count(processor: Processor, options: argparse.Namespace) -> bool:
    return instructions(processor, options.load or list(LOADS), options.seconds)


def _start(processor: Processor, options: argparse.Namespace) -> bool:
    return (not options.native or start(None, options.runs)) and start(processor, options.runs)


def _drive(root: Path, options: argparse.Namespace) -> bool:
    return drive(root, options.architecture, options.seconds, options.packages, is_by_pip=options.pip)


def _cut(root: Path, options: argparse.Namespace) -> bool:
    return cut(root, options.cuts, options.seed, options.moments, options.keep, options.packages) == 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.pi", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=KEPT, help="folder of the roots that are kept")
    parser.add_argument("--release", choices=roots.RELEASES, default=roots.RELEASES[0])
    parser.add_argument("--architecture", choices=tuple(EMULATORS), default="arm64")
    parser.add_argument("--packages", type=Path, help="folder with packages that were built before")
    steps = parser.add_subparsers(dest="step", required=True)
    driving = steps.add_parser("drive")
    driving.set_defaults(run=_drive)
    driving.add_argument("--seconds", type=float, default=30.0, help="length of the recording")
    driving.add_argument(
        "--pip", action="store_true", help="install this checkout by pip instead of the package"
    )
    machine = steps.add_parser("machine")
    machine.set_defaults(run=_cut)
    machine.add_argument("--cuts", type=int, default=10, help="number of power cuts")
    machine.add_argument("--seed", type=int, default=1, help="seed of the moments")
    machine.add_argument("--moments", type=int, default=6, help="further moments of each run to check")
    machine.add_argument("--keep", type=Path, help="folder for the disks of cuts that fail")
    card = steps.add_parser("card")
    card.add_argument("--image", type=Path, help="an image that the recipe made before")
    pythons_step = steps.add_parser("pythons")
    pythons_step.add_argument("--on", choices=RELEASES, action="append", help="only this release of Debian")
    counting = steps.add_parser("instructions")
    counting.set_defaults(run=_in_a_root, measure=_count)
    counting.add_argument("--seconds", type=float, default=20.0, help="length of each count")
    counting.add_argument("--load", choices=tuple(LOADS), action="append", help="only this load")
    starting = steps.add_parser("start")
    starting.set_defaults(run=_in_a_root, measure=_start)
    starting.add_argument("--runs", type=int, default=12, help="number of starts that are timed")
    for step in (counting, starting):
        step.add_argument("--native", action="store_true", help="this machine's processor instead of a Pi's")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
