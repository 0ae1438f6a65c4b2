"""Only `file_names.within` joins an untrusted name to a path; every other join in the product is listed here.

A join is `folder / name`, `joinpath`, `Path(folder, name)`, `with_name`, `with_stem`, `with_suffix` or `os.path.join`
whose right side is more than literals and constants. What is a path follows from the annotations, which mypy requires.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import logger

PACKAGE = Path(logger.__file__).parent
JOINING = {"joinpath", "with_name", "with_stem", "with_suffix"}
GIVE_PATHS = {"Path", "PurePosixPath", "within", "absolute", "resolve", "expanduser", "cwd", "home", *JOINING}

OWN = "a name that this program creates, or finds in the folder itself"
USERS = "a path from the user, on the command line or in the configuration, which may lead anywhere"
SYSTEM = "a file of the system or of this package"
DERIVED = "consists of letters, digits and dashes by `naming.slug`"
LISTED = "a name of `Copies.names`, which lists the regular files of the folder"
CARS = "the name of a file in the car's own folder of logs: a card repaired by hand has any, and each is one"
SHOWN = "only shown, or only its last part is used: no file is opened"
RECORDERS = "the recorder's own answer: the log that it writes, read by `doctor` on the same machine"
CHECKOUT = "written by git in the checkout that this code runs from; only a commit is read there"
CHECKED = "checked for links and `..` in the same function"
SUFFIX = "a suffix from a table of this package"
KNOWN: dict[str, dict[str, str]] = {
    "__init__.py": {"Path(path)": USERS},
    "boundary/extras.py": {"Path(sys.prefix, _OF_DEBIAN_PACKAGE)": SYSTEM},
    "cli/man_page.py": {"Path(__file__)": SYSTEM},
    "crew/child.py": {"Path(f'/proc/{self._process.pid}/oom_score_adj')": SYSTEM},
    "crew/compliance.py": {"Path(path)": SHOWN},
    "crew/copies.py": {
        "self.logs / name": LISTED,
        "self._folder / f'making-{time.monotonic_ns()}'": OWN,
        "self._folder / f'{sha256}.{path.name}'": LISTED,
        "Path(temporary.name)": OWN,
    },
    "crew/downloads.py": {"at / max(1, copy.size)": "the share of a download, no file"},
    "crew/listing.py": {"self._copies.logs / name": LISTED},
    "crew/reviews.py": {"self._kept / f'{key}.html'": OWN},
    "boundary/own_process.py": {"Path(__file__)": SYSTEM, "Path(place)": SYSTEM},
    "boundary/whole_file.py": {"Path(os.path.realpath(path))": USERS},
    "config/configuration.py": {"folder / port": USERS},
    "config/discovery.py": {"Path(named)": USERS},
    "demo/demo.py": {"Path(virtual.gps_port)": OWN, "Path(virtual.can_port)": OWN},
    "demo/route.py": {
        "Path(lat, lon, _plain_m(distance) + surface.relief_m, distance, surface.softness, surface.ease)": (
            "a way over the ground, no file"
        )
    },
    "demo/simulate.py": {"order.folder / f'{name}-001.db'": DERIVED},
    "demo/stages.py": {"Path(name)": USERS, "files('logger.demo').joinpath(name)": SYSTEM},
    "doctor/probe_recorder.py": {"Path(snapshot['recording']['path'])": RECORDERS},
    "doctor/examination.py": {"Path(recording['path'])": RECORDERS},
    "doctor/probe_ports.py": {"Path(url)": USERS},
    "doctor/recognition.py": {"Path(name)": USERS},
    "doctor/probe_system.py": {"sysfs / f'dev/block/{os.major(number)}:{os.minor(number)}'": SYSTEM},
    "export/files.py": {
        "folder / job.file_name": "the file name of the log, which exists, with the name and suffix of a format",
        "output.with_suffix(FORMATS[beside].suffix)": SUFFIX,
        "output.with_suffix(FORMATS[name].suffix)": SUFFIX,
    },
    "export/mf4.py": {"Path(folder)": OWN},
    "fleet/catalogue.py": {"Path(store.root)": USERS},
    "fleet/review.py": {"Path(rules)": USERS},
    "fleet/store.py": {
        "Path(self.root, path)": CHECKED,
        "Path(self.root)": USERS,
        "Path(entry.path)": OWN,
    },
    "fleet/work_folder.py": {
        "Path(tempfile.gettempdir())": SYSTEM,
        "Path(tempfile.gettempdir()) / f'stagelog-fleet-{os.getuid()}'": OWN,
        "folder / uuid4().hex": OWN,
    },
    "replay/captures.py": {"done / total": "numbers"},
    "replay/python_can_reader.py": {"Path(sys.argv[1])": USERS},
    "logfile/connect.py": {"path.with_name(path.name + tail)": OWN},
    "logfile/naming.py": {"directory / f'{name}-{max(numbers, default=0) + 1:03d}.db'": DERIVED},
    "logfile/open_or_quarantine.py": {
        "path.with_name(f'{path.name}.damaged-{n}')": OWN,
        "path.with_name(path.name + tail)": OWN,
        "quarantined.with_name(quarantined.name + tail)": OWN,
    },
    "logfile/sqlite_pages.py": {"Path(connection.execute('PRAGMA database_list').fetchone()[2])": OWN},
    "replay/replay_to_log.py": {"output / f'{slug(capture.path.stem)}-replay.db'": DERIVED},
    "retention/log_directory.py": {
        "path.with_name(path.name + tail)": OWN,
        "folder / name.removesuffix(KEEP_TAIL)": SHOWN,
    },
    "judgement/open_evidence.py": {"Path(options.rules)": USERS},
    "review/sheet.py": {"files('logger.review').joinpath('page', name)": SYSTEM},
    "stage/rules.py": {"Path(__file__)": SYSTEM},
    "stick/delivery.py": {
        "folder / f'.{log.name}{PART_TAIL}'": CARS,
        "self._folder / (self._log.name + DAMAGED_TAIL)": CARS,
        "self._folder / self._log.name": CARS,
        "folder / (log.name + DAMAGED_TAIL)": CARS,
        "folder / log.name": CARS,
        "folder / name": CARS,
        "target.with_name(f'{name}.{size}')": CARS,
    },
    "stick/mounting.py": {"place / marker": OWN},
    "tomlconfig/schema.py": {"self._folder / raw": USERS},
    "transfer/__main__.py": {"Path(log)": USERS, "Path(copy)": USERS},
    "transfer/copying.py": {"done / total": "numbers"},
    "transfer/verbs.py": {"Path(url)": USERS},
    "transfer/snapshot.py": {
        "target.with_stem(f'{target.stem}.{state.identity}')": "hexadecimal, see LogState.from_json"
    },
    "version.py": {
        "Path(__file__)": SYSTEM,
        "shared / reference": CHECKOUT,
        "folder / common.read_text('utf-8').strip()": CHECKOUT,
        "root / folder.read_text('utf-8').removeprefix('gitdir:').strip()": CHECKOUT,
    },
}
"""Each allowed join, as `ast.unparse` writes it, with its reason."""
OTHERS = ("boundary/file_names.py", "install/")
"""The boundary itself; and `install/`, whose system paths have their own boundary, install/root.py."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def is_annotated_path(annotation: ast.expr | None) -> bool:
    return annotation is not None and any(
        isinstance(node, ast.Name) and node.id in ("Path", "PurePosixPath", "Traversable")
        for node in ast.walk(annotation)
        if not isinstance(annotation, ast.Subscript) or node is not annotation
    )


