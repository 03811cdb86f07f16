"""The start policy of the embedded comparison: made from scratch, trained by SFT until it is partly competent."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from benchmarks.problem import Problem
from experiments.runs.config import StartConfig
from experiments.runs.folder import RunFolder
from experiments.runs.problems import load_problems, render_prompts
from experiments.runs.run import Report, SamplerCache
from rewards.scoring import judge
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from training.checkpoints import latest_checkpoint
from training.models.embedded import build_embedded_model, build_embedded_tokenizer
from training.models.engine_check import check_weight_loading
from training.models.policy import Policy, named_weights
from training.sources import DemonstrationSource, Prompts
from training.supervised import train_supervised

__all__ = ["train_start_policy", "trained_start"]

VALIDATION_SAMPLES = 4  # completions a validation problem at each measurement of Pass@1


def train_start_policy(config: StartConfig, path: Path, samplers: SamplerCache, report: Report) -> str:
    """Train the start policy of one seed, or find it trained.

    Args:
        config: what is made and how it is trained.
        path: folder of the training.
        samplers: where the engine comes from.
        report: told of progress.

    Returns:
        A line for the reader.
    """
    folder = RunFolder(path, config)
    if folder.finished:
        return "was already trained"
    policy = _untrained_policy(config)
    source = _demonstrations(config, policy)
    policy.save(path / "untrained")
    policy.model.to(config.engine.device)
    sampler = samplers.get(config.engine, path / "untrained", policy)
    check = check_weight_loading(
        sampler,
        policy,
        list(source.prompts.prompt_ids[:8]),
        tolerance=config.engine.logprob_tolerance,
        policy_version=0,
        seed=config.seed,
    )
    folder.keep("sampler_check", dataclasses.asdict(check))
    checkpoint = latest_checkpoint(folder.checkpoints)
    folder.drop_after(-1 if checkpoint is None else int(checkpoint.name[5:]))
    validation = load_problems(config.task, "validation")
    prompts = list(zip(validation, render_prompts(validation, config.task, policy.tokenizer), strict=True))

    def measure(step: int) -> float:
        pass_at_1 = _validation_pass_at_1(config, sampler, policy, prompts, step)
        held = {row["step"] for row in folder.rows() if "validation_pass_at_1" in row}
        if step not in held:  # a resumed training measures the step of its checkpoint again
            folder.append({"step": step, "validation_pass_at_1": pass_at_1})
        return pass_at_1

    def on_step(row: dict[str, float | int | None], expected: int) -> None:
        step = int(row["step"] or 0)
        report("train start policy by SFT", step, max(expected, step), "steps")
        if step % 20 == 0:
            folder.append(row)

    checkpoint = train_supervised(
        policy, source, config.supervised, folder=folder.checkpoints, measure=measure, on_step=on_step
    )
    steps = int(checkpoint.name[5:])
    pass_at_1 = measure(steps)
    folder.finish({"checkpoint": checkpoint.name, "validation_pass_at_1": pass_at_1})
    return f"trained for {steps} steps, validation Pass@1 {pass_at_1:.3f}"


def _untrained_policy(config: StartConfig) -> Policy:
    tokenizer = build_embedded_tokenizer()
    vocabulary = tokenizer.get_vocab()
    return Policy(
        model=build_embedded_model(config.embedded, seed=config.seed),
        tokenizer=tokenizer,
        eos_token_ids=(vocabulary[str(tokenizer.eos_token)],),
        pad_token_id=vocabulary[str(tokenizer.pad_token)],
    )


def _demonstrations(config: StartConfig, policy: Policy) -> DemonstrationSource:
    problems = load_problems(config.task, "train", config.supervised.demonstrations)
    prompts = Prompts(
        problems=tuple(problems),
        prompt_ids=tuple(render_prompts(problems, config.task, policy.tokenizer)),
        per_step=config.supervised.batch_size,
        seed=f"start/{config.seed}",
    )
    return DemonstrationSource(policy=policy, prompts=prompts)


def _validation_pass_at_1(
    config: StartConfig,
    sampler: Sampler,
    policy: Policy,
    prompts: list[tuple[Problem, tuple[int, ...]]],
    step: int,
) -> float:
    """Share of correct samples at temperature 1 of the policy as it is."""
    sampler.load_weights(named_weights(policy.model), step)
    rollouts = sample_rollouts(
        sampler,
        policy.tokenizer,
        prompts,
        SamplingConfig(temperature=1.0, max_tokens=config.max_tokens),
        samples_per_problem=VALIDATION_SAMPLES,
        run_seed=config.seed,
        step=step,
        purpose="validate",
    )
    verdicts = judge(rollouts)
    return sum(verdict.correct for verdict in verdicts) / len(verdicts)


def trained_start(path: Path) -> Path:
    """The model that `train_start_policy` left in `path`."""
    return path / "checkpoints" / json.loads((path / "finished.json").read_text())["checkpoint"]
