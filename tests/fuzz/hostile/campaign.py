"""Run every step on many hostile logs, in child processes that may die."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import IO, Any, NamedTuple

from logger.cli.main import VERBS
from tests.fuzz.hostile import honest, logs, trial
from tests.fuzz.hostile.endpoints import ANSWER_S, cpu_s
from tests.fuzz.hostile.scene import Scene, disks
from tests.fuzz.hostile.verbs import FUNCTIONS, SOMETIMES, steps
from tests.logger.crew.serving import serving

_LOGS_PER_PROCESS = 100
"""Logs per child process, so that damage in memory affects few other logs."""

_SOMETIMES_EVERY = 100
"""The server exports and reviews every n-th log only, because it starts nine processes for it: 3 s, as ten logs."""
_PRELOADED = ("pyarrow.parquet", "asammdf", "duckdb", "can", "cantools", "numpy", "rich.console", "fsspec")
"""Imported before the fork; otherwise each child needs 1.5 s more."""
_DEATHS = 3
"""Process deaths on one log, after which its other steps are skipped."""


class Finding(NamedTuple):
    """A finding, with the command that reproduces it."""

    seed: int
    mutations: tuple[str, ...]
    step: str
    what: str
    detail: str

    def __str__(self) -> str:
        again = f"python -m tests.fuzz.hostile --seed {self.seed} --logs 1 --step '{self.step}'"
        return f"{self.what}\n  {self.step} on {' + '.join(self.mutations)}\n  {again}\n  {self.detail}"


class Campaign:
    """Runs the steps in children of this process, one child at a time.

    `logs` and `steps` are done; `progress` is called after each step.
    """

    def __init__(
        self,
        only: Sequence[str] = (),
        names: tuple[str, ...] = (),
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder, self._disk = disks()
        self._progress = progress
        self._child_pid: int | None = None
        self._honest = honest.write(self._folder / "honest.db")
        self._stack = ExitStack()
        (self._folder / "crew").mkdir()
        (self._folder / "scene" / "logs").mkdir(parents=True)
        self._serve()
        self._only, self._names = only, names
        self.logs = self.steps = 0
        for module in _PRELOADED:
            import_module(module)
        for verb in VERBS.values():
            import_module(verb.module)

    def _serve(self) -> None:
        """Start the crew server, or restart it."""
        self._stack.close()
        crew = self._folder / "crew"
        self._served = self._stack.enter_context(
            serving(crew, crew / "live.sock", logs=self._folder / "scene" / "logs")
        )
        self._served.answer_s = ANSWER_S

    def cpu_s(self) -> float:
        """CPU time of this process, its children and the crew server, in s."""
        used = sum(
            usage.ru_utime + usage.ru_stime
            for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        return used + sum(cpu_s(pid) for pid in (self._served.process.pid, self._child_pid) if pid)

    def close(self) -> None:
        """Stop the server and remove the folders."""
        self._stack.close()
        for folder in (self._folder, self._disk):
            shutil.rmtree(folder, ignore_errors=True)

    def findings_on(self, seeds: Sequence[int], until_s: float) -> Iterator[Finding]:
        """Yield the findings on the logs of these numbers; stops at `until_s` of the monotonic clock."""
        at = step = deaths = 0
        enough = False
        while at < len(seeds) and time.monotonic() < until_s:
            batch = seeds[at : at + _LOGS_PER_PROCESS]
            last: dict[str, Any] = {"index": 0, "step": step, "mutations": (), "name": "making the log"}
            ended, done = False, self.logs
            for message in self._child(batch, step, until_s):
                match message["kind"]:
                    case "step":
                        last = message
                        self.logs = done + message["index"]
                        self.steps += 1
                        self._progress()
                    case "found":
                        yield Finding(
                            batch[last["index"]],
                            tuple(last["mutations"]),
                            last["name"],
                            message["what"],
                            message["detail"],
                        )
                    case "end":
                        ended = True
                        at += message["logs"]
                        self.logs = done + message["logs"]
                    case "death":
                        what = f"{message['what']} at {last['name']}"
                        yield Finding(batch[last["index"]], tuple(last["mutations"]), last["name"], what, "")
            if not ended:
                deaths = deaths + 1 if last["index"] == 0 and step else 1
                enough = deaths == _DEATHS
                at += last["index"] + enough
                self.logs = done + last["index"] + enough
            if not ended and last["name"].startswith(("http", "fetch")):
                self._serve()
            step = 0 if ended or enough else last["step"] + 1

    def _child(self, seeds: Sequence[int], first_step: int, until_s: float) -> Iterator[dict[str, Any]]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            kept = os.dup(2)
            # pytest's replacements must not be used by a verb here
            streams = [open(number, "w", buffering=1, encoding="utf-8", closefd=False) for number in (1, 2)]  # noqa: SIM115
            sys.stdout, sys.stderr = streams
            sys.dont_write_bytecode = True  # a module's bytecode would count as a file written outside
            try:
                with os.fdopen(writing, "w") as pipe:
                    self._work(seeds, first_step, until_s, pipe)
            except BaseException:  # noqa: BLE001 - the child must not return to the parent's code
                os.write(kept, traceback.format_exc().encode())
                os._exit(1)
            os._exit(0)
        os.close(writing)
        self._child_pid = pid
        with os.fdopen(reading) as pipe:
            for line in pipe:
                yield json.loads(line)
        _, status = os.waitpid(pid, 0)
        self._child_pid = None
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "an error in the fuzzer itself"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            reasons = {signal.SIGXCPU: "more CPU time than its budget", signal.SIGALRM: "asleep too long"}
            yield {
                "kind": "death",
                "what": reasons.get(signal.Signals(number), f"killed by {signal.Signals(number).name}"),
            }

    def _work(self, seeds: Sequence[int], first_step: int, until_s: float, pipe: IO[str]) -> None:
        def send(kind: str, **fields: object) -> None:
            pipe.write(json.dumps({"kind": kind, **fields}) + "\n")
            pipe.flush()

        scene = Scene(self._folder / "scene", self._disk, self._served)
        done = 0
        for index, seed in enumerate(seeds):
            if time.monotonic() > until_s:
                break
            self._one(scene, index, seed, first_step if index == 0 else 0, send)
            done += 1
        send("end", logs=done)

    def _one(self, scene: Scene, index: int, seed: int, first_step: int, send: Callable[..., None]) -> None:
        scene.prepare(self._honest)
        os.environ["TMPDIR"] = tempfile.tempdir = str(scene.folder / "tmp")
        os.chdir(scene.out)
        made = logs.make(seed, self._honest, scene.log, self._names)
        scene.never_whole = made.never_whole
        before = _content(scene)
        more = SOMETIMES if seed % _SOMETIMES_EVERY == 0 or self._only else ()
        verbs = steps(scene)
        for number, name in enumerate((*verbs, *FUNCTIONS, *more)):
            if number < first_step or (self._only and name not in self._only):
                continue
            if name == "recorder's start":
                scene.copy_for_recorder()
            send("step", index=index, step=number, mutations=made.names, name=name)
            for finding in trial.run(scene, name, verbs.get(name)):
                send("found", what=finding.what, detail=finding.detail)
            after = _content(scene)
            if after != before:
                changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
                send("found", what=f"{name} changes the log's folder", detail=str(changed))
                before = after


_ALLOWED = (".keep", "-shm", "delivered.jsonl")
"""Files that a verb may add to a folder of logs: a protection mark, SQLite's shared memory, the list of deliveries."""


def _content(scene: Scene) -> dict[str, object]:
    """The files of the folder, without the empty WAL that exists while the crew server has a log open."""
    found: dict[str, object] = {}
    for path in scene.logs.iterdir():
        if not path.is_file() or path.is_symlink() or path.name.endswith(_ALLOWED):
            continue
        with suppress(FileNotFoundError):
            size = path.stat().st_size
            if size or not path.name.endswith("-wal"):
                found[path.name] = (size, path.read_bytes() if size < 1_000_000 else 0)
    return found
