"""Runs that take turns, step by step, so that a machine whose speed changes has changed for all of them.

    python -m tests.gpu.turns 'one=coeflab train … --out runs/one' 'two=coeflab train … --gpus 2 --out runs/two'

Each is the command as it stands, in processes of its own, all at once on the machine; a step waits until the others'
are done. The first step of each, which compiles, and the SFT of a start policy wait for nobody. Give all of them the
same number of steps: after its last one a run evaluates, beside the others. What runs on one card together must fit it
together: an allocator that is short of memory is what is measured then (docs/performance.md).

Printed at the end: seconds a step of each run, and their ratio to the first one's, 95 % by resampling rounds.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PARTS = ("step", "sampling", "update")
RESAMPLES = 10_000


class Turns:
    """One run's place among those of a folder; every process of the run has one.

    Args:
        folder: holds a file for each step that is done and for each run that ended.
        name: of the run.
        order: all names, in the order of a round.
    """

    def __init__(self, folder: Path, name: str, order: Sequence[str]) -> None:
        self._folder, self._name = folder, name
        place = order.index(name)
        self._before, self._after = order[:place], order[place + 1 :]
        self._round = 0

    def wait(self) -> None:
        """Until this run's next step is due: in the first round nobody waits."""
        needed = [(name, self._round) for name in self._before] + [(name, self._round - 1) for name in self._after]
        while self._round > 0 and not all(self._done(*each) for each in needed):
            time.sleep(0.01)

    def _done(self, name: str, round_: int) -> bool:
        return (self._folder / f"{name}-{round_}").exists() or (self._folder / f"{name}-ended").exists()

    def pass_on(self, *, leads: bool) -> None:
        """The step is done; `leads` is true in one process of the run."""
        if leads:
            (self._folder / f"{self._name}-{self._round}").touch()
        self._round += 1


def in_turn(take_step: Callable[..., Any], turns: Turns) -> Callable[..., Any]:
    """`training.loop.take_step`, waiting for its turn; steps on demonstrations do not."""

    def waiting(trainer: Any, step: int, share: float = 1.0) -> Any:
        if trainer.algorithm.data_source.name == "DEMONSTRATIONS":
            return take_step(trainer, step, share)
        turns.wait()
        row = take_step(trainer, step, share)
        trainer.ranks.wait()
        turns.pass_on(leads=trainer.ranks.rank == 0)
        return row

    return waiting


class _Hook(MetaPathFinder):
    """Puts `in_turn` around `take_step` as soon as `training.loop` is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "training.loop":
            return None
        sys.meta_path.remove(self)
        spec: Any = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def and_wait(module: Any) -> None:
            run(module)
            folder, own, *order = json.loads(os.environ["TAKE_TURNS"])
            module.take_step = in_turn(module.take_step, Turns(Path(folder), own, order))

        spec.loader.exec_module = and_wait
        return spec


def hook() -> None:
    """Called at the start of every Python of a run, by the `sitecustomize` that `main` writes."""
    sys.meta_path.insert(0, _Hook())


def main(commands: Sequence[str]) -> None:
    """Start the runs, wait for all of them, and print what a step took."""
    runs = dict(each.split("=", 1) for each in commands)
    lines = {name: shlex.split(line) for name, line in runs.items()}
    outs = {name: Path(line[line.index("--out") + 1]) for name, line in lines.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text("from tests.gpu.turns import hook\n\nhook()\n", encoding="utf-8")
        running = {name: _start(line, folder, name, list(runs)) for name, line in lines.items()}
        try:
            while running:
                for name, process in list(running.items()):
                    if process.poll() is not None:
                        (folder / f"{name}-ended").touch()
                        del running[name]
                        print(f"{name} ended with exit code {process.returncode}", flush=True)
                time.sleep(0.2)
        finally:
            for process in running.values():
                os.killpg(process.pid, signal.SIGTERM)
    found = {name: measured(out) for name, out in outs.items()}
    print(report(found))


def _start(line: Sequence[str], folder: Path, name: str, order: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "experiments", *line[1:]] if line[0] == "coeflab" else list(line)
    paths = [str(folder), str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    turns = json.dumps([str(folder), name, *order])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "TAKE_TURNS": turns}
    return subprocess.Popen(command, env=env, cwd=ROOT, start_new_session=True)


def measured(out: Path) -> list[dict[str, Any]]:
    """The rows of the one run of a folder but for its first step's; ends the command where there are none."""
    files = list((ROOT / out).glob("runs/*/metrics.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    if len(files) != 1 or len(lines) < 2:
        raise SystemExit(
            f"{out} has {len(files)} runs and {len(lines)} steps; expected one run of at least two. What the run "
            "printed says why."
        )
    return [json.loads(line) for line in lines][1:]


def report(found: dict[str, list[dict[str, Any]]]) -> str:
    """Seconds of each run's steps, and their ratio to the first run's.

    Args:
        found: rows of ``metrics.jsonl`` by run; as many rounds count as all of them have.
    """
    rounds = min(len(rows) for rows in found.values())
    seconds = {
        name: {part: [row[f"{part}_seconds"] for row in rows[:rounds]] for part in PARTS}
        for name, rows in found.items()
    }
    first, *_ = seconds.values()
    lines = []
    for name, parts in seconds.items():
        told = []
        for part in PARTS:
            ratio, low, high = _ratio(parts[part], first[part])
            told.append(f"{part} {statistics.mean(parts[part]):.2f} s, {ratio:.3f} [{low:.3f}, {high:.3f}]")
        lines.append(f"{name}, {rounds} rounds: {'; '.join(told)}")
    return "\n".join([*lines, json.dumps(seconds)])


def _ratio(ours: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Ratio of the means, and the 95 % of it by resampling rounds."""
    rng = random.Random(0)
    count = len(ours)
    found = []
    for _ in range(RESAMPLES):
        drawn = [rng.randrange(count) for _ in range(count)]
        found.append(sum(ours[i] for i in drawn) / sum(others[i] for i in drawn))
    found.sort()
    return sum(ours) / sum(others), found[RESAMPLES // 40], found[-RESAMPLES // 40]


if __name__ == "__main__":
    main(sys.argv[1:])
