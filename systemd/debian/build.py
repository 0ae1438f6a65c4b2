#!/usr/bin/env python3
"""Build the Debian packages: `python systemd/debian/build.py --architecture arm64`.

    stagelog_VERSION_ARCHITECTURE.deb         recorder, crew page and the car's other verbs, with all libraries
    stagelog-review_VERSION_ARCHITECTURE.deb  numpy, for reviews and exports; not for armhf, which has no wheel of it

The package brings a virtual environment under /opt/stagelog that uses Debian's python3, so that nothing is downloaded
when it is installed. Libraries of pure Python are in lib/pure, which every supported Python reads through a .pth file;
compiled ones are in the site-packages of their Python. pip downloads the wheels, also those of other architectures;
dpkg-deb packs them, so this runs on Debian only.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Debian 12 has 3.11, Ubuntu 24.04 has 3.12, Debian 13 has 3.13; 3.14 is in what follows them."""
PLATFORMS = {
    "amd64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "arm64": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "armhf": ("manylinux_2_31_armv7l", "manylinux_2_17_armv7l", "manylinux2014_armv7l"),
}
"""Platforms of wheels by Debian architecture. Debian 12 has glibc 2.36."""
WITHOUT_NUMPY = frozenset({"armhf"})
NOT_NEEDED = frozenset({"pip", "setuptools", "wheel"})
"""sqlite-utils requires pip for a command of its own."""
HOME = "opt/stagelog"
MAINTAINER = "stagelog <stagelog@localhost>"
DESCRIPTION = {
    "stagelog": "in-car telemetry logger for rally-raid crews\n"
    " Records GPS sentences and CAN frames into one SQLite log per stage, and shows\n"
    " the crew speed, limit, average and section progress while they drive.",
    "stagelog-review": "numpy for the reviews and exports of stagelog\n"
    " Without it the recorder and the crew page work; reviews, exports and the demo\n"
    " need it.",
}


def main(arguments: Sequence[str]) -> int:
    """Build the packages of one architecture and print their paths."""
    parser = argparse.ArgumentParser(description="Build the Debian packages of stagelog.")
    parser.add_argument("--architecture", choices=tuple(PLATFORMS), default=own_architecture())
    parser.add_argument("-o", "--output", type=Path, default=Path("dist"), help="folder for the packages")
    parser.add_argument("--without-review", action="store_true", help="only the recorder's package")
    options = parser.parse_args(arguments)
    os.environ.setdefault("SOURCE_DATE_EPOCH", commit_time())
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="stagelog-package-") as scratch:
        build = Build(options.architecture, Path(scratch), options.output)
        print(build.recorder())
        if not options.without_review and options.architecture not in WITHOUT_NUMPY:
            print(build.review())
    return 0


class Build:
    """The packages of one architecture: their files are gathered in a scratch folder."""

    def __init__(self, architecture: str, scratch: Path, output: Path) -> None:
        self._architecture, self._scratch, self._output = architecture, scratch, output
        self._project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        self._wheel = own_wheel(scratch / "own")
        self._version = debian_version(self._wheel.name.split("-")[1])

    def recorder(self) -> Path:
        """Build the package `stagelog`. Returns its path."""
        tree = self._scratch / "stagelog"
        self._unpack_libraries(self._project["dependencies"], tree)
        unpack([self._wheel], tree / HOME, PYTHONS[0])
        add_program(tree / HOME)
        python = f"python3 (>= {PYTHONS[0]}), python3 (<< {next_python()})"
        return self._pack(tree, f"{python}, libc6 (>= 2.28), debconf (>= 0.5) | debconf-2.0, passwd")

    def review(self) -> Path:
        """Build the package `stagelog-review`. Returns its path."""
        tree = self._scratch / "stagelog-review"
        self._unpack_libraries(self._project["optional-dependencies"]["review"], tree)
        for marker in tree.glob(f"{HOME}/lib/*/site-packages/stagelog.pth"):
            marker.unlink()  # it belongs to the other package
        return self._pack(tree, "stagelog, libc6 (>= 2.28)")

    def _unpack_libraries(self, requirements: Iterable[str], tree: Path) -> None:
        """Unpack the versions that the oldest Python gets, for all of them: lib/pure holds each library once."""
        oldest = download(requirements, self._architecture, self._scratch, PYTHONS[0])
        unpack(oldest, tree / HOME, PYTHONS[0])
        compiled = [pin(wheel) for wheel in oldest if not is_pure(wheel)]
        for python in PYTHONS[1:-1]:
            unpack(download(compiled, self._architecture, self._scratch, python), tree / HOME, python)
        # A library that only a later Python needs is among those of the newest.
        pins = map(pin, oldest)
        unpack(download(pins, self._architecture, self._scratch, PYTHONS[-1]), tree / HOME, PYTHONS[-1])

    def _pack(self, tree: Path, depends: str) -> Path:
        add_documents(tree, tree.name, self._version)
        return pack(tree, tree.name, self._version, self._architecture, depends, self._output)


def own_architecture() -> str:
    """Debian's name of this machine's architecture."""
    done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def next_python() -> str:
    """The first Python version without libraries in the package."""
    major, minor = PYTHONS[-1].split(".")
    return f"{major}.{int(minor) + 1}~"


