"""One run: one arm with one seed, from its start policy to its last evaluation, resumable at every point."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algorithms.interface import Algorithm, DataSource, Need
from benchmarks.problem import Problem
from experiments.recipes.config import TaskConfig
from experiments.recipes.files import check_unchanged
from experiments.recipes.plugins import load_algorithm, load_reward, load_step_reward
from experiments.runs.config import OfflineConfig, RunConfig
from experiments.runs.evaluation import Cost, evaluate
from experiments.runs.folder import RunFolder
from experiments.runs.problems import load_problems, render_prompts
from sampling.engines import EngineConfig, build_sampler, check_room
from sampling.sampler import Sampler, SamplingConfig
from training.loop import resume, run_training
from training.models.critic import Critic
from training.models.engine_check import check_weight_loading
from training.models.policy import Policy, load_policy, named_weights
from training.sources import DemonstrationSource, IteratedSource, OfflineSource, OnlineSource, Prompts, Source
from training.trainer import Trainer, TrainingConfig

__all__ = ["Report", "RunInputs", "SamplerCache", "draw_offline", "execute_run"]


@dataclass(frozen=True, kw_only=True)
class RunInputs:
    """What a run takes from the jobs before it.

    Attributes:
        start: folder of the start policy.
        offline: file with the completions that an offline method trains on (`draw_offline`).
        evaluated_start: folder of the run that evaluated the start policy; ``None`` evaluates it again.
    """

    start: Path
    offline: Path | None = None
    evaluated_start: Path | None = None


Report = Callable[[str, float, float, str], None]
"""Progress of a run: `(what, done, total, unit)`."""


class SamplerCache:
    """Keeps one engine for all runs of a process: it takes seconds to build, and weights are loaded in place."""

    def __init__(self) -> None:
        self._sampler: Sampler | None = None
        self._key: tuple[Any, ...] = ()

    def get(self, engine: EngineConfig, folder: Path, policy: Policy) -> Sampler:
        """The engine of that configuration, built from `folder` if there is none of that model yet, weights aside."""
        shapes = tuple((name, tuple(weight.shape)) for name, weight in named_weights(policy.model))
        key = (engine, shapes, policy.architecture, policy.eos_token_ids)
        if self._sampler is None or key != self._key:
            self._sampler = build_sampler(
                folder, engine, eos_token_ids=policy.eos_token_ids, max_positions=policy.max_positions
            )
            self._key = key
        return self._sampler


def execute_run(config: RunConfig, inputs: RunInputs, path: Path, samplers: SamplerCache, report: Report) -> str:
    """Run or finish the run in `path`; a finished one is left alone.

    Args:
        config: what the run is.
        inputs: what it starts from.
        path: folder of the run.
        samplers: where the engine comes from.
        report: told of progress.

    Returns:
        A line for the reader.

    Raises:
        ConfigMismatchError: the folder holds another configuration, or an unfinished run of another checker version.
        ValueError: a file of the user's was edited since the comparison started, or there is no room for completions.
        SamplerMismatchError: the engine does not hold the policy's weights after a load.
    """
    folder = RunFolder(path, config)
    if folder.finished:
        return "was already finished"
    check_unchanged(config.files)
    algorithm = None if config.training is None else load_algorithm(config.algorithm, config.settings)
    policy = load_policy(inputs.start, device=config.engine.device)
    problems = load_problems(config.task, config.evaluation.split, config.evaluation.problems)
    prompts = list(zip(problems, render_prompts(problems, config.task, policy.tokenizer), strict=True))
    check_room(
        [ids for _, ids in prompts], "max_tokens", config.evaluation.max_tokens, policy.max_positions, config.engine
    )
    sampler = samplers.get(config.engine, inputs.start, policy)
    _check_sampler(folder, sampler, policy, prompts)
    steps = 0
    if algorithm is not None and config.training is not None:
        steps = config.training.steps
        _train(folder, config.training, algorithm, inputs, policy, sampler, prompts, report)
    cost = _evaluate(folder, sampler, policy, prompts, steps, config.evaluation.samples, report)
    pass_at_1 = folder.pass_at_1(steps)
    folder.finish({"steps": steps, "pass_at_1": pass_at_1, "evaluation": dataclasses.asdict(cost)})
    return f"Pass@1 {pass_at_1:.3f} after {steps} steps ({cost})"


def _check_sampler(
    folder: RunFolder[RunConfig], sampler: Sampler, policy: Policy, prompts: list[tuple[Problem, tuple[int, ...]]]
) -> None:
    """Stop the run if the engine does not hold what was loaded; keep what was measured."""
    engine = folder.config.engine
    check = check_weight_loading(
        sampler,
        policy,
        [ids for _, ids in prompts[:8]],
        tolerance=engine.logprob_tolerance,
        policy_version=0,
        seed=folder.config.seed,
    )
    folder.keep("sampler_check", dataclasses.asdict(check))


def _train(
    folder: RunFolder[RunConfig],
    training: TrainingConfig,
    algorithm: Algorithm,
    inputs: RunInputs,
    policy: Policy,
    sampler: Sampler,
    prompts: list[tuple[Problem, tuple[int, ...]]],
    report: Report,
) -> None:
    config = folder.config
    reference = (
        copy.deepcopy(policy.model).requires_grad_(False) if Need.REFERENCE_LOGPROBS in algorithm.needs else None
    )
    critic = Critic(inputs.start, device=policy.device) if Need.CRITIC in algorithm.needs else None
    source = _source(folder, training, algorithm, inputs, policy, sampler, report)
    trainer = Trainer(
        policy=policy,
        algorithm=algorithm,
        config=training,
        source=source,
        sampler=sampler,
        reward=load_reward(config.reward),
        step_reward=load_step_reward(config.task.step_reward) if Need.STEP_REWARDS in algorithm.needs else None,
        reference=reference,
        critic=critic,
        report=report,
    )
    done = resume(trainer, folder.checkpoints)
    folder.drop_samples_after(done)
    if isinstance(source, IteratedSource):
        source.forget_after(done)
    if done:
        sampler.load_weights(named_weights(policy.model), done)
    every = config.evaluation.every

    def after_step(step: int, row: dict[str, float | int | None]) -> None:
        report("train", step, training.steps, "steps")
        if every and step % every == 0 and step < training.steps:
            _evaluate(folder, sampler, policy, prompts, step, config.evaluation.curve_samples, report)

    if every and done == 0 and inputs.evaluated_start is not None:
        folder.take_samples(inputs.evaluated_start, step=0, samples=config.evaluation.curve_samples)
    if every and done == 0:
        _evaluate(folder, sampler, policy, prompts, 0, config.evaluation.curve_samples, report)
    run_training(
        trainer,
        done=done,
        checkpoints=folder.checkpoints,
        checkpoint_every=config.checkpoint_every,
        log=folder,
        after_step=after_step,
    )


def _source(
    folder: RunFolder[RunConfig],
    training: TrainingConfig,
    algorithm: Algorithm,
    inputs: RunInputs,
    policy: Policy,
    sampler: Sampler,
    report: Report,
) -> Source:
    """Where the algorithm's completions come from; the sampler holds the start policy when this is called."""
    config = folder.config
    if algorithm.data_source is DataSource.DEMONSTRATIONS:
        per_step = training.problems_per_step * training.group_size
        return DemonstrationSource(
            policy=policy, prompts=_training_prompts(config.task, policy, per_step=per_step, seed=config.seed)
        )
    prompts = _training_prompts(config.task, policy, per_step=training.problems_per_step, seed=config.seed)
    if algorithm.data_source is DataSource.OFFLINE:
        if inputs.offline is None:
            raise ValueError(f"{config.arm} trains on completions of the start policy, and was given no file of them.")
        return OfflineSource.read(inputs.offline, prompts)
    room = training.max_completion_tokens
    check_room(prompts.prompt_ids, "max_completion_tokens", room, policy.max_positions, config.engine)
    online = OnlineSource(
        sampler=sampler,
        policy=policy,
        prompts=prompts,
        sampling=SamplingConfig(
            temperature=training.temperature,
            max_tokens=room,
            with_logprobs=Need.SAMPLER_LOGPROBS in algorithm.needs,
        ),
        group_size=training.group_size,
        run_seed=config.seed,
        on_progress=lambda done, total: report("sample", done, total, "completions"),
    )
    if algorithm.data_source is DataSource.ITERATED:
        every = training.iteration_steps or training.steps
        return IteratedSource(online=online, every=every, steps=training.steps, folder=folder.path)
    return online


