"""Start policies and reward models fitted by two processes, whole and sharded, against one; killed and resumed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, multiprocessing

import training.loop
import training.reward_models.fit
from analysis.records.schema import TIME_COLUMNS
from experiments.clusters.together import _take_part
from experiments.recipes.config import Recipe
from experiments.recipes.fields import apply_settings
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import Job, StartJob
from experiments.runs.reward_fit import FINISHED
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs
from tests.experiments.runs.test_reward_models import SMALL
from tests.experiments.runs.test_reward_models import recipe as learned
from training.models.shards import is_sharded
from training.parallel.ranks import Ranks
from training.trainer import Trainer

pytestmark = pytest.mark.timeout(900)  # two processes, each of which imports everything

SHARDS = ("none", "full")
ORM, PRM, RANKED = "outcome_rule", "process_monte_carlo_soft", "outcome_rule_bradley_terry"


def recipe(parts: str) -> Recipe:
    """An ensemble of outcome models and a step model that are fitted further, and one that TRL fitted to pairs."""
    base = learned()
    frozen = replace(base.arms["outcome"], overrides={"reward": "model:ranked"})
    models = {
        "orm": replace(base.reward_models["orm"], members=2, microbatch_tokens=64),
        "prm": replace(base.reward_models["prm"], microbatch_tokens=64),
        "ranked": replace(SMALL, objective="bradley_terry", refit=False),
    }
    arms = {name: base.arms[name] for name in ("outcome", "process")} | {"ranked": frozen}
    return apply_settings(replace(base, arms=arms, reward_models=models), [f"shard={parts}"])


def short(parts: str) -> Recipe:
    """A start policy of six steps that is measured twice."""
    base = recipe(parts)
    assert base.supervised is not None
    supervised = replace(
        base.supervised, batch_size=15, max_steps=4, measure_from=2, measure_every=2, decay_steps=2, warmup_steps=2
    )
    return replace(base, supervised=supervised)


def jobs_of(recipe: Recipe, out: Path) -> list[Job]:
    """All but the run whose reward TRL fitted; it is as any other."""
    return [job for job in plan_jobs(recipe, out, evaluate_start=False) if job.name != "ranked-seed0"]


def start_of(recipe: Recipe, out: Path) -> StartJob:
    [job] = [job for job in plan_jobs(recipe, out, evaluate_start=False) if isinstance(job, StartJob)]
    return job


class Killed(Exception):
    """All processes die."""


def watched(ranks: Ranks, parts: str, dies: tuple[int, bool] | None) -> Callable[..., Any]:
    """`take_step` of a process that dies in that step of a reward model's fit (true), or of another training.

    Every training is one of all ranks, and of parts where it is to be.
    """
    taken = training.loop.take_step

    def take_step(trainer: Trainer, step: int, share: float = 1.0) -> Any:
        assert trainer.ranks is ranks and is_sharded(trainer.policy.model) == (parts == "full")
        row = taken(trainer, step, share)
        if dies == (step, "binary_cross_entropy" in row):
            raise Killed
        return row

    return take_step


def done_by(ranks: Ranks, jobs: Sequence[Job], parts: str, dies: tuple[int, bool] | None = None) -> None:
    """All of these jobs, by all ranks; of those but rank 0 as `experiments.clusters.together` has it."""
    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(training.reward_models.fit, "CHECKPOINT_EVERY", 2)
        patch.setattr(training.loop, "take_step", watched(ranks, parts, dies))
        samplers = SamplerCache(ranks)
        if ranks.rank:
            _take_part(samplers)
            return
        for job in jobs:
            job.run(samplers, lambda what, done, total, unit: None)
        ranks.call(None)


def process(rank: int, folder: Path, one: Path, parts: str) -> None:
    """One of two."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)  # type: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=300))
    ranks = Ranks(rank=rank, world=2)
    brief = check_recipe(short(parts), ranks=2)
    done_by(ranks, [start_of(brief, folder / "brief")], parts)
    for dies in ((4, False), None):
        killed = start_of(brief, folder / "brief-killed")
        done_by(ranks, [killed], parts, dies)
        if rank == 0 and dies is not None:
            assert (killed.folder / "checkpoints" / "step-000004").is_dir()
            assert not (killed.folder / FINISHED).exists()
    full = check_recipe(recipe(parts), ranks=2)
    for name, runs in (("whole", [None]), ("killed", [(4, True), None])):
        out = folder / name
        if rank == 0:
            shutil.copytree(one / "start-seed0", out / "start-seed0")
            if name == "killed":  # at the start of the second iteration, not in the fit before the first
                shutil.copytree(folder / "whole" / "reward_models", out / "reward_models")
        for dies in runs:
            jobs = jobs_of(full, out)
            done_by(ranks, [job for job in jobs if name == "whole" or job.name == "outcome-seed0"], parts, dies)
            if rank == 0 and dies is not None:
                fit = out / "runs" / "outcome-seed0" / "reward-orm-000002"
                assert (fit / "member-0" / "checkpoints" / "step-000004").is_dir()
                assert not (fit / FINISHED).exists()
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By one process."""
    out = tmp_path_factory.mktemp("one")
    done_by(Ranks(), [start_of(check_recipe(short("none")), out / "brief")], "none")
    done_by(Ranks(), jobs_of(check_recipe(recipe("none")), out), "none")
    return out


@pytest.fixture(scope="module", params=SHARDS)
def two(request: pytest.FixtureRequest, one: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By two processes, each of which holds all weights, or a part of them."""
    folder = tmp_path_factory.mktemp(f"two-{request.param}")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(  # type: ignore[reportPrivateImportUsage]
        process, args=(folder, one, request.param), nprocs=2
    )
    return folder