class Names:
    """The identifiers of the package that are paths: by annotation, and by assignment from a path."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.functions: set[str] = set(GIVE_PATHS)
        known = -1
        while known != len(self.paths) + len(self.functions):
            known = len(self.paths) + len(self.functions)
            for _, tree in trees():
                for node in ast.walk(tree):
                    self._learn(node)

    def is_path(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return name in self.paths or name == "parent"
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                return name in self.functions
            case ast.BinOp(left=left, op=ast.Div()):
                return self.is_path(left)
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_path(body) or self.is_path(orelse)
        return False

    def _learn(self, node: ast.AST) -> None:
        match node:
            case ast.arg(arg=name, annotation=annotation) if is_annotated_path(annotation):
                self.paths.add(name)
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=annotation):
                if is_annotated_path(annotation):
                    self.paths.add(name)
            case ast.FunctionDef(name=name, returns=returns) if is_annotated_path(returns):
                self.functions.add(name)
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value):
                if self.is_path(value):
                    self.paths.add(name)
            case ast.For(
                target=ast.Name(id=name), iter=ast.Call(func=ast.Attribute(attr="iterdir" | "glob" | "rglob"))
            ):
                self.paths.add(name)


def is_fixed(node: ast.expr, *, is_tail: bool = False) -> bool:
    """Whether a name is ours: a literal, a constant, or built from these; with `is_tail` also one appended to a
    file's name."""
    match node:
        case ast.Constant():
            return True
        case ast.BinOp(
            left=ast.Attribute(value=ast.Name() | ast.Attribute(), attr="name"), op=ast.Add(), right=right
        ):
            return is_tail and is_fixed(right)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.JoinedStr(values=values):
            return all(is_fixed(part) for part in values)
        case ast.FormattedValue(value=value):
            return is_fixed(value)
    return False


