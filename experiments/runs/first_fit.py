"""The first fit of a reward model, to completions of the start policy, before the runs that use it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from experiments.records.config import RewardFitConfig
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts
from experiments.runs.reward_fit import RewardFit
from rewards import warm_up_checker
from sampling.sampler import Sampler
from training.models.engine_check import check_weight_loading
from training.models.policy import Policy, load_policy, resolve_model

__all__ = ["fit_first"]


def fit_first(
    config: RewardFitConfig,
    start: Path,
    folder: Path,
    samplers: SamplerCache,
    report: Report,
    shard: Literal["none", "full"] = "none",
) -> str:
    """Fit a reward model to completions of the start policy; a line for the reader.

    Args:
        config: what is fitted.
        start: folder of the start policy.
        folder: of the fit.
        samplers: where the engine comes from.
        report: told of progress.
        shard: see `TrainingConfig`.

    Raises:
        SamplerMismatchError: the engine does not hold the policy's weights after a load.
        LabelError: all labels say the same.
        RewardModelError: see `load_reward_model`.
    """
    policy = load_policy(start, device="cpu" if shard == "full" else config.engine.device)
    sampler = None if config.model.labels == "prm800k" else _engine(config, start, policy, samplers)
    first = start if config.model.model is None else resolve_model(config.model.model)
    fit = RewardFit(
        folder=folder,
        config=config,
        policy=policy,
        sampler=sampler,
        first=first,
        report=report,
        ranks=samplers.ranks,
        shard=shard,
    )
    finished = fit.run()
    told = finished["held_out"][0]
    area = told.get("auc")
    measured = "" if area is None else f"; on held-out problems AUC {area:.3f}, Brier score {told['brier']:.3f}"
    return f"fitted to {finished['samples']:,} completions ({finished['cost']['completions']:,} drawn){measured}"


def _engine(config: RewardFitConfig, start: Path, policy: Policy, samplers: SamplerCache) -> Sampler:
    """The engines of all ranks with the start policy, seen to hold it."""
    warm_up_checker()
    sampler = samplers.get(config.engine, start, policy)
    problems = load_problems(config.task, "train", config.task.train_problems)
    check_weight_loading(
        sampler,
        policy,
        [prompt.ids for prompt in render_prompts(problems[:8], config.task, policy.tokenizer)],
        tolerance=config.engine.logprob_tolerance,
        policy_version=0,
        seed=config.seed,
    )
    return samplers.shared(sampler, policy)
