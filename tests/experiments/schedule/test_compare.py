"""The whole comparison in miniature, killed and taken up again, and the folders it leaves."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from transformers import AutoModelForCausalLM

from analysis import SAMPLE_COLUMNS, load_comparison, render_text, summary_table, write_report
from analysis.records.schema import TIME_COLUMNS
from experiments.recipes.config import Recipe
from experiments.records.lock import FolderBusyError, lock_folder
from experiments.records.same import ConfigMismatchError
from experiments.schedule.compare import compare, select_arms
from experiments.schedule.door import check_recipe
from experiments.schedule.progress import Board
from experiments.schedule.workers import WorkerError
from tests.experiments.miniature import recipe

pytestmark = pytest.mark.timeout(900)  # every method on a real engine, beside other tests


def metrics(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIME_COLUMNS} for row in rows]


def run(recipe: Recipe, out: Path, workers: int = 1, evaluate_start: bool = True) -> None:
    with lock_folder(out):
        compare(check_recipe(recipe), out, workers=workers, board=Board(None), evaluate_start=evaluate_start)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature, run without a break on two workers."""
    out = tmp_path_factory.mktemp("whole")
    run(recipe(), out, workers=2)
    return out


def test_every_method_runs_on_real_vllm_and_ends_in_a_report(whole: Path) -> None:
    comparison = load_comparison(whole)
    assert list(comparison.arms) == [
        "sft_start",
        "continued_sft",
        "rft",
        "online_rft",
        "dpo",
        "ppo",
        "grpo",
        "grpo_process",
    ]
    assert not comparison.unfinished
    table = summary_table(comparison)
    assert "grpo_process" in render_text(table)
    assert write_report(whole).read_text().count("data:image/") >= 3
    samples = pd.read_parquet(whole / "runs" / "grpo-seed0" / "samples.parquet")
    assert list(samples.columns) == list(SAMPLE_COLUMNS)
    assert samples.groupby("step").size().to_dict() == {0: 12, 2: 12, 3: 24}
    assert samples["policy_version"].tolist() == samples["step"].tolist()


def test_arms_have_the_same_budget_problems_and_start(whole: Path) -> None:
    starts, online = [], []
    for arm in ("rft", "online_rft", "dpo", "ppo", "grpo", "grpo_process"):
        rows = metrics(whole / "runs" / f"{arm}-seed0")
        assert [row["completions_sampled"] for row in rows] == [16, 32, 48]
        samples = pd.read_parquet(whole / "runs" / f"{arm}-seed0" / "samples.parquet")
        starts.append(samples[samples["step"] == 0]["completion"].tolist())
        online.append(rows[0]["accuracy"])
    assert all(start == starts[0] for start in starts)
    assert len(set(online)) == 1  # the first batch is drawn from the same weights with the same seeds
    assert metrics(whole / "runs" / "continued_sft-seed0")[-1]["completions_sampled"] == 0


def test_offline_arms_share_what_the_frozen_policy_drew(whole: Path) -> None:
    [file] = (whole / "offline").iterdir()
    blocks = [json.loads(line) for line in file.read_text().splitlines()]
    drawn = [row for block in blocks for row in block["rollouts"]]
    assert len(drawn) == 48
    assert {row["policy_version"] for row in drawn} == {0}
    for arm in ("rft", "dpo"):  # each is charged for the tokens and the seconds, as if it had drawn them itself
        rows = [
            json.loads(line) for line in (whole / "runs" / f"{arm}-seed0" / "metrics.jsonl").read_text().split("\n")[:3]
        ]
        assert rows[-1]["tokens_generated"] == sum(len(row["completion_ids"]) for row in drawn)
        assert [row["sampling_seconds"] for row in rows] == [block["seconds"] for block in blocks]


def test_arms_take_their_first_point_from_the_evaluation_of_the_start_policy(whole: Path) -> None:
    columns = ("problem_id", "sample_index", "completion", "verdict")
    start = pd.read_parquet(whole / "runs" / "sft_start-seed0" / "samples.parquet")
    ours = pd.read_parquet(whole / "runs" / "ppo-seed0" / "samples.parquet")
    ours = ours.query("step == 0")
    assert set(ours["arm"]) == {"ppo"}
    first = start.query("sample_index < 2")
    for column in columns:
        assert list(ours[column]) == list(first[column])


def test_checkpoints_load_and_the_weight_check_was_kept(whole: Path) -> None:
    for arm in ("dpo", "ppo"):
        folder = whole / "runs" / f"{arm}-seed0"
        AutoModelForCausalLM.from_pretrained(folder / "checkpoints" / "step-000003")
        check = json.loads((folder / "sampler_check.json").read_text())
        assert check["mean_difference"] < 1e-4 < check["disturbance"]


def _child(recipe: Recipe, out: Path) -> None:
    run(recipe, out, workers=2, evaluate_start=False)