def commit_time() -> str:
    """The time of the commit, so that the same commit gives the same package."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "0"


def debian_version(version: str) -> str:
    """A PEP 440 version as Debian sorts it: a development version comes before its release."""
    public, plus, commit = version.partition("+")
    return re.sub(r"\.?(a|b|rc|dev)(\d)", r"~\1\2", public) + plus + commit


def own_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout."""
    # In the checkout's own folder `build` are modules of earlier commits: setuptools would pack them too.
    afresh = f"--config-settings=--global-option=build --build-base={shlex.quote(str(folder / 'build'))}"
    run_pip("wheel", "--no-deps", afresh, "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def download(requirements: Iterable[str], architecture: str, scratch: Path, python: str) -> list[Path]:
    """Download the wheels that a Python of an architecture needs."""
    wheels = Path(tempfile.mkdtemp(dir=scratch))
    run_pip("download", "--dest", str(wheels), *target(architecture, python), *requirements)
    return sorted(path for path in wheels.glob("*.whl") if wheel_name(path) not in NOT_NEEDED)


def target(architecture: str, python: str) -> list[str]:
    """pip's options for wheels of a Python of an architecture."""
    platforms = [f"--platform={platform}" for platform in PLATFORMS[architecture]]
    return [*platforms, f"--python-version={python}", "--implementation=cp", "--only-binary=:all:"]


def unpack(wheels: Iterable[Path], home: Path, python: str) -> None:
    """Unpack wheels: those of pure Python into lib/pure, once, and the others into a Python's site-packages."""
    pure = home / "lib/pure"
    site = home / f"lib/python{python}/site-packages"
    site.mkdir(parents=True, exist_ok=True)
    (site / "stagelog.pth").write_text("../../pure\n")
    for wheel in wheels:
        if is_pure(wheel) and any(pure.glob(f"{wheel_name(wheel)}-*.dist-info")):
            continue
        unpack_wheel(wheel, pure if is_pure(wheel) else site, home)


def unpack_wheel(wheel: Path, site: Path, home: Path) -> None:
    """Unpack a wheel without its programs. pip would refuse one that does not run here."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            top, _, rest = name.partition("/")
            kind, _, below = rest.partition("/")
            if not top.endswith(".data"):
                place = site / name
            elif kind in ("purelib", "platlib"):
                place = site / below
            elif kind == "data":
                place = home / below
            else:
                continue
            if not name.endswith("/"):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(name))


def add_program(home: Path) -> None:
    """Make the environment: Debian's python3, and the program as a script for it."""
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to("/usr/bin/python3")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    program = home / "bin/stagelog"
    program.write_text("#!/opt/stagelog/bin/python3\nfrom logger.__main__ import start\n\nstart()\n")
    program.chmod(0o755)


def add_documents(tree: Path, package: str, version: str) -> None:
    """Add what Debian wants of each package: copyright, changelog, overrides of its checks."""
    documents = tree / "usr/share/doc" / package
    documents.mkdir(parents=True)
    licence = "".join(
        f" {line}\n" if line else " .\n" for line in (ROOT / "LICENSE").read_text().splitlines()
    )
    (documents / "copyright").write_text((HERE / "copyright").read_text() + licence)
    date = formatdate(float(os.environ["SOURCE_DATE_EPOCH"]), usegmt=False)
    entry = (
        f"stagelog ({version}) unstable; urgency=medium\n\n"
        f"  * See CHANGELOG.md of this version.\n\n -- {MAINTAINER}  {date}\n"
    )
    (documents / "changelog.gz").write_bytes(gzip.compress(entry.encode(), mtime=0))
    overrides = tree / "usr/share/lintian/overrides"
    overrides.mkdir(parents=True)
    (overrides / package).write_text(
        "".join(f"{package}: {line}\n" for line in (HERE / "lintian-overrides").read_text().splitlines())
    )


def pack(tree: Path, package: str, version: str, architecture: str, depends: str, output: Path) -> Path:
    """Write the package of a tree. Returns its path."""
    control = tree / "DEBIAN"
    control.mkdir()
    files = sorted(
        path
        for path in tree.rglob("*")
        if path.is_file() and not path.is_symlink() and control not in path.parents
    )
    fields = {
        "Package": package,
        "Version": version,
        "Architecture": architecture,
        "Maintainer": MAINTAINER,
        "Installed-Size": str(sum(path.stat().st_size for path in files) // 1024),
        "Depends": depends,
        # Not recommended: apt would fetch it, and where there is no network would install nothing.
        **({"Suggests": "chrony, stagelog-review"} if package == "stagelog" else {}),
        "Section": "misc",
        "Priority": "optional",
        "Description": DESCRIPTION[package],
    }
    (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    sums = (
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in files
    )
    (control / "md5sums").write_text("".join(sums))
    for script in sorted((HERE / package).glob("*")):
        shutil.copyfile(script, control / script.name)
        (control / script.name).chmod(0o755 if script.read_bytes().startswith(b"#!") else 0o644)
    for path in (tree, *tree.rglob("*")):  # whatever the umask here
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z2", "--build", str(tree), str(output)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return output / f"{package}_{version}_{architecture}.deb"


def wheel_name(wheel: Path) -> str:
    """The distribution's name."""
    return wheel.name.split("-")[0]


def is_pure(wheel: Path) -> bool:
    """Whether a wheel has no compiled part: it fits every Python and processor."""
    return wheel.stem.endswith("-none-any")


def pin(wheel: Path) -> str:
    """The requirement of exactly this version."""
    return f"{wheel_name(wheel)}=={wheel.name.split('-')[1]}"


def run_pip(*arguments: str) -> None:
    """Run pip quietly. SystemExit if it fails."""
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    command = [sys.executable, "-m", "pip", arguments[0], *quiet, *arguments[1:]]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"pip {arguments[0]} failed; its messages are above")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
