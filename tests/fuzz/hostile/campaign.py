"""Many hostile logs, each through every step, in processes that may die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple

from logger.cli.main import VERBS
from tests.fuzz.hostile import honest, logs, trial
from tests.fuzz.hostile.scene import Scene, other_disk
from tests.fuzz.hostile.verbs import FUNCTIONS, SOMETIMES, steps
from tests.logger.crew.serving import serving

_A_PROCESS = 100
"""Logs that one process tries: what one leaves behind in memory does not reach many others."""

_SOMETIMES = 25
"""Every so many logs are exported and reviewed by the server, which starts a process for each."""
_PRELOADED = ("pyarrow.parquet", "asammdf", "duckdb", "can", "cantools", "numpy", "rich.console", "fsspec")
"""Imported before the processes fork: a second and a half for each of them otherwise."""
_DEATHS = 3
"""Of processes on one log: what the other steps do with it is not tried any more."""


class Found(NamedTuple):
    """A finding, and how to see it again."""

    seed: int
    mutations: tuple[str, ...]
    step: str
    what: str
    detail: str

    def __str__(self) -> str:
        again = f"python -m tests.fuzz.hostile --seed {self.seed} --logs 1 --step '{self.step}'"
        return f"{self.what}\n  {self.step} on {' + '.join(self.mutations)}\n  {again}\n  {self.detail}"


class Campaign:
    """Tries logs in this process's children, one child at a time."""

    def __init__(self, only: Sequence[str] = (), names: tuple[str, ...] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="stagelog-hostile-"))
        self._disk = other_disk()
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
        """A crew server, in the place of one that was there."""
        self._stack.close()
        crew = self._folder / "crew"
        self._served = self._stack.enter_context(
            serving(crew, crew / "live.sock", logs=self._folder / "scene" / "logs")
        )

    def close(self) -> None:
        """Remove what was made."""
        self._stack.close()
        for folder in (self._folder, self._disk):
            shutil.rmtree(folder, ignore_errors=True)

    def tried(self, seeds: Sequence[int], until_s: float) -> Iterator[Found]:
        """Every finding on the logs of these numbers; ends early at a moment of the monotonic clock."""
        at = step = deaths = 0
        enough = False
        while at < len(seeds) and time.monotonic() < until_s:
            batch = seeds[at : at + _A_PROCESS]
            last: dict[str, Any] = {"index": 0, "step": step, "mutations": (), "name": "its making"}
            ended = False
            for told in self._child(batch, step, until_s):
                match told["kind"]:
                    case "step":
                        last = told
                        self.steps += 1
                    case "found":
                        yield Found(
                            batch[last["index"]],
                            tuple(last["mutations"]),
                            last["name"],
                            told["what"],
                            told["detail"],
                        )
                    case "end":
                        ended = True
                        at += told["logs"]
                        self.logs += told["logs"]
                    case "death":
                        what = f"{told['what']} at {last['name']}"
                        yield Found(batch[last["index"]], tuple(last["mutations"]), last["name"], what, "")
            if not ended:
                deaths = deaths + 1 if last["index"] == 0 and step else 1
                enough = deaths == _DEATHS
                at += last["index"] + enough
                self.logs += last["index"] + enough
            if not ended and last["name"].startswith(("http", "fetch")):
                self._serve()
            step = 0 if ended or enough else last["step"] + 1

    def _child(self, seeds: Sequence[int], first_step: int, until_s: float) -> Iterator[dict[str, Any]]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            kept = os.dup(2)
            # pytest has replaced them by its own, which a verb must not write to here
            streams = [open(number, "w", buffering=1, encoding="utf-8", closefd=False) for number in (1, 2)]  # noqa: SIM115
            sys.stdout, sys.stderr = streams
            try:
                with os.fdopen(writing, "w") as pipe:
                    self._work(seeds, first_step, until_s, pipe)
            except BaseException:  # noqa: BLE001 - the parent's stack is not this process's
                os.write(kept, traceback.format_exc().encode())
                os._exit(1)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            for line in pipe:
                yield json.loads(line)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a flaw of the fuzzer's"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            words = {signal.SIGXCPU: "more processor time than its budget", signal.SIGALRM: "asleep for ever"}
            yield {
                "kind": "death",
                "what": words.get(signal.Signals(number), f"killed by {signal.Signals(number).name}"),
            }

    def _work(self, seeds: Sequence[int], first_step: int, until_s: float, pipe: IO[str]) -> None:
        def tell(kind: str, **said: object) -> None:
            pipe.write(json.dumps({"kind": kind, **said}) + "\n")
            pipe.flush()

        scene = Scene(self._folder / "scene", self._disk, self._served)
        done = 0
        for index, seed in enumerate(seeds):
            if time.monotonic() > until_s:
                break
            self._one(scene, index, seed, first_step if index == 0 else 0, tell)
            done += 1
        tell("end", logs=done)

    def _one(self, scene: Scene, index: int, seed: int, first_step: int, tell: Callable[..., None]) -> None:
        scene.prepare(self._honest)
        os.environ["TMPDIR"] = tempfile.tempdir = str(scene.folder / "tmp")
        os.chdir(scene.out)
        made = logs.make(seed, self._honest, scene.log, self._names)
        scene.never_whole = made.never_whole
        before = _content(scene)
        more = SOMETIMES if seed % _SOMETIMES == 0 or self._only else ()
        for number, name in enumerate((*steps(scene), *FUNCTIONS, *more)):
            if number < first_step or (self._only and name not in self._only):
                continue
            if name == "recorder's start":
                scene.copy_for_recorder()
            tell("step", index=index, step=number, mutations=made.names, name=name)
            for finding in trial.run(scene, name):
                tell("found", what=finding.what, detail=finding.detail)
            after = _content(scene)
            if after != before:
                changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
                tell("found", what=f"{name} changes the log's folder", detail=str(changed))
                before = after


_OURS = (".keep", "-shm", "delivered.jsonl")
"""What may come to lie in a folder of logs: a mark, SQLite's shared memory, the car's note of deliveries."""


def _content(scene: Scene) -> dict[str, object]:
    return {
        path.name: (path.stat().st_size, path.read_bytes() if path.stat().st_size < 1_000_000 else 0)
        for path in scene.logs.iterdir()
        if path.is_file() and not path.is_symlink() and not path.name.endswith(_OURS)
    }
