"""Offline methods whose right and wrong a model tells, and a small model that labels for a larger policy."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from experiments.recipes.config import ArmConfig, Recipe
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import RunJob
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs
from tests.experiments.miniature import recipe as miniature
from tests.experiments.runs.test_reward_models import SMALL, finished, heads_own_probabilities, prompt_of
from tests.training.reward_models.small_model import TOKENIZER
from training.models.embedded import EmbeddedModelConfig, build_embedded_model
from training.models.policy import Policy
from training.reward_models.examples import read_labelled
from training.reward_models.model import RewardModelError

WEAK = EmbeddedModelConfig(hidden_size=16, num_layers=1, num_heads=1, intermediate_size=24)


def weak_model(folder: Path) -> str:
    """A model half as wide as the policy, never trained."""
    model = build_embedded_model(WEAK, seed=5)
    Policy(model=model, tokenizer=TOKENIZER, eos_token_ids=(2,), pad_token_id=0).save(folder)
    return str(folder)


def recipe(weak: str, threshold: float) -> Recipe:
    base = miniature()
    steps = {name: replace(base.arms[name].training, steps=2) for name in ("rft", "dpo", "grpo")}

    def arm(algorithm: str, model: str, settings: dict[str, Any]) -> ArmConfig:
        own = {**base.arms[algorithm].settings, **settings}
        return ArmConfig(
            algorithm=algorithm, training=steps[algorithm], settings=own, overrides={"reward": f"model:{model}"}
        )

    return replace(
        base,
        arms={
            "threshold": arm("rft", "orm", {"correct_threshold": threshold}),
            "ranked": arm("dpo", "orm", {"pairing": "reward"}),
            "weak": arm("grpo", "small", {}),
            "pairwise": arm("grpo", "pairs", {}),
        },
        reward_models={
            "orm": SMALL,
            "small": replace(SMALL, model=weak),
            "pairs": replace(SMALL, objective="bradley_terry", learning_rate=1e-2, batch_size=4),
        },
        engine=replace(base.engine, name="transformers"),
        evaluation=replace(base.evaluation, every=0, decoding_temperatures=()),
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All jobs, one after the other; the threshold lies amid the probabilities, which no two processors give alike."""
    folder = tmp_path_factory.mktemp("labelled")
    samplers, weak = SamplerCache(), weak_model(folder / "weak")
    torch.set_num_threads(1)

    def run(threshold: float, *, before: bool) -> None:
        asked = check_recipe(recipe(weak, threshold))
        for job in plan_jobs(asked, folder / "cmp", evaluate_start=False):
            if not (before and isinstance(job, RunJob)):
                job.run(samplers, lambda what, done, total, unit: None)

    run(0.5, before=True)
    run(threshold_amid(folder / "cmp"), before=False)
    return folder / "cmp"


