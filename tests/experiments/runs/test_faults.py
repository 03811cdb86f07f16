"""What a run survives: power cuts, damage, numbers that are not finite; nothing wrong goes on in silence."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

import experiments.schedule.compare
from analysis import load_comparison, load_run
from analysis.records.frames import UnfinishedRunError
from analysis.records.schema import TIME_COLUMNS
from experiments.commands.compare import Compare
from experiments.recipes import catalogue
from experiments.records.same import ConfigMismatchError, FolderDamagedError, write_json
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import Job, RunJob
from experiments.runs.start_policy import StartPolicy
from experiments.schedule.workers import WorkerError, run_jobs
from tests.experiments.miniature import recipe
from tests.experiments.runs.test_run import run_config
from tests.training.small_run import save_start
from tests.training.test_resume import cut, flip, zero
from training.finite import NotFiniteError

SAMPLERS = SamplerCache()


class PowerCut(BaseException):
    pass


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a start policy and a reward that an untrained model does not always miss."""
    place = tmp_path_factory.mktemp("place")
    save_start(place / "start")
    (place / "seven.py").write_text("def reward(rollout, verdict):\n    return float('7' in rollout.completion)\n")
    return place


def job(place: Path, folder: Path, **changes: Any) -> RunJob:
    """GRPO for four steps, its learning curve at 0 and 2, a checkpoint a step."""
    config = run_config()
    assert config.training is not None
    config = replace(
        config,
        training=replace(config.training, steps=4, max_completion_tokens=10),
        evaluation=replace(config.evaluation, problems=3, samples=2, curve_samples=1, max_tokens=8),
        reward=f"{place / 'seven.py'}:reward",
        checkpoint_every=1,
    )
    start = StartPolicy(model=str(place / "start"))
    return RunJob(name="grpo", config=replace(config, **changes), start=start, folder=folder)


def nothing(*progress: Any) -> None:
    pass


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """The run without a break."""
    job(place, place / "whole").run(SAMPLERS, nothing)
    return place / "whole"


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def results(folder: Path) -> tuple[list[dict[str, Any]], pd.DataFrame, dict[str, torch.Tensor]]:
    """Rows, samples and last weights."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    rows = [{name: value for name, value in row.items() if name not in TIME_COLUMNS} for row in rows]
    samples = pd.read_parquet(folder / "samples.parquet")
    samples = samples.sort_values(["step", "problem_id", "sample_index"], ignore_index=True)
    return rows, samples, load_file(folder / "checkpoints" / "step-000004" / "model.safetensors")


def assert_same(ours: Path, theirs: Path) -> None:
    (rows, samples, weights), (their_rows, their_samples, their_weights) = results(ours), results(theirs)
    assert rows == their_rows
    assert all(row["grad_norm"] > 0 for row in rows), "else a wrong resume cannot show"
    pd.testing.assert_frame_equal(samples, their_samples)
    assert all(torch.equal(weights[name], their_weights[name]) for name in their_weights)


def stop_at(report_number: int) -> Callable[..., None]:
    """A report that cuts the power the n-th time it is called."""
    count = 0

    def report(*progress: Any) -> None:
        nonlocal count
        count += 1
        if count == report_number:
            raise PowerCut

    return report


@pytest.mark.parametrize("moment", [3, 7, 11, 14, 19, 24, 29])
def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(
    moment: int, place: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file falls back to what was forced to the disk: a file never synced is empty, a longer one is cut."""
    synced: dict[int, int] = {}
    sync = os.fsync

    def record(descriptor: int) -> None:
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_size
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    with suppress(PowerCut):
        job(place, tmp_path / "run").run(SAMPLERS, stop_at(moment))
    for path in [path for path in (tmp_path / "run").rglob("*") if path.is_file()]:
        os.truncate(path, min(path.stat().st_size, synced.get(path.stat().st_ino, 0)))
    job(place, tmp_path / "run").run(SAMPLERS, nothing)
    assert_same(tmp_path / "run", whole)


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.parquet", "finished.json"])
@pytest.mark.parametrize("damage", [cut, zero, flip, Path.unlink])
def test_a_damaged_finished_run_is_left_out_and_made_anew(
    name: str, damage: Callable[[Path], None], place: Path, whole: Path, copy: Path
) -> None:
    damage(copy / name)
    if (name, damage) != ("finished.json", flip):  # a letter of a name or a key changes nothing that is read
        with pytest.raises(UnfinishedRunError, match=r"again|resume|rerun"):
            load_run(copy)
    said = job(place, copy).run(SAMPLERS, nothing)
    assert_same(copy, whole)
    load_run(copy)
    if (name, damage) not in (("finished.json", Path.unlink), ("finished.json", flip)):
        assert f"was finished and is not what was finished ({name}" in said