def rows_of(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in TIME_COLUMNS} for line in lines]


def weights_of(model: Path) -> Tensor:
    return torch.cat([tensor.flatten() for _, tensor in sorted(load_file(model / "model.safetensors").items())])


def finished(fit: Path) -> dict[str, Any]:
    return json.loads((fit / "finished.json").read_text())


def fits_of(out: Path) -> dict[str, Path]:
    """Every fit of a comparison, by its folder's name without the digest."""
    first = {path.name.split("-")[0]: path for path in (out / "reward_models").iterdir()}
    return first | {path.name: path for path in (out / "runs").glob("*/reward-*")}


def assert_close_rows(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same but for rounding; an area under a curve moves by a pair whose scores were the same but for it."""
    assert len(found) == len(expected) > 0
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            most = 0.05 if name == "reward_auc" else 1e-5
            assert mine[name] == (value if value is None else pytest.approx(value, rel=1e-3, abs=most)), name


def test_a_start_policy_is_that_of_one_process(one: Path, two: Path) -> None:
    expected, found = one / "brief" / "start-seed0", two / "brief" / "start-seed0"
    rows = rows_of(expected)
    assert len(rows) == 6 and [row["step"] for row in rows if "validation_pass_at_1" in row] == [2, 4, 6]
    assert_close_rows(rows_of(found), rows)
    before, after = (weights_of(expected / "checkpoints" / step) for step in ("step-000004", "step-000006"))
    apart = weights_of(found / "checkpoints" / "step-000006") - after
    share = apart.abs().mean() / (after - before).abs().mean()
    assert share < 0.1  # Muon rounds to bfloat16; in float64: `tests.training.parallel.test_shared_fits`


def test_a_killed_start_policy_goes_on_bit_for_bit(two: Path) -> None:
    whole, killed = (two / name / "start-seed0" for name in ("brief", "brief-killed"))
    assert rows_of(killed) == rows_of(whole)
    for file in ("model.safetensors", "training/muon.safetensors", "training/adamw.safetensors"):
        at = Path("checkpoints/step-000006") / file
        assert (killed / at).read_bytes() == (whole / at).read_bytes()


def test_reward_models_learn_the_same_from_the_same(one: Path, two: Path) -> None:
    expected, found = fits_of(one), fits_of(two / "whole")
    assert sorted(expected) == sorted([ORM, PRM, RANKED, "reward-orm-000002", "reward-prm-000002"])
    assert found.keys() == expected.keys()
    for name, fit in expected.items():
        theirs, mine = finished(fit), finished(found[name])
        for file in ("samples.jsonl", "held_out.jsonl"):
            assert (found[name] / file).read_text() == (fit / file).read_text()
        assert mine["models"] == theirs["models"] and len(mine["models"]) == (2 if "orm" in name or name == ORM else 1)
        for when in ("held_out", "held_out_before"):
            brier = [[measured["brier"] for measured in fit[when]] for fit in (mine, theirs)]
            assert brier[0] == pytest.approx(brier[1], rel=1e-4)
        for model in theirs["models"]:
            weights = weights_of(fit / model)
            assert load_file(fit / model / "model.safetensors")["score.weight"].abs().max() > 1e-3  # which began at 0
            torch.testing.assert_close(weights_of(found[name] / model), weights, rtol=0, atol=3e-4)
            if name != RANKED:
                assert_close_rows(rows_of(found[name] / model.split("/")[0]), rows_of(fit / model.split("/")[0]))
        cost = [{key: fit["cost"][key] for key in ("completions", "tokens", "flops")} for fit in (mine, theirs)]
        assert cost[0] == pytest.approx(cost[1]) and cost[1]["completions"] >= 40


@pytest.mark.parametrize("arm", ["outcome", "process"])
def test_runs_count_and_are_rewarded_as_those_of_one_process(arm: str, one: Path, two: Path) -> None:
    expected, found = (out / "runs" / f"{arm}-seed0" for out in (one, two / "whole"))
    assert_close_rows(rows_of(found), rows_of(expected))
    told = [json.loads((run / "reward_models.json").read_text())["fits"] for run in (expected, found)]
    assert [(fit["model"], fit["step"]) for fit in told[0]] == [(fit["model"], fit["step"]) for fit in told[1]]


def test_killed_within_a_refit_and_resumed_is_bit_for_bit_the_whole_run(two: Path) -> None:
    whole, killed = (two / name / "runs" / "outcome-seed0" for name in ("whole", "killed"))
    assert rows_of(killed) == rows_of(whole)
    fits = [run / "reward-orm-000002" for run in (killed, whole)]
    assert rows_of(fits[0] / "member-0") == rows_of(fits[1] / "member-0")
    files = [Path("checkpoints/step-000004/model.safetensors")]
    files += [Path("reward-orm-000002") / model / "model.safetensors" for model in finished(fits[1])["models"]]
    for file in files:
        assert (killed / file).read_bytes() == (whole / file).read_bytes()


def test_the_folder_is_that_of_one_process(one: Path, two: Path) -> None:
    def files(out: Path) -> set[str]:
        folders = (out / "reward_models", out / "runs")
        found = {path.relative_to(out).as_posix() for folder in folders for path in folder.rglob("*") if path.is_file()}
        return {name for name in found if "/checkpoints/" not in name}

    assert files(two / "whole") == files(one)


def test_parts_of_eight_bit_moments_are_refused_in_the_sft_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.requirements.find_spec", lambda package: package)  # torchao, were it there
    base = short("full")
    assert base.supervised is not None
    eight = replace(base.supervised, optimizer="adamw_8bit")
    with pytest.raises(ValueError, match="outcome, the SFT of its start policy: shard is 'full' and optimizer 'adamw"):
        check_recipe(replace(base, supervised=eight), ranks=2)
    check_recipe(replace(short("none"), supervised=eight), ranks=2)
