"""A whole run that samples ahead of its updates, also killed on the way, and by the command itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.records.folder import RunFolder
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import RunJob
from experiments.runs.start_policy import StartPolicy
from tests.experiments.records.test_extension import REWARD, rows
from tests.experiments.runs.test_run import nothing, run_config
from tests.training.small_run import save_start

ROOT = Path(__file__).parents[3]
STEPS = 4
RECIPE = """
from tests.experiments.miniature import recipe as miniature

def recipe(device):
    return miniature()
"""


class PowerCutError(BaseException):
    """Ends a run as a kill does: nothing of it is caught."""


def job(place: Path, folder: Path, staleness: int) -> RunJob:
    config = run_config()
    assert config.training is not None
    training = replace(config.training, steps=STEPS, max_staleness=staleness, max_completion_tokens=12)
    few = replace(config.evaluation, problems=2, samples=2, curve_samples=2, max_tokens=12)
    reward = f"{place / 'length.py'}:reward"
    changed = replace(config, training=training, evaluation=few, checkpoint_every=2, reward=reward)
    return RunJob(name="grpo", config=changed, start=StartPolicy(model=str(place / "start")), folder=folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Start policy, reward, and a run of each staleness that nothing interrupts."""
    place = tmp_path_factory.mktemp("stale")
    (place / "length.py").write_text(REWARD, encoding="utf-8")
    save_start(place / "start")
    for staleness in (0, 1):
        job(place, place / f"whole-{staleness}", staleness).run(SamplerCache(), nothing)
    return place


def evaluated(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "samples.parquet")


def test_a_run_one_step_behind_says_so_and_is_another_run(place: Path) -> None:
    stale, fresh = rows(place / "whole-1"), rows(place / "whole-0")
    assert [row["staleness"] for row in stale] == [0, 1, 1, 1]
    assert all("staleness" not in row for row in fresh)
    assert stale[0]["loss"] == fresh[0]["loss"]  # both train on completions of the start policy
    assert stale[1]["grad_norm"] != fresh[1]["grad_norm"]
    assert all(row["grad_norm"] > 0 for row in stale)
    assert (stale[0]["ratio"], stale[0]["effective_share"]) == (1, 1)
    assert all(row["effective_share"] < 1 - 1e-6 for row in stale[1:])  # another policy drew than the one that trains
    assert stale[-1]["completions_sampled"] == fresh[-1]["completions_sampled"]  # and none is drawn for nothing
    assert len(list((place / "whole-1").glob("ahead-*.jsonl"))) == STEPS - 1


@pytest.mark.parametrize("row", [1, 2, 3])
def test_a_run_that_is_killed_after_any_step_goes_on_as_if_it_had_not_been(
    row: int, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunFolder.append

    def killed(self: RunFolder[Any], numbers: dict[str, Any]) -> None:
        append(self, numbers)
        if numbers["step"] == row:
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", killed)
        with pytest.raises(PowerCutError):
            job(place, tmp_path / "run", 1).run(SamplerCache(), nothing)
    job(place, tmp_path / "run", 1).run(SamplerCache(), nothing)
    assert rows(tmp_path / "run") == rows(place / "whole-1")
    pd.testing.assert_frame_equal(evaluated(tmp_path / "run"), evaluated(place / "whole-1"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_with_a_field_of_it_killed_and_given_again(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(RECIPE, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    asked = ["train", "--recipe", f"{tmp_path / 'small.py'}:recipe", "--algorithm", "grpo"]
    asked += ["--set", "training.max_staleness=1", "--set", f"steps={STEPS}"]

    def begin(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "experiments.cli", *asked, "--out", str(out)]
        return subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL)

    assert begin(tmp_path / "whole").wait() == 0
    [whole] = [file.parent for file in (tmp_path / "whole").rglob("ahead-000000.jsonl")]
    broken = tmp_path / "broken" / whole.relative_to(tmp_path / "whole")
    command = begin(tmp_path / "broken")
    while command.poll() is None and not (broken / "ahead-000001.jsonl").exists():
        time.sleep(0.02)
    command.send_signal(signal.SIGKILL)
    command.wait()
    assert not (broken / "finished.json").exists()
    deadline = time.monotonic() + 60
    while begin(tmp_path / "broken").wait() != 0:  # its workers end by themselves, a moment later
        assert time.monotonic() < deadline
    assert rows(broken) == rows(whole)
    pd.testing.assert_frame_equal(evaluated(broken), evaluated(whole))
    assert json.loads((broken / "config.json").read_text())["training"]["max_staleness"] == 1
