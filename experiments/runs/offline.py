"""The completions of the frozen start policy that all offline arms of a seed train on."""

from __future__ import annotations

from pathlib import Path

from experiments.records.config import OfflineConfig
from experiments.runs.answering import tool_rounds
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.prompts import task_prompt, training_prompts
from experiments.runs.reward_models import load_fitted
from sampling.engines import check_room
from sampling.sampler import Sampler, SamplingConfig
from training.models.engine_check import check_weight_loading
from training.models.policy import Policy, load_policy
from training.reward_models.searched import SearchedSource
from training.sources.offline import OfflineSource
from training.sources.online import OnlineSource
from training.sources.prompts import Prompts

__all__ = ["draw_offline"]


def draw_offline(
    config: OfflineConfig,
    start: Path,
    file: Path,
    samplers: SamplerCache,
    report: Report,
    guide: Path | None = None,
    device: str | None = None,
) -> str:
    """Draw what the offline arms of a seed train on, or find it drawn.

    Args:
        config: what is drawn.
        start: folder of the start policy.
        file: gets the completions, whole or not at all.
        samplers: where the engine comes from.
        report: told of progress.
        guide: folder of the fit of `OfflineConfig.guide`.
        device: where the policy lies beside the engine; ``None`` is the engine's.

    Returns:
        A line for the reader.

    Raises:
        SamplerMismatchError: the engine does not hold the policy's weights after a load.
    """
    if file.is_file():
        return "was already drawn"
    policy = load_policy(start, device=device or config.engine.device)
    sampler = samplers.get(config.engine, start, policy)
    prompts = training_prompts(
        config.task,
        policy,
        per_step=config.problems_per_step,
        seed=config.seed,
        demonstrated=config.demonstrated,
    )
    room = config.max_completion_tokens
    check_room(prompts.prompt_ids, "max_completion_tokens", room, policy.max_positions, config.engine)
    check_weight_loading(
        sampler,
        policy,
        list(prompts.prompt_ids[:8]),
        tolerance=config.engine.logprob_tolerance,
        policy_version=0,
        seed=config.seed,
    )
    source = _source(config, policy, samplers.shared(sampler, policy), prompts, guide)
    total, drawn = config.steps * config.problems_per_step * config.group_size, 0

    def on_progress(count: int) -> None:
        nonlocal drawn
        drawn += count
        report("draw", drawn, total, "completions")

    samplers.ranks.lead(lambda: OfflineSource.draw(source, range(config.steps), file, on_progress=on_progress))
    how = "" if config.search is None else f", searched ({config.search.method}, {config.search.budget:,} tokens each)"
    return f"{drawn:,} completions of the start policy for all offline arms{how}"


def _source(
    config: OfflineConfig, policy: Policy, sampler: Sampler, prompts: Prompts, guide: Path | None
) -> OnlineSource | SearchedSource:
    """What draws: samples, or a search under the reward model in `guide`."""
    prompt = task_prompt(config.task, policy.tokenizer)
    sampling = SamplingConfig(temperature=config.temperature, max_tokens=config.max_completion_tokens, stop=prompt.stop)
    if config.search is None:
        return OnlineSource(
            sampler=sampler,
            policy=policy,
            prompts=prompts,
            sampling=sampling,
            group_size=config.group_size,
            run_seed=config.seed,
            rounds=tool_rounds(config.task, prompt),
        )
    assert guide is not None and config.guide is not None
    return SearchedSource(
        sampler=sampler,
        policy=policy,
        prompts=prompts,
        sampling=sampling,
        config=config.search,
        guide=load_fitted(guide, config.guide, policy, config.engine.device),
        group_size=config.group_size,
        run_seed=config.seed,
    )
