"""A seeded fault campaign against finished comparisons: every fault ends in the same numbers or in a refusal by name.

Run with `-s` it prints its counts. Silent: other numbers than before, without a word. Hang: more than `SECONDS` for one
reading. Nameless: anything but a `RecordError` with the path of the run. Kills, power cuts and damage of runs that
are trained again are in tests/experiments/runs/test_faults.py.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import RecordError, load_comparison

SECONDS = 20.0
FAULTS_A_KIND = 60
RUN_FILES = ("config.json", "environment.json", "metrics.jsonl", "samples.parquet", "finished.json")
COLUMNS = ("question", "gold_answer", "completion", "answer", "answer_class")
Fault = Callable[[Path, random.Random], None]


def flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def cut(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))])


def zero_page(path: Path, draw: random.Random) -> None:
    """What a power cut leaves of a page that was not yet on disk."""
    content = bytearray(path.read_bytes())
    start = draw.randrange(len(content))
    content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    path.write_bytes(content)


def remove(path: Path, draw: random.Random) -> None:
    path.unlink()


def folder_instead(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def brackets(path: Path, draw: random.Random) -> None:
    path.write_text("[" * draw.randrange(1, 300_000), encoding="utf-8")


def noise(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(draw.randrange(5000)))


FAULTS: dict[str, Fault] = {
    "bit flip": flip,
    "cut": cut,
    "zeroed page": zero_page,
    "removed": remove,
    "a folder instead": folder_instead,
    "brackets": brackets,
    "noise": noise,
}


def write_run(folder: Path, arm: str, seed: int, draw: random.Random) -> None:
    folder.mkdir(parents=True)
    rows = [
        {
            **{"arm": arm, "seed": seed, "step": step, "benchmark": "sums", "problem_id": f"p{problem}"},
            **dict.fromkeys(COLUMNS, f"text {problem} {index}"),
            **{"sample_index": index, "verdict": draw.choice(["CORRECT", "INCORRECT"]), "num_tokens": 9},
            **{"finish_reason": "stop", "policy_version": step},
        }
        for step in (0, 2)
        for problem in range(6)
        for index in range(4)
    ]
    config = {"arm": arm, "seed": seed, "algorithm": arm, "recipe": "tiny", "evaluation": {}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "environment.json").write_text(json.dumps({"checker_version": "1"}), encoding="utf-8")
    metrics = [{"step": step, "tokens_trained": 100 * step, "loss": 1.5} for step in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics), encoding="utf-8")
    pd.DataFrame(rows).to_parquet(folder / "samples.parquet", write_page_checksum=True)
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in RUN_FILES[:4]}
    (folder / "finished.json").write_text(json.dumps({"steps": 2, "sha256": digests}), encoding="utf-8")


def numbers(folder: Path) -> dict[str, tuple[float, ...]]:
    """What a report would say of each run that is read."""
    comparison = load_comparison(folder)
    found = {}
    for run in comparison.runs:
        right = run.judgements["verdict"].astype(str).to_numpy() == "CORRECT"
        spent = run.metrics["tokens_trained"].to_numpy() if "tokens_trained" in run.metrics else np.zeros(1)
        found[f"{run.arm}-{run.seed}"] = (float(right.mean()), float(len(right)), float(spent.sum()), run.final_step)
    return found


def outcome(folder: Path, victim: str, whole: dict[str, tuple[float, ...]]) -> str:
    """How one reading after a fault ended: same, left out, refused; or what must not be: silent, nameless, hang."""
    started = time.monotonic()
    try:
        found = numbers(folder)
    except RecordError as error:
        result = "refused" if victim in str(error) or "comparison.json" in str(error) else "nameless"
    except Exception as error:  # what the campaign is for
        result = f"nameless ({type(error).__name__})"
    else:
        rest = {name: value for name, value in whole.items() if name in found}
        missing = whole.keys() - found.keys()
        named = {run.name for run in load_comparison(folder).unfinished}
        told = {f"{name.rpartition('-')[0]}-seed{name.rpartition('-')[2]}" for name in missing} <= named
        result = "silent" if found != rest or not told else "left out" if missing else "same"
    return "hang" if time.monotonic() - started > SECONDS else result


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0])
def test_no_fault_is_silent_hangs_or_is_nameless(tmp_path: Path, seed: int) -> None:
    draw, whole_folder = random.Random(seed), tmp_path / "whole"
    for arm in ("sft_start", "grpo"):
        for run_seed in (0, 1):
            write_run(whole_folder / "runs" / f"{arm}-seed{run_seed}", arm, run_seed, draw)
    whole = numbers(whole_folder)
    assert len(whole) == 4
    counts: Counter[tuple[str, str]] = Counter()
    bad = []
    for kind, fault in FAULTS.items():
        for _ in range(FAULTS_A_KIND):
            copy = tmp_path / "copy"
            shutil.copytree(whole_folder, copy)
            victim, name = draw.choice(sorted(path.name for path in (copy / "runs").iterdir())), draw.choice(RUN_FILES)
            fault(copy / "runs" / victim / name, draw)
            ended = outcome(copy, victim, whole)
            counts[kind, ended] += 1
            if ended not in ("same", "left out", "refused"):
                bad.append((kind, victim, name, ended))
            shutil.rmtree(copy)
    for (kind, ended), count in sorted(counts.items()):
        print(f"{kind:18} {ended:10} {count}")
    print(f"{sum(counts.values())} faults: {len(bad)} silent, hanging or nameless")
    assert bad == []