def draw_offline(config: OfflineConfig, start: Path, file: Path, samplers: SamplerCache, report: Report) -> str:
    """Draw what the offline arms of a seed train on, or find it drawn.

    Args:
        config: what is drawn.
        start: folder of the start policy.
        file: gets the completions, whole or not at all.
        samplers: where the engine comes from.
        report: told of progress.

    Returns:
        A line for the reader.

    Raises:
        SamplerMismatchError: the engine does not hold the policy's weights after a load.
    """
    if file.is_file():
        return "was already drawn"
    policy = load_policy(start, device=config.engine.device)
    sampler = samplers.get(config.engine, start, policy)
    prompts = _training_prompts(config.task, policy, per_step=config.problems_per_step, seed=config.seed)
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
    online = OnlineSource(
        sampler=sampler,
        policy=policy,
        prompts=prompts,
        sampling=SamplingConfig(temperature=config.temperature, max_tokens=config.max_completion_tokens),
        group_size=config.group_size,
        run_seed=config.seed,
    )
    total, drawn = config.steps * config.problems_per_step * config.group_size, 0

    def on_progress(count: int) -> None:
        nonlocal drawn
        drawn += count
        report("draw", drawn, total, "completions")

    OfflineSource.draw(online, range(config.steps), file, on_progress=on_progress)
    return f"{total:,} completions of the start policy for all offline arms"


def _training_prompts(task: TaskConfig, policy: Policy, *, per_step: int, seed: int) -> Prompts:
    problems = load_problems(task, "train", task.train_problems)
    return Prompts(
        problems=tuple(problems),
        prompt_ids=tuple(render_prompts(problems, task, policy.tokenizer)),
        per_step=per_step,
        seed=f"train/{seed}",
    )


def _evaluate(
    folder: RunFolder[RunConfig],
    sampler: Sampler,
    policy: Policy,
    prompts: list[tuple[Problem, tuple[int, ...]]],
    step: int,
    samples: int,
    report: Report,
) -> Cost:
    """Evaluate the policy at `step`; loads it into the engine where the engine holds an older one."""
    if sampler.policy_version != step:
        sampler.load_weights(named_weights(policy.model), step)
    total, done = samples * len(prompts), 0

    def on_progress(count: int) -> None:
        nonlocal done
        done += count
        report("evaluate", done, total, "completions")

    return evaluate(
        folder,
        sampler=sampler,
        tokenizer=policy.tokenizer,
        prompts=prompts,
        config=folder.config.evaluation,
        samples=samples,
        step=step,
        on_progress=on_progress,
    )
