"""`coeflab train --ranks 2` as a reader starts it: one rank killed with -9, named, and gone on from bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments.clusters.test_ranks import rows_of, samples_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
RECIPE = """
from dataclasses import replace
from tests.experiments.miniature import recipe

def small(device="cpu"):
    full = recipe()
    arms = {"grpo": replace(full.arms["grpo"], training=replace(full.arms["grpo"].training, steps=8))}
    return replace(full, arms=arms, engine=replace(full.engine, name="transformers"))
"""


def start(folder: Path, out: Path) -> subprocess.Popen[str]:
    command = ["-m", "experiments", "train", "--recipe", f"{folder / 'small.py'}:small", "--ranks", "2", "--out", out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def process_of_rank(launcher: int, rank: int) -> int:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            variables = entry.joinpath("environ").read_text().split("\0")
        except OSError:
            continue
        if parent == launcher and f"RANK={rank}" in variables:
            return int(entry.name)
    raise AssertionError(f"no rank {rank} of {launcher}")


def of_checkpoint(out: Path, name: str) -> bytes:
    return (out / "runs" / "grpo-seed0" / "checkpoints" / "step-000008" / name).read_bytes()


def test_a_killed_rank_ends_all_is_named_and_the_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(RECIPE)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    launcher = start(tmp_path, killed)
    third = killed / "runs" / "grpo-seed0" / "checkpoints" / "step-000003"
    while not third.is_dir():
        assert launcher.poll() is None, launcher.communicate()[0]
        time.sleep(0.05)
    victim = process_of_rank(launcher.pid, 1)
    os.kill(victim, signal.SIGKILL)
    told = launcher.communicate(timeout=90)[0]
    assert launcher.returncode == 1
    assert f"rank 1 of 2 (process {victim}) was ended by SIGKILL, and the others were ended with it" in told
    assert not (killed / "runs" / "grpo-seed0" / "finished.json").exists()
    for out in (killed, whole):
        again = start(tmp_path, out)
        told = again.communicate(timeout=900)[0]
        assert again.returncode == 0, told
    for name in ("model.safetensors", "training/optimizer.safetensors"):
        assert of_checkpoint(killed, name) == of_checkpoint(whole, name)
    assert rows_of(killed, "grpo") == rows_of(whole, "grpo")
    assert samples_of(killed, "grpo").equals(samples_of(whole, "grpo"))
