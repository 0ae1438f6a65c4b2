"""Run stagelog on an emulated Raspberry Pi: `python -m tests.pi STEP`.

    drive           install, record, verify, review, serve, remove: all on a Pi's processor; --pip without a compiler
    machine         the same in a whole machine with USB adapters, whose power is cut again and again
    card            an SD-card image by its recipe, booted with settings on its FAT partition
    instructions    count the recorder's instructions per second under three loads, by thread
    pythons         a part of the tests on the Pythons of Debian trixie and forky, on this machine's processor
    start           exec to the first row with a DBC file of 2,000 signals: time and instructions

With --native `instructions` and `start` measure on this machine's processor. That needs no root, and compares a change
before and after within a minute. With --architecture armhf they and `drive` run on a 32-bit Pi, with --release trixie
all but `pythons` on Debian 13. `python -m tests.pi STEP --help` lists the options of a step.

Needs root, and Debian's qemu-user, qemu-user-static, mmdebstrap, arch-test and gcc; `machine` and `card` also
qemu-system-arm, `card` also fdisk, dosfstools and mtools; `pythons` only debootstrap. The first run makes a Debian for
the Pi's processor in some minutes and keeps it in `--folder`. Everything else that a step makes ends with it, also when
it is killed.
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
_MAKING = ("mmdebstrap", "arch-test", "dpkg-deb")
_BOOTING = ("qemu-system-aarch64", "mkfs.ext4", "debugfs")
_CARD = ("mkfs.vfat", "mcopy", "sfdisk")


def main(arguments: list[str]) -> int:
    """Parse the options and run a step. Returns the exit code."""
    options = _parser().parse_args(arguments)
    if missing := _missing(options):
        print(f"missing here: {', '.join(missing)}", file=sys.stderr)
        return NOT_INSTALLED
    if not options.native:
        enter(options.folder)
    return 0 if options.run(options) else 1


def _missing(options: argparse.Namespace) -> list[str]:
    """What a step needs and this machine does not have."""
    if options.native:
        needed = ["gcc", Native.emulator]
    else:
        needed = ["mkfs.ext4", *options.tools]
        if options.architecture:
            emulator = EMULATORS[options.architecture].name
            needed += [*_MAKING, emulator, f"{emulator}-static"]
    missing = [tool for tool in needed if shutil.which(tool) is None]
    if not options.native and os.geteuid() != 0:
        missing.append("the rights of root")
    return missing


def _root(options: argparse.Namespace) -> Path:
    """The root for a step, made if there is none yet."""
    debian = roots.Debian(options.release, options.architecture)
    root = roots.kept_root(options.folder, debian)
    if root is None:
        print(f"making a Debian for {options.architecture}, once; this takes some minutes", file=sys.stderr)
        root = roots.make_root(options.folder, debian)
    return root


def _measure(options: argparse.Namespace) -> bool:
    """Measure on this machine's processor, or on a Pi's, with the package's libraries and this checkout."""
    if options.native:
        return bool(options.measure(Native(), options))
    with roots.overlay(_root(options)) as changed, tempfile.TemporaryDirectory() as scratch:
        for package in roots.build_packages(Path(scratch), options.packages, options.architecture):
            roots.run("dpkg-deb", "-x", str(package), str(changed))
        return bool(options.measure(Pi(changed, options.architecture), options))


def _count(processor: Processor, options: argparse.Namespace) -> bool:
    return instructions(processor, options.load or list(LOADS), options.seconds)


def _start(processor: Processor, options: argparse.Namespace) -> bool:
    return (not options.native or start(None, options.runs)) and start(processor, options.runs)


def _drive(options: argparse.Namespace) -> bool:
    return drive(
        _root(options), options.architecture, options.seconds, options.packages, is_by_pip=options.pip
    )


def _cut(options: argparse.Namespace) -> bool:
    return (
        cut(_root(options), options.cuts, options.seed, options.moments, options.keep, options.packages) == 0
    )


def _try_card(options: argparse.Namespace) -> bool:
    return try_card(options.image, options.packages, options.release)


def _pythons(options: argparse.Namespace) -> bool:
    return pythons(options.folder, options.on or list(RELEASES))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.pi", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder, debian, processor = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    folder.add_argument("--folder", type=Path, default=KEPT, help="folder of the roots that are kept")
    debian.add_argument("--release", choices=roots.RELEASES, default=roots.RELEASES[0])
    debian.add_argument("--packages", type=Path, help="folder with packages that were built before")
    processor.add_argument("--architecture", choices=tuple(EMULATORS), default="arm64")
    steps = parser.add_subparsers(dest="step", required=True)
    driving = steps.add_parser("drive", parents=[processor, debian, folder])
    driving.set_defaults(run=_drive, native=False, tools=())
    driving.add_argument("--seconds", type=float, default=30.0, help="length of the recording")
    driving.add_argument(
        "--pip", action="store_true", help="install this checkout by pip instead of the package"
    )
    machine = steps.add_parser("machine", parents=[debian, folder])
    machine.set_defaults(run=_cut, native=False, architecture="arm64", tools=_BOOTING)
    machine.add_argument("--cuts", type=int, default=10, help="number of power cuts")
    machine.add_argument("--seed", type=int, default=1, help="seed of the moments")
    machine.add_argument("--moments", type=int, default=6, help="further moments of each run to check")
    machine.add_argument("--keep", type=Path, help="folder for the disks of cuts that fail")
    card = steps.add_parser("card", parents=[debian, folder])
    card.set_defaults(run=_try_card, native=False, architecture="arm64", tools=(*_BOOTING, *_CARD))
    card.add_argument("--image", type=Path, help="an image that the recipe made before")
    pythons_step = steps.add_parser("pythons", parents=[folder])
    pythons_step.set_defaults(run=_pythons, native=False, architecture=None, tools=("debootstrap",))
    pythons_step.add_argument("--on", choices=RELEASES, action="append", help="only this release of Debian")
    counting = steps.add_parser("instructions", parents=[processor, debian, folder])
    counting.set_defaults(measure=_count)
    counting.add_argument("--seconds", type=float, default=20.0, help="length of each count")
    counting.add_argument("--load", choices=tuple(LOADS), action="append", help="only this load")
    starting = steps.add_parser("start", parents=[processor, debian, folder])
    starting.set_defaults(measure=_start)
    starting.add_argument("--runs", type=int, default=12, help="number of starts that are timed")
    for step in (counting, starting):
        step.set_defaults(run=_measure, tools=("gcc",))
        step.add_argument("--native", action="store_true", help="this machine's processor instead of a Pi's")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