def test_killed_in_the_middle_and_taken_up_again(whole: Path, tmp_path: Path) -> None:
    """kill −9 of the command while GRPO trains; its worker dies with it; the same command ends in the same numbers.

    Here the run evaluates the start policy itself, and finds what `whole` took from another run. It is taken up with
    another number of workers, and keeps its threads.
    """
    small = replace(recipe(), arms=select_arms(recipe(), ["grpo"]))
    process = multiprocessing.get_context("spawn").Process(target=_child, args=(small, tmp_path))
    process.start()
    file = tmp_path / "runs" / "grpo-seed0" / "metrics.jsonl"
    deadline = time.monotonic() + 240
    while not (file.is_file() and file.read_text().count("\n") >= 2):
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    _wait_until_free(tmp_path)
    assert not (tmp_path / "runs" / "grpo-seed0" / "finished.json").exists()
    run(small, tmp_path, evaluate_start=False)
    rows = metrics(whole / "runs" / "grpo-seed0")
    assert all(0 < row["reward_mean"] < 1 and row["grad_norm"] > 0 for row in rows), "else a wrong resume cannot show"
    assert metrics(tmp_path / "runs" / "grpo-seed0") == rows
    ours = pd.read_parquet(tmp_path / "runs" / "grpo-seed0" / "samples.parquet").sort_values(
        ["step", "problem_id", "sample_index"], ignore_index=True
    )
    theirs = pd.read_parquet(whole / "runs" / "grpo-seed0" / "samples.parquet").sort_values(
        ["step", "problem_id", "sample_index"], ignore_index=True
    )
    pd.testing.assert_frame_equal(ours, theirs)


def _wait_until_free(out: Path) -> None:
    """The worker ends by itself once its parent is gone; nothing of it may write to the folder afterwards."""
    deadline = time.monotonic() + 30
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    log = (out / "logs" / "worker-0.log").resolve()

    def writes_log(pid: int) -> bool:
        try:
            return any(link.resolve() == log for link in Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            return False

    while any(writes_log(pid) for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def test_a_folder_with_another_configuration_is_refused(whole: Path) -> None:
    changed = replace(recipe(), reward="correctness", checkpoint_every=7)
    with pytest.raises(ConfigMismatchError, match="checkpoint_every is 1 there and 7 here"):
        run(changed, whole)


def test_arms_can_be_added_but_neither_changed_nor_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.schedule.compare.run_jobs", lambda jobs, **options: None)
    (tmp_path / "runs" / "rft-seed0").mkdir(parents=True)
    (tmp_path / "runs" / "rft-seed0" / "metrics.jsonl").touch()  # something ran: nothing else binds
    one = replace(recipe(), arms=select_arms(recipe(), ["rft"]))
    two = replace(recipe(), arms=select_arms(recipe(), ["rft", "grpo"]))
    run(one, tmp_path)
    run(two, tmp_path)
    assert list(json.loads((tmp_path / "recipe.json").read_text())["arms"]) == ["rft", "grpo"]
    assert json.loads((tmp_path / "comparison.json").read_text())["arms"] == ["sft_start", "rft", "grpo"]
    changed = {name: replace(arm, settings={"std_ddof": 0} if name == "grpo" else {}) for name, arm in two.arms.items()}
    for other, message in (
        (one, r"holds a comparison of 2 arms, of which grpo is not asked for; .*loses none"),
        (replace(two, arms=changed), r"arms\.grpo\.settings\.std_ddof is 'absent' there and 0 here"),
        (replace(two, seeds=(1,)), r"seeds is \[0\] there and \[1\] here"),
    ):
        with pytest.raises(ConfigMismatchError, match=message):
            run(other, tmp_path)


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(FolderBusyError, match="another coeflab process"), lock_folder(tmp_path):
        pass


def test_a_failing_reward_names_the_run(tmp_path: Path) -> None:
    """Broken on the completions of a run only, whose seeds are hashes: it passes the trial at the door."""
    (tmp_path / "broken.py").write_text("def reward(rollout, verdict):\n    return {0: 0.0, 1: 0.0}[rollout.seed]\n")
    broken = replace(recipe(), reward=f"{tmp_path / 'broken.py'}:reward", arms=select_arms(recipe(), ["online_rft"]))
    message = r"online_rft-seed0: RewardError: the .*:reward of problem .*, sample 0 failed: .*broken\.py, line 2: Key"
    with pytest.raises(WorkerError, match=message):
        run(broken, tmp_path / "out")


def test_a_run_that_stopped_half_way_is_listed_as_unfinished(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    (copy / "runs" / "ppo-seed0" / "finished.json").unlink()
    comparison = load_comparison(copy)
    assert "ppo" not in comparison.arms
    assert [(run.name, "stopped before its last evaluation" in run.reason) for run in comparison.unfinished] == [
        ("ppo-seed0", True)
    ]
