"""Small run and comparison folders, written by hand, for the tests of `analysis`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import write_report

CLASSES = {"C": ("CORRECT", "correct"), "N": ("NO_ANSWER", ""), "U": ("UNPARSABLE", ""), "T": ("TIMEOUT", "")}


def sample_rows(
    arm: str, seed: int, votes: Mapping[int, Sequence[str]], benchmark: str = "sums"
) -> list[dict[str, Any]]:
    """Sample rows of a run. `votes[step]` has a string a problem and a letter a sample: C correct, N no answer, U
    unparsable, T timeout; any other letter is a wrong answer of that class."""
    rows = []
    for step, problems in votes.items():
        for problem, letters in enumerate(problems):
            for index, letter in enumerate(letters):
                verdict, answer_class = CLASSES.get(letter, ("INCORRECT", letter))
                rows.append(
                    {
                        "arm": arm,
                        "seed": seed,
                        "step": step,
                        "benchmark": benchmark,
                        "problem_id": f"{benchmark}-{problem}",
                        "sample_index": index,
                        "question": f"What is {problem} + 1?",
                        "gold_answer": str(problem + 1),
                        "completion": f'sample {index} of {arm}: <script>alert(1)</script> & "quoted"',
                        "answer": answer_class,
                        "answer_class": answer_class,
                        "verdict": verdict,
                        "num_tokens": 10 + index,
                        "finish_reason": "length" if letter == "N" else "stop",
                        "policy_version": step,
                    }
                )
    return rows


def metric_rows(steps: int) -> list[dict[str, Any]]:
    """Metrics of `steps` optimiser steps: 8 completions of 20 tokens and 2 seconds each step."""
    return [
        {
            "step": step,
            "completions_sampled": 8 * step,
            "tokens_generated": 160 * step,
            "tokens_trained": 150 * step,
            "seconds": 2.0 * step,
            "loss": 1.0 / step,
            "reward_mean": 0.1 * step,
        }
        for step in range(1, steps + 1)
    ]


def save_run(folder: Path, rows: list[dict[str, Any]], metrics: list[dict[str, Any]], **config: Any) -> Path:
    """Write a run folder; arm and seed are those of the first row."""
    folder.mkdir(parents=True)
    settings = {"arm": rows[0]["arm"], "seed": rows[0]["seed"], "algorithm": "grpo", "recipe": "tiny", **config}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "environment.json").write_text(json.dumps({"python": "3.11", "packages": {"numpy": "2.3"}}))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))
    pd.DataFrame(rows).to_parquet(folder / "samples.parquet")
    return folder


def save_comparison(folder: Path) -> Path:
    """Two arms, two seeds, two problems of four samples; grpo was evaluated at steps 0, 2 and 4.

    Pass@1 at the last step, worked out by hand:
        sft_start  seed 0: 1/4, 2/4 -> 0.375     seed 1: 0/4, 2/4 -> 0.25     mean 0.3125
        grpo       seed 0: 3/4, 2/4 -> 0.625     seed 1: 2/4, 3/4 -> 0.625    mean 0.625
    """
    votes = {
        ("sft_start", 0): {0: ["CabN", "CCaT"]},
        ("sft_start", 1): {0: ["aabN", "CCTU"]},
        ("grpo", 0): {0: ["Ca", "Ca"], 2: ["CC", "aa"], 4: ["CCCa", "CCab"]},
        ("grpo", 1): {0: ["aa", "Ca"], 2: ["CC", "Ca"], 4: ["CCaN", "CCCa"]},
    }
    for (arm, seed), by_step in votes.items():
        rows = sample_rows(arm, seed, by_step)
        save_run(folder / "runs" / f"{arm}-seed{seed}", rows, metric_rows(max(by_step)))
    (folder / "comparison.json").write_text(json.dumps({"title": "Two <arms>"}))
    return folder


@pytest.fixture
def comparison_dir(tmp_path: Path) -> Path:
    """The comparison of `save_comparison`, to change at will."""
    return save_comparison(tmp_path / "cmp")


@pytest.fixture
def one_run_dir(tmp_path: Path) -> Path:
    """A comparison of one run that was evaluated once: its report has four figures, that of `comparison_dir` 14."""
    save_run(tmp_path / "cmp" / "runs" / "grpo-seed0", sample_rows("grpo", 0, {0: ["CabN", "CCaT"]}), [])
    return tmp_path / "cmp"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the comparison of `save_comparison`, written once; to be read only."""
    return write_report(save_comparison(tmp_path_factory.mktemp("report") / "cmp"), baseline="sft_start")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """make_run(arm, seed, votes, steps=0) -> the folder runs/ARM-seedN of the comparison folder `cmp`."""

    def make(arm: str, seed: int, votes: Mapping[int, Sequence[str]], steps: int = 0) -> Path:
        folder = tmp_path / "cmp" / "runs" / f"{arm}-seed{seed}"
        return save_run(folder, sample_rows(arm, seed, votes), metric_rows(steps))

    return make
