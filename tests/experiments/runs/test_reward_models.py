"""Arms whose reward is a model, from the fit before them to the last iteration, killed and resumed bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from benchmarks.problem import Problem
from experiments.recipes.config import ArmConfig, Recipe
from experiments.records.folder import RunFolder
from experiments.runs.engines import SamplerCache
from experiments.runs.evaluation import chain_rule
from experiments.runs.jobs import Job, RewardFitJob, RunJob
from experiments.runs.reward_models import LiveRewardModels
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs
from rewards.noise import RewardNoise
from rewards.scoring import score_rollouts
from tests.experiments.miniature import recipe as miniature
from tests.rewards.rollouts import rollout_of
from tests.training.reward_models.small_model import TOKENIZER
from training.models.embedded import EmbeddedModelConfig, build_embedded_model
from training.models.policy import Policy
from training.reward_models.config import RewardModelConfig
from training.reward_models.examples import read_labelled

SMALL = RewardModelConfig(
    problems=6, samples=4, held_out=4, continuations=2, epochs=2, batch_size=8, learning_rate=3e-3, warmup_steps=1
)
STEPS = replace(SMALL, supervision="process", step_rule="next_operations")


def recipe() -> Recipe:
    """Three arms of four steps in two iterations: outcome model, step model by continuations, frozen ensemble."""
    base = miniature()
    grpo = base.arms["grpo"]
    training = replace(grpo.training, steps=4, iteration_steps=2)

    def arm(algorithm: str, overrides: dict[str, str]) -> ArmConfig:
        return ArmConfig(algorithm=algorithm, training=training, overrides=overrides)

    return replace(
        base,
        arms={
            "outcome": arm("grpo", {"reward": "model:orm"}),
            "process": arm("grpo_process", {"task.step_reward": "model:prm"}),
            "frozen": arm("ppo", {"reward": "model:pair"}),
        },
        reward_models={
            "orm": replace(SMALL, replay=0.25),
            "prm": replace(STEPS, labels="monte_carlo_soft"),
            "pair": replace(SMALL, refit=False, members=2, combine="mean_minus_std"),
        },
        engine=replace(base.engine, name="transformers"),
        evaluation=replace(base.evaluation, every=0),
        checkpoint_every=3,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Job]]:
    """All jobs, one after the other."""
    out = tmp_path_factory.mktemp("comparison")
    jobs = {job.name: job for job in plan_jobs(check_recipe(recipe()), out, evaluate_start=False)}
    samplers = SamplerCache()
    torch.set_num_threads(1)
    for job in jobs.values():
        job.run(samplers, lambda what, done, total, unit: None)
    return out, jobs


def first_fit(jobs: dict[str, Job], model: RewardModelConfig) -> Path:
    """Folder of the first fit of a model."""
    fits = [job for job in jobs.values() if isinstance(job, RewardFitJob)]
    [folder] = [job.folder for job in fits if job.config.model == model.first_fit]
    return folder


def finished(folder: Path) -> dict:
    return json.loads((folder / "finished.json").read_text())


def test_each_iteration_fits_the_model_further_to_its_own_samples(done: tuple[Path, dict[str, Job]]) -> None:
    out, jobs = done
    first = first_fit(jobs, SMALL)
    later = out / "runs" / "outcome-seed0" / "reward-orm-000002"
    start, now = finished(first), finished(later)
    assert (start["samples"], start["replayed"]) == (24, 0)
    assert (now["samples"], now["replayed"]) == (24, 6)  # 25 % of the 24 of the first fit
    policies = {item.rollout.policy_version for item in read_labelled(later / "samples.jsonl")}
    assert policies == {2}  # samples of the policy as it is at the start of the iteration
    asked = {item.rollout.problem.problem_id for item in read_labelled(later / "samples.jsonl")}
    held = {item.rollout.problem.problem_id for item in read_labelled(later / "held_out.jsonl")}
    assert len(asked) == 6 and len(held) == 4 and not asked & held
    assert now["held_out_before"] and not start["held_out_before"]
    [path] = now["models"]
    before, after = (
        load_file(first / start["models"][0] / "model.safetensors"),
        load_file(later / path / "model.safetensors"),
    )
    assert not torch.equal(before["score.weight"], after["score.weight"])
    steps = json.loads((later / "member-0" / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    assert steps == 2 * (30 // 8)  # two epochs of 24 new and 6 replayed completions, eight a step


def test_a_frozen_ensemble_stays_as_it_was(done: tuple[Path, dict[str, Job]]) -> None:
    out, jobs = done
    run = out / "runs" / "frozen-seed0"
    assert not list(run.glob("reward-*"))
    first = first_fit(jobs, replace(SMALL, members=2, combine="mean_minus_std"))
    one, other = (load_file(first / path / "model.safetensors")["score.weight"] for path in finished(first)["models"])
    assert not torch.equal(one, other)  # the members saw the samples in another order


def test_what_a_fit_costs_is_counted(done: tuple[Path, dict[str, Job]]) -> None:
    """10 problems × 4 samples a fit, two fits; 4 problems × 4 completions a step of the policy."""
    out, _ = done
    rows = [json.loads(line) for line in (out / "runs" / "outcome-seed0" / "metrics.jsonl").read_text().splitlines()]
    assert [row["completions_sampled"] for row in rows] == [40 + 16, 40 + 32, 80 + 48, 80 + 64]
    rows = [json.loads(line) for line in (out / "runs" / "frozen-seed0" / "metrics.jsonl").read_text().splitlines()]
    assert [row["completions_sampled"] for row in rows] == [40 + 16, 40 + 32, 40 + 48, 40 + 64]


def heads_own_probabilities(model: Path, temperature: float, sample: dict[Hashable, Any], prompt: str) -> list[float]:
    """Of every token of a completion, by transformers alone: σ(head of its hidden state / temperature)."""
    loaded = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float32).eval()
    asked = TOKENIZER(prompt, add_special_tokens=False).input_ids
    written = TOKENIZER(sample["completion"], add_special_tokens=False).input_ids
    written += [TOKENIZER.eos_token_id] if sample["finish_reason"] == "stop" else []
    with torch.no_grad():
        hidden = loaded.base_model(torch.tensor([[*asked, *written]])).last_hidden_state[0]
        scores = loaded.score(hidden)[len(asked) :, 0]
    return torch.sigmoid(scores / temperature).tolist()


def written_again(sample: dict[Hashable, Any]) -> int:
    """Tokens of a completion's text, its end included."""
    return len(TOKENIZER(sample["completion"], add_special_tokens=False).input_ids) + (
        sample["finish_reason"] == "stop"
    )