def threshold_amid(out: Path) -> float:
    """Half way between the two probabilities in the middle of the first block."""
    found = sorted({probability for _, _, probability in first_block(out)})
    return (found[len(found) // 2 - 1] + found[len(found) // 2]) / 2


def fitted(out: Path, hidden_size: int) -> tuple[Path, float]:
    """Where the model of this width lies, and its temperature."""
    for fit in (out / "reward_models").glob("outcome_rule-*"):
        told = finished(fit)
        path = fit / told["models"][0]
        if json.loads((path / "config.json").read_text())["hidden_size"] == hidden_size:
            return path, told["temperatures"][0]
    raise AssertionError(f"no reward model has width {hidden_size}")


def first_block(out: Path) -> list[tuple[str, int, float]]:
    """(problem, tokens, probability by transformers alone) of the offline completions of the first step."""
    [file] = (out / "offline").glob("*.jsonl")
    rows = json.loads(file.read_text().splitlines()[0])["rollouts"]
    path, temperature = fitted(out, 32)
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=1, dtype=torch.float32).eval()
    result = []
    for row in rows:
        question = next(each.question for each in problems() if each.problem_id == row["problem_id"])
        asked = TOKENIZER(question, add_special_tokens=False).input_ids
        with torch.no_grad():
            ids = torch.tensor([[*asked, *row["completion_ids"]]])
            score = model.score(model.base_model(ids).last_hidden_state[0, -1])
        result.append((row["problem_id"], len(row["completion_ids"]), float(torch.sigmoid(score / temperature))))
    return result


def problems() -> list[Any]:
    from experiments.runs.problems import load_problems

    base = miniature()
    return load_problems(base.task, "train", base.task.train_problems)


def first_row(out: Path, arm: str) -> dict[str, Any]:
    return json.loads((out / "runs" / f"{arm}-seed0" / "metrics.jsonl").read_text().splitlines()[0])


def test_offline_rft_trains_on_what_the_model_has_above_the_threshold(out: Path) -> None:
    block, threshold = first_block(out), threshold_amid(out)
    kept = [tokens for _, tokens, probability in block if probability > threshold]
    assert json.loads((out / "runs" / "threshold-seed0" / "prompts.json").read_text())["training"]["number"] == 16
    assert 0 < len(kept) < len(block)
    assert first_row(out, "threshold")["tokens_trained"] == sum(kept)
    assert first_row(out, "threshold")["reward_mean"] == pytest.approx(
        sum(each[2] for each in block) / len(block), abs=1e-5
    )


def test_offline_dpo_pairs_the_best_with_the_worst_by_score(out: Path) -> None:
    """Of four completions the best with the worst and the second with the third, unless they agree."""
    block, tokens = first_block(out), 0
    for problem in dict.fromkeys(each[0] for each in block):
        own = [each[1:] for each in block if each[0] == problem]
        best = sorted(own, key=lambda each: -each[1])
        worst = sorted(own, key=lambda each: each[1])
        tokens += sum(b[0] + w[0] for b, w in zip(best[:2], worst[:2], strict=True) if b[1] - w[1] > 1e-9)
    assert first_row(out, "ranked")["tokens_trained"] == tokens > 0


def test_a_smaller_model_labels_for_a_larger_policy(out: Path) -> None:
    path, temperature = fitted(out, WEAK.hidden_size)
    run = out / "runs" / "weak-seed0"
    policy = json.loads((run / "checkpoints" / "step-000002" / "config.json").read_text())
    assert policy["hidden_size"] == 2 * WEAK.hidden_size
    samples = pd.read_parquet(run / "samples.parquet").merge(pd.read_parquet(run / "scores.parquet"))
    assert len(samples) == 24
    for _, sample in samples.iloc[::5].iterrows():
        every = heads_own_probabilities(path, temperature, sample, prompt_of(run, sample["problem_id"]))
        assert sample["score"] == pytest.approx(every[-1], abs=1e-6)


def test_a_model_that_trl_fitted_to_pairs_scores_like_another(out: Path) -> None:
    """`objective="bradley_terry"`: pairs of the fit's own samples, TRL's losses, and scores by transformers alone."""
    [fit] = (out / "reward_models").glob("outcome_rule_bradley_terry-*")
    told, samples = finished(fit), read_labelled(fit / "samples.jsonl")
    pairs = 0
    for problem in {item.rollout.problem.problem_id for item in samples}:
        right = [item.verdict.correct for item in samples if item.rollout.problem.problem_id == problem]
        pairs += min(sum(right), len(right) - sum(right))
    path = fit / told["models"][0]
    losses = json.loads((path / "ranking.json").read_text())
    assert len(losses) == 2 * -(-pairs // min(4, pairs)) and losses[0]["loss"] == pytest.approx(math.log(2), abs=1e-4)
    run = out / "runs" / "pairwise-seed0"
    scored = pd.read_parquet(run / "samples.parquet").merge(pd.read_parquet(run / "scores.parquet"))
    for _, sample in scored.iloc[::7].iterrows():
        every = heads_own_probabilities(path, told["temperatures"][0], sample, prompt_of(run, sample["problem_id"]))
        assert sample["score"] == pytest.approx(every[-1], abs=1e-6)


def test_a_labelling_model_of_another_vocabulary_is_refused_before_anything_starts(tmp_path: Path) -> None:
    from tests.training.reward_models.test_solutions import byte_tokenizer

    model, tokenizer = build_embedded_model(WEAK, seed=5), byte_tokenizer(merges=20, seed=0)
    model.resize_token_embeddings(300)
    Policy(model=model, tokenizer=tokenizer, eos_token_ids=(1,), pad_token_id=0).save(tmp_path / "other")
    with pytest.raises(RewardModelError, match="another vocabulary than the policy"):
        check_recipe(recipe(str(tmp_path / "other"), 0.5))