@pytest.mark.parametrize("name", ["config.json", "environment.json"])
@pytest.mark.parametrize("damage", [cut, zero, lambda path: path.write_text("[" * 200_000)])
def test_what_cannot_be_made_anew_names_itself_and_the_remedy(
    name: str, damage: Callable[[Path], None], place: Path, whole: Path, copy: Path
) -> None:
    damage(copy / name)
    with pytest.raises((FolderDamagedError, ConfigMismatchError), match=rf"{name} is damaged .*remove the folder"):
        job(place, copy).run(SAMPLERS, nothing)
    shutil.rmtree(copy)
    job(place, copy).run(SAMPLERS, nothing)
    assert_same(copy, whole)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "a line of metrics",
            r"went back to step 0: step-000004 is newer than the rows and evaluations, .* up to step 1",
        ),
        ("the end of metrics", "went back to step 3: step-000004 is newer than the rows and evaluations"),
        ("samples", r"went back to step 0: step-000004 is newer .* up to step 0"),
        ("damaged samples", r"samples\.parquet is damaged .*its evaluations are made anew.*went back to step 0"),
        (
            "the newest checkpoint",
            "went back to step 3: step-000004 is damaged: .*optimizer.safetensors is missing, or",
        ),
        (
            "a digit of a row",
            "went back to step 0: step-000004 was written beside other rows than there are up to its step",
        ),
        (
            "a digit of the state",
            r"went back to step 3: step-000004 is damaged: .*state\.json cannot be read .*not what",
        ),
        ("a digit of the samples' footer", r"samples\.parquet is damaged .*its evaluations are made anew"),
        ("both checkpoints", "went back to step 0: step-000004 is damaged: .*step 0: step-000003 is damaged"),
    ],
)
def test_an_unfinished_run_goes_back_to_where_everything_agrees_and_says_so(
    fault: str, said: str, place: Path, whole: Path, copy: Path
) -> None:
    (copy / "finished.json").unlink()
    lines = (copy / "metrics.jsonl").read_text().splitlines(keepends=True)
    moments = [copy / "checkpoints" / f"step-00000{step}" / "training" / "optimizer.safetensors" for step in (4, 3)]
    match fault:
        case "a line of metrics":
            (copy / "metrics.jsonl").write_text("".join([lines[0], "\x00 no row\n", *lines[2:]]))
        case "the end of metrics":
            (copy / "metrics.jsonl").write_text("".join(lines[:3]) + lines[3][:40])
        case "samples":
            (copy / "samples.parquet").unlink()
        case "damaged samples":
            cut(copy / "samples.parquet")
        case "a digit of a row":
            row = json.loads(lines[0])
            lines[0] = json.dumps(row | {"tokens_generated": row["tokens_generated"] + 1}) + "\n"
            (copy / "metrics.jsonl").write_text("".join(lines))
        case "a digit of the state":
            state = moments[0].with_name("state.json")
            told = json.loads(state.read_text())
            state.write_text(json.dumps(told | {"tokens_generated": told["tokens_generated"] + 1}))
        case "a digit of the samples' footer":
            other_rows(copy / "samples.parquet")
        case "the newest checkpoint":
            flip(moments[0])
        case _:
            for path in moments:
                zero(path)
    told = job(place, copy).run(SAMPLERS, nothing)
    assert re.search(said, told), told
    assert_same(copy, whole)


def other_rows(path: Path) -> None:
    """A file with sound checksums of pages whose rows are not those that were written."""
    table = pq.read_table(path)
    tokens = table.column("num_tokens").to_pylist()
    at = table.schema.get_field_index("num_tokens")
    table = table.set_column(at, "num_tokens", [[tokens[0] + 1, *tokens[1:]]])
    pq.write_table(table, path, write_page_checksum=True)


def test_a_run_goes_on_with_the_prompts_it_began_with_or_not_at_all(place: Path, whole: Path, copy: Path) -> None:
    """Whatever changed them: here the questions, in the folder's own record."""
    (copy / "finished.json").unlink()
    recorded = json.loads((whole / "prompts.json").read_text())
    assert recorded["evaluation"]["number"] == 3 and recorded["training"]["number"] == 16
    assert "=" in recorded["evaluation"]["first"]
    training = recorded["training"] | {"sha256": "0" * 64}
    write_json(copy / "prompts.json", {"evaluation": recorded["evaluation"], "training": training})
    with pytest.raises(ConfigMismatchError, match=r"holds a run with other training prompts.*remove this folder"):
        job(place, copy).run(SAMPLERS, nothing)
    (copy / "prompts.json").write_text((whole / "prompts.json").read_text().replace("16", "17"))
    with pytest.raises(FolderDamagedError, match=r"prompts\.json is damaged .*remove that file"):
        job(place, copy).run(SAMPLERS, nothing)


def test_a_start_policy_with_a_flipped_bit_starts_nothing(place: Path, whole: Path, copy: Path, tmp_path: Path) -> None:
    checkpoint = copy / "checkpoints" / "step-000004"
    assert StartPolicy(model=str(checkpoint)).folder() == checkpoint
    flip(checkpoint / "model.safetensors")
    with pytest.raises(FolderDamagedError, match=r"model\.safetensors is missing, or not what was written.*put back"):
        StartPolicy(model=str(checkpoint)).folder()