def rows_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.itertuples(index=False, name=None))


def prompt_of(run: Path, problem_id: str) -> str:
    rows = map(json.loads, (run / "prompts.jsonl").read_text().splitlines())
    return next(row["prompt"] for row in rows if row["problem_id"] == problem_id)


@pytest.mark.parametrize(("arm", "name"), [("outcome", "orm"), ("process", "prm")])
def test_samples_of_the_last_policy_are_scored_by_the_model_of_the_last_iteration(
    done: tuple[Path, dict[str, Job]], arm: str, name: str
) -> None:
    run = done[0] / "runs" / f"{arm}-seed0"
    samples, scores = pd.read_parquet(run / "samples.parquet"), pd.read_parquet(run / "scores.parquet")
    keys = ["step", "benchmark", "problem_id", "sample_index"]
    assert sorted(rows_of(scores.loc[:, keys])) == sorted(rows_of(samples.loc[samples["step"] == 4, keys]))
    fit = finished(run / f"reward-{name}-000002")
    path = run / f"reward-{name}-000002" / fit["models"][0]
    merged = samples[samples["step"] == 4].merge(scores, on=keys)
    merged = merged[[written_again(sample) == sample["num_tokens"] for sample in merged.to_dict("records")]]
    assert len(merged) >= 6, "texts that are the tokens that were drawn: a special token within one leaves no text"
    for sample in merged.iloc[:: max(1, len(merged) // 6)].to_dict("records"):
        prompt = prompt_of(run, sample["problem_id"])
        every = heads_own_probabilities(path, fit["temperatures"][0], sample, prompt)
        lines, ends = sample["completion"].split("\n"), []
        for line in lines[:-1]:  # a step ends with the newline behind it
            ends.append((ends[-1] if ends else -1) + len(TOKENIZER(line + "\n", add_special_tokens=False).input_ids))
        steps = [every[end] for end, line in zip([*ends, len(every) - 1], lines, strict=True) if line.strip()]
        expected = every[-1] if arm == "outcome" else min(steps, default=0.0)
        if arm == "process" and any(not line.strip() for line in lines):
            continue  # blank lines belong to the step before them: not told here
        assert sample["score"] == pytest.approx(expected, abs=1e-6)


def test_chains_under_a_model_of_steps_are_checked_by_the_rule(tmp_path: Path) -> None:
    """They had no verdict, since the arm's step reward is no rule, and the report took them for wrong."""
    jobs = plan_jobs(check_recipe(recipe()), tmp_path, evaluate_start=False)
    rules = {job.config.arm: chain_rule(job.config) for job in jobs if isinstance(job, RunJob)}
    assert rules == dict.fromkeys(["outcome", "process", "frozen"], "next_operations")


def test_a_run_tells_how_its_models_did_in_every_iteration(done: tuple[Path, dict[str, Job]]) -> None:
    out, jobs = done
    told = json.loads((out / "runs" / "outcome-seed0" / "reward_models.json").read_text())["fits"]
    assert [(fit["model"], fit["step"], fit["samples"], fit["replayed"]) for fit in told] == [
        ("orm", 0, 24, 0),
        ("orm", 2, 24, 6),
    ]
    later = finished(out / "runs" / "outcome-seed0" / "reward-orm-000002")
    assert told[0]["held_out"] == finished(first_fit(jobs, SMALL))["held_out"]
    assert (told[1]["held_out"], told[1]["held_out_before"]) == (later["held_out"], later["held_out_before"])
    frozen = json.loads((out / "runs" / "frozen-seed0" / "reward_models.json").read_text())["fits"]
    assert [(fit["model"], fit["step"], len(fit["held_out"])) for fit in frozen] == [("pair", 0, 2)]


def test_scores_that_are_lost_are_made_again_with_the_same_samples(
    done: tuple[Path, dict[str, Job]], tmp_path: Path
) -> None:
    _, jobs = done
    job = jobs["outcome-seed0"]
    assert isinstance(job, RunJob)
    copied = tmp_path / job.name
    shutil.copytree(job.folder, copied)
    (copied / "scores.parquet").write_bytes(b"not a table")
    replace(job, folder=copied).run(SamplerCache(), lambda what, done, total, unit: None)
    for name in ("scores.parquet", "samples.parquet"):
        mine, theirs = pd.read_parquet(copied / name), pd.read_parquet(job.folder / name)
        assert mine.sort_values(list(mine)[:6]).values.tolist() == theirs.sort_values(list(theirs)[:6]).values.tolist()


def test_steps_are_labelled_by_continuations_of_their_prefixes(done: tuple[Path, dict[str, Job]]) -> None:
    _, jobs = done
    [first] = [
        job.folder
        for job in jobs.values()
        if isinstance(job, RewardFitJob) and job.config.model.supervision == "process"
    ]
    examples = read_labelled(first / "samples.jsonl") + read_labelled(first / "held_out.jsonl")
    continued = sum(max(0, len(item.step_ends) - 1) for item in examples)
    assert continued > 0
    assert finished(first)["cost"]["completions"] == 40 + 2 * continued
    assert {label for item in examples for label in item.step_rewards} <= {0.0, 0.5, 1.0}
    for item in examples:
        if item.step_rewards:
            assert item.step_rewards[-1] == float(item.verdict.correct)


def test_arms_that_differ_in_later_iterations_only_share_their_first_fit(tmp_path: Path) -> None:
    base = recipe()
    models = {
        "one": SMALL,
        "frozen": replace(SMALL, refit=False),
        "shuffled": replace(SMALL, control="shuffled_labels"),
    }
    arms = {name: replace(base.arms["outcome"], overrides={"reward": f"model:{name}"}) for name in models}
    jobs = plan_jobs(replace(base, arms=arms, reward_models=models), tmp_path, evaluate_start=False)
    fits = {job.config.arm: job for job in jobs if isinstance(job, RewardFitJob)}
    assert sorted(fits) == ["outcome_rule", "outcome_rule_shuffled_labels"]
    used = {job.config.arm: list(job.reward_models.values()) for job in jobs if isinstance(job, RunJob)}
    assert used["one"] == used["frozen"] == [fits["outcome_rule"].folder]
    assert used["shuffled"] == [fits["outcome_rule_shuffled_labels"].folder]


KILL = """
import os, signal, sys
from pathlib import Path
import torch
from tests.experiments.runs.test_reward_models import recipe
from experiments.runs.engines import SamplerCache
from experiments.runs.evaluation import chain_rule
from experiments.schedule.plan import plan_jobs
torch.set_num_threads(1)
import training.reward_models.fit
training.reward_models.fit.CHECKPOINT_EVERY = 2
import training.loop
taken = training.loop.take_step
def take_step(trainer, step, share=1.0):
    row = taken(trainer, step, share)
    if "binary_cross_entropy" in row and step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return row
training.loop.take_step = take_step
out, name = Path(sys.argv[1]), sys.argv[2]
[job] = [job for job in plan_jobs(recipe(), out, evaluate_start=False) if job.name == name]
job.run(SamplerCache(), lambda what, done, total, unit: None)
"""


@pytest.mark.parametrize("arm", ["outcome", "process"])
def test_killed_within_a_fit_of_an_iteration_and_resumed_is_bit_for_bit_the_whole_run(
    done: tuple[Path, dict[str, Job]], tmp_path: Path, arm: str
) -> None:
    out, jobs = done
    job = jobs[f"{arm}-seed0"]
    assert isinstance(job, RunJob)
    (tmp_path / "runs").mkdir()
    for shared in out.glob("[!r]*"):
        (tmp_path / shared.name).symlink_to(shared)
    (tmp_path / "reward_models").symlink_to(out / "reward_models")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", KILL, str(tmp_path), job.name], env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    again = tmp_path / "runs" / job.name
    name = "orm" if arm == "outcome" else "prm"
    fit = again / f"reward-{name}-000002"
    assert (fit / "member-0" / "checkpoints").is_dir() and not (fit / "finished.json").exists()
    [resumed] = [each for each in plan_jobs(recipe(), tmp_path, evaluate_start=False) if each.name == job.name]
    resumed.run(SamplerCache(), lambda what, done, total, unit: None)
    whole, here = RunFolder(job.folder, job.config), RunFolder(again, job.config)
    for mine, theirs in zip(here.rows(), whole.rows(), strict=True):
        assert {key: value for key, value in mine.items() if "seconds" not in key} == {
            key: value for key, value in theirs.items() if "seconds" not in key
        }
    for file in (
        Path("checkpoints/step-000004/model.safetensors"),
        Path(f"reward-{name}-000002") / finished(fit)["models"][0] / "model.safetensors",
    ):
        assert (again / file).read_bytes() == (job.folder / file).read_bytes()
    assert here.samples.read()["completion"].tolist() == whole.samples.read()["completion"].tolist()
    assert here.scores.read()["score"].tolist() == whole.scores.read()["score"].tolist()


@pytest.mark.parametrize(
    ("overrides", "models", "message"),
    [
        ({"reward": "model:ormm"}, {"orm": SMALL}, "no such reward model; did you mean 'orm'"),
        ({"reward": "model:prm"}, {"prm": STEPS}, "supervision 'process'; expected one of supervision 'outcome'"),
        ({"task.step_reward": "model:orm"}, {"orm": SMALL}, "supervision 'outcome'; expected one of"),
        ({"reward": "model:orm"}, {"orm": replace(SMALL, problems=14)}, "solves 14 problems and holds out 4"),
        ({"task.step_reward": "model:prm"}, {"prm": replace(STEPS, step_rule="lines")}, "unknown step reward 'lines'"),
        ({"task.step_reward": "model:prm"}, {"prm": replace(STEPS, step_rule="model:prm")}, "a rule, not a model"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    overrides: dict[str, str], models: dict[str, RewardModelConfig], message: str
) -> None:
    base = recipe()
    arm = replace(base.arms["outcome"], overrides=overrides)
    with pytest.raises(ValueError, match=message):
        check_recipe(replace(base, arms={"arm": arm}, reward_models=models))


@pytest.mark.parametrize(
    ("rates", "first"), [({}, [1.0, -1.0]), ({"false_negative": 1.0, "false_positive": 1.0}, [-1.0, 1.0])]
)
def test_the_step_rewards_of_a_run_err_as_its_outcomes_do(
    rates: dict[str, float], first: list[float], tmp_path: Path
) -> None:
    """GRPO+PS reads steps alone: noise that spared them would change nothing."""
    noisy = replace(miniature(), reward_noise=RewardNoise(**rates))  # type: ignore[arg-type]
    process = replace(noisy, arms={"process": replace(noisy.arms["grpo"], algorithm="grpo_process")})
    [job] = [job for job in plan_jobs(check_recipe(process), tmp_path, evaluate_start=False) if isinstance(job, RunJob)]
    held: Any = None  # rules need neither policy nor sampler
    models = LiveRewardModels(
        config=job.config, first={}, folder=tmp_path, policy=held, sampler=held, start=tmp_path, report=held
    )
    problem = Problem(problem_id="p", benchmark="arithmetic", question="((1+2)*3)=", gold_answer="9")
    rollout = replace(rollout_of("1+2=3\n3*3=8\n", ids=range(12)), problem=problem)
    [scored] = score_rollouts(
        [rollout],
        reward=models.reward(),
        step_reward=models.step_reward(),
        token_ends=lambda ids: range(1, len(ids) + 1),
    )
    assert list(scored.step_rewards) == first
    assert scored.reward == (1.0 if rates else 0.0)


def test_a_smaller_model_labels_for_a_larger_policy(tmp_path: Path) -> None:
    """Weak-to-strong: a model of half the policy's width is fitted, rewards a step, is fitted again."""
    size = EmbeddedModelConfig(hidden_size=16, num_layers=1, num_heads=1, intermediate_size=24)
    weak = Policy(model=build_embedded_model(size, seed=1), tokenizer=TOKENIZER, eos_token_ids=(2,), pad_token_id=0)
    weak.save(tmp_path / "weak")
    base = recipe()
    arm = replace(base.arms["outcome"], training=replace(base.arms["outcome"].training, steps=2, iteration_steps=1))
    model = replace(SMALL, model=str(tmp_path / "weak"))
    asked = replace(base, arms={"outcome": arm}, reward_models={"orm": model})
    jobs = {job.name: job for job in plan_jobs(check_recipe(asked), tmp_path / "out", evaluate_start=False)}
    samplers = SamplerCache()
    for job in jobs.values():
        job.run(samplers, lambda what, done, total, unit: None)
    [fit] = [job.folder for job in jobs.values() if isinstance(job, RewardFitJob)]
    [run] = [job.folder for job in jobs.values() if isinstance(job, RunJob)]
    folders = [fit, run / "reward-orm-000001"]
    heads = []
    for folder in folders:
        [path] = json.loads((folder / "finished.json").read_text())["models"]
        held = AutoModelForSequenceClassification.from_pretrained(folder / path)
        assert held.config.hidden_size == 16 and held.config.num_labels == 1
        heads.append(held.score.weight.detach())
    assert heads[0].abs().max() > 0 and not torch.equal(heads[0], heads[1])  # fitted, and fitted further
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2] and all(0 < row["reward_mean"] < 1 for row in rows)