def joins(names: Names, tree: ast.Module) -> Iterator[str]:
    """Joins of more than fixed names, as `ast.unparse` writes them."""
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                is_join = names.is_path(left) and not is_fixed(right)
            case ast.Call(func=ast.Attribute(value=value, attr=attribute), args=arguments) if (
                attribute in JOINING
            ):
                of_itself = {ast.unparse(value) + ".name"}
                is_join = not all(
                    is_fixed(argument, is_tail=ast.unparse(argument).partition(" + ")[0] in of_itself)
                    for argument in arguments
                )
            case ast.Call(func=ast.Name(id="Path" | "PurePosixPath"), args=arguments):
                is_join = not all(map(is_fixed, arguments))
            case ast.Call(func=ast.Attribute(attr="join", value=ast.Attribute(attr="path"))):
                is_join = True
            case _:
                is_join = False
        if is_join:
            assert isinstance(node, ast.expr)
            yield ast.unparse(node)


@pytest.mark.slow
def test_every_join_of_a_name_onto_a_path_is_known() -> None:
    names = Names()
    found = {
        (module, join)
        for module, tree in trees()
        if not module.startswith(OTHERS)
        for join in joins(names, tree)
    }
    known = {(module, join) for module, reasons in KNOWN.items() for join in reasons}
    assert found - known == set(), "use file_names.within, or add the reason why the name is safe here"
    assert known - found == set(), "these joins no longer exist"


@pytest.mark.slow
def test_a_join_is_found_however_it_is_written() -> None:
    names = Names()
    for source in (
        "folder / entry.name",
        "self._folder / f'{name}.part'",
        "path.parent / name",
        "path.with_name(name)",
        "path.with_name(other.name + '.part')",
        "Path(name)",
        "Path(folder, name)",
        "os.path.join(folder, name)",
        "(folder / 'copies').joinpath(name)",
    ):
        assert list(joins(names, ast.parse(source))) == [ast.unparse(ast.parse(source))], source
    for source in (
        "folder / 'copies'",
        "folder / FILE",
        "folder / f'.{FILE}'",
        "path.with_name(path.name + '-wal')",
        "km / 2",
    ):
        assert list(joins(names, ast.parse(source))) == [], source