@pytest.mark.parametrize(
    ("credit", "message"),
    [
        (
            "torch.log(batch.rewards)[:, None] * batch.completion_mask",
            r"the credit of step 1 is -inf at \d+ of \d+ places",
        ),
        (
            "torch.full_like(batch.completion_mask, 3e38, dtype=torch.float32)",
            "the (coefficient|loss|gradient norm) of step 1 is",
        ),
    ],
)
def test_a_number_that_is_not_finite_stops_the_run_before_a_weight_changes(
    credit: str, message: str, place: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n"
        "from algorithms import OnlineRFT\n"
        "class Mine(OnlineRFT):\n"
        "    def credit(self, batch):\n"
        f"        return {credit}\n"
    )
    mine = job(place, tmp_path / "run", algorithm=f"{file}:Mine")
    with pytest.raises(NotFiniteError, match=rf"{message}(.|\n)*Look at"):
        mine.run(SAMPLERS, nothing)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000000"]
    kept = load_file(tmp_path / "run" / "checkpoints" / "step-000000" / "model.safetensors")
    before = load_file(place / "start" / "model.safetensors")
    assert all(torch.equal(kept[name], before[name]) for name in before)
    assert not (tmp_path / "run" / "finished.json").exists()


def test_a_comparison_goes_on_without_the_arm_and_reports_the_others(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole command: the arm is listed under failures with step and cause, and nothing is claimed of it."""
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n"
        "from algorithms import OnlineRFT\n"
        "class Logarithm(OnlineRFT):\n"
        "    def credit(self, batch):\n"
        "        return torch.log(batch.rewards)[:, None] * batch.completion_mask\n"
    )
    full = recipe()
    arms = {"grpo": full.arms["grpo"], "mine": replace(full.arms["grpo"], algorithm=f"{file}:Logarithm")}
    engine = run_config().engine
    small = replace(full, arms=arms, model=str(place / "start"), supervised=None, engine=engine)
    small = replace(small, reward=f"{place / 'seven.py'}:reward", evaluation=replace(full.evaluation, problems=3))
    monkeypatch.setitem(catalogue.RECIPES, "small", lambda device: small)

    def run_here(jobs: Sequence[Job], *, on_done: Any, on_failed: Any, **ignored: Any) -> None:
        for item in jobs:
            try:
                on_done(item.name, item.run(SAMPLERS, nothing))
            except Exception as error:  # as a worker tells it
                on_failed(item.name, f"{type(error).__name__}: {error}")

    monkeypatch.setattr(experiments.schedule.compare, "run_jobs", run_here)
    out = tmp_path / "out"
    with pytest.raises(WorkerError, match=r"mine-seed0: NotFiniteError: the credit of step 1 is -inf"):
        Compare(recipe_name="small", out=out, workers=1, engine="transformers").run()
    comparison = load_comparison(out)
    assert list(comparison.arms) == ["sft_start", "grpo"]
    assert [item.name for item in comparison.unfinished] == ["mine-seed0"]
    assert "NotFiniteError" in json.loads((out / "comparison.json").read_text())["failures"]["mine-seed0"]
    assert (out / "report" / "index.html").is_file()


def test_an_arm_whose_card_is_lost_goes_on_from_its_checkpoint_in_a_fresh_process(
    place: Path, whole: Path, tmp_path: Path
) -> None:
    """The arm beside it goes on too; the result is that of a run that nothing happened to."""
    (tmp_path / "lost.py").write_text(
        f"""
from pathlib import Path
import torch
MARK = Path({str(tmp_path / "mark")!r})
def reward(rollout, verdict):
    if rollout.policy_version == 2 and not MARK.exists():
        checkpoints = Path({str(tmp_path / "grpo")!r}) / "checkpoints"
        MARK.write_text(" ".join(sorted(path.name for path in checkpoints.iterdir())))
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    return float('7' in rollout.completion)
"""
    )
    lost = job(place, tmp_path / "grpo", reward=f"{tmp_path / 'lost.py'}:reward")
    beside = replace(job(place, tmp_path / "beside"), name="beside")
    said, failed = list[str](), dict[str, str]()
    run_jobs(
        [lost, beside],
        workers=1,
        threads=1,
        logs=tmp_path / "logs",
        on_progress=nothing,
        on_done=nothing,
        on_failed=failed.__setitem__,
        on_retry=lambda name, why: said.append(f"{name}: {why}"),
    )
    assert failed == {}
    assert len(said) == 1 and said[0].startswith("grpo: ") and "illegal memory access" in said[0]
    assert (tmp_path / "mark").read_text() == "step-000001 step-000002"
    assert_same(tmp_path / "grpo", whole)
    assert_same(tmp_path / "beside", whole)
