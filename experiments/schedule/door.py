"""The door: everything that can be refused is refused here, before a folder is made or a process is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from algorithms.interface import DataSource
from benchmarks.problem import Problem
from benchmarks.prompts.choice import check_name
from experiments.recipes.config import EvaluationConfig, Recipe, TaskConfig, check_seed
from experiments.recipes.files import file_hashes, task_files
from experiments.recipes.plugins import (
    learned_name,
    load_method,
    load_reward,
    load_step_reward,
    try_reward,
    try_step_reward,
)
from experiments.records.config import RunConfig
from experiments.runs.answering import proof_checker
from experiments.runs.problems import GENERATED, load_beyond, load_further, load_problems, overlap_lines
from experiments.schedule.learned import check_enough_problems, check_learned_rewards
from rewards.sandbox.run import check_sandbox
from sampling.engines import EngineConfig, check_room
from training.peers.methods import TrlMethod, check_trl

__all__ = ["check_recipe", "contamination", "evaluation_run", "open_model", "with_files"]

NOT_TRAINED_ON = ("likelihood", "program", "few_shot_program", "bare_program")
TOOL = ("tool", "bare_tool")
RUN_PROGRAMS = ("program", "few_shot_program", "bare_program", *TOOL)


def check_recipe(recipe: Recipe, *, ranks: int = 1) -> Recipe:
    """Build or open everything once, so that a mistake shows before anything is written or runs.

    Args:
        recipe: what is compared.
        ranks: processes that train each run together.

    Returns:
        The recipe with the hashes of the user's own files in it.

    Raises:
        ValueError: an algorithm, field, reward or step reward is unknown or refused, data are broken, or a reward of
            the user's fails when it is tried (`try_reward`).
        ModelNotFoundError: the start policy is not there or no causal language model.
        BenchmarkUnavailableError: the hub is out of reach.
    """
    from training.requirements import check_packages

    if recipe.supervised is not None:
        check_packages(recipe.supervised.as_training())
    for name in recipe.arms:
        _check_arm(recipe, name, ranks=ranks)
    recipe = with_files(recipe)
    _check_problems(recipe)
    _check_models(recipe)
    return recipe


def _check_arm(recipe: Recipe, name: str, *, ranks: int) -> None:
    """Build an arm's method and rewards once, and refuse what does not go together; no data is opened."""
    from training.requirements import check_requirements, check_shards

    arm = recipe.arms[name]
    method = load_method(arm.algorithm, arm.settings)
    if isinstance(method, TrlMethod):
        check_trl(method, arm.training, name)
    else:
        check_requirements(method, arm.training, name, ranks=ranks)
    own = recipe.overridden(arm.overrides)
    if own.supervised is not None:
        sft = replace(own.supervised.as_training(), shard=arm.training.shard)
        check_shards(sft, f"{name}, the SFT of its start policy", ranks)
    check_learned_rewards(own, name)
    _check_source(own, name, method.data_source)
    if learned_name(own.reward) is None:
        load_reward(own.reward)
    if learned_name(own.task.step_reward) is None:
        load_step_reward(own.task.step_reward)
    check_name(own.task.prompt)
    if own.task.prompt in NOT_TRAINED_ON:
        raise ValueError(
            f"{name}: task.prompt is {own.task.prompt!r}, which is for evaluation; expected a prompt whose "
            "answer is read off the text, such as chain_of_thought, few_shot, bare or tool."
        )
    _check_tool(name, own)
    if (checker := proof_checker(own.task)) is not None:
        checker.check()


def _check_problems(recipe: Recipe) -> None:
    """Open the problems of every arm, each task's once, and refuse too few of them; each reward judges one of them."""
    training = dict[TaskConfig, list[Problem]]()
    beyond = dict[tuple[TaskConfig, int | None], int]()
    for name, arm in recipe.arms.items():
        own = recipe.overridden(arm.overrides)
        if own.task not in training:
            load_problems(own.task, own.evaluation.split, own.evaluation.problems)
            load_further(own.task, own.evaluation)
            training[own.task] = load_problems(own.task, "train", own.task.train_problems)
        known, per_step = own.demonstrated, arm.training.problems_per_step
        if (own.task, known) not in beyond:
            beyond[own.task, known] = len(training[own.task] if known is None else load_beyond(own.task, known))
        most = beyond[own.task, known]
        if per_step > most:
            left = "" if known is None else " beyond the SFT set"
            raise ValueError(
                f"{name}: problems_per_step is {per_step}; expected at most the number of training problems{left}, "
                f"{most}."
            )
        check_enough_problems(own, name, len(training[own.task]))
        try_reward(own.reward, training[own.task][0], own.reward_noise)
        try_step_reward(own.task.step_reward, training[own.task][0])


def _check_source(recipe: Recipe, arm: str, data_source: DataSource) -> None:
    """Refuse a source of completions that there is not, or that the method has no use for.

    Raises:
        ValueError: half of what a search needs, a search for a method that samples its own policy, or problems beyond
            an SFT set that is everything or nothing.
    """
    source = recipe.source
    if source.search_config() is not None and data_source is not DataSource.OFFLINE:
        raise ValueError(
            f"{arm}: source.search is {source.search!r}, and {data_source.value} completions are sampled; expected an "
            "offline method (rft, dpo): name these with --algorithm."
        )
    if source.problems == "beyond_sft" and recipe.demonstrated is None:
        why = "no SFT is done here" if recipe.supervised is None else "SFT has demonstrations of all training problems"
        raise ValueError(
            f"{arm}: source.problems is 'beyond_sft', and {why}; expected a number of supervised.demonstrations below "
            "task.train_problems."
        )


def _check_models(recipe: Recipe) -> None:
    """Open every model that the arms start from; heavy, so after everything else."""
    opened = set[tuple[object, ...]]()
    for arm in recipe.arms.values():
        own = recipe.overridden(arm.overrides)
        rooms = {
            "evaluation.max_tokens": own.evaluation.max_tokens,
            "training.max_completion_tokens": arm.training.max_completion_tokens,
        }
        if own.model is None or (key := (own.model, own.task, own.engine, *rooms.values())) in opened:
            continue
        opened.add(key)
        problems = load_problems(own.task, own.evaluation.split, own.evaluation.problems)
        open_model(own.model, problems, own.task, own.engine, rooms)


def _check_tool(arm: str, recipe: Recipe) -> None:
    """Refuse a tool where it cannot be run, or where something samples without it."""
    if recipe.task.prompt not in TOOL:
        return
    if recipe.reward_models:
        raise ValueError(
            f"{arm}: task.prompt is {recipe.task.prompt!r} and there are reward_models, which are fitted to "
            "completions without a tool; expected a rule as the reward, or the prompt chain_of_thought."
        )
    check_sandbox("namespaces")


def evaluation_run(
    model: str, task: TaskConfig, evaluation: EvaluationConfig, engine: EngineConfig, *, seed: int
) -> RunConfig:
    """The run that only evaluates `model`, once everything that it names was opened.

    Raises:
        ModelNotFoundError: no such model, or it has no tokenizer.
        ValueError: no such benchmark or split, broken data, a seed that cannot be, or no room for the completions.
        SandboxUnavailableError: the prompt asks for programs, and they cannot be run safely on this machine.
        ProofCheckerMissingError: the prompt asks for proofs, and their checker is not here.
    """
    check_seed(seed)
    check_name(task.prompt)
    if task.prompt in RUN_PROGRAMS:
        check_sandbox("namespaces")
    problems = load_problems(task, evaluation.split, evaluation.problems)
    load_further(task, evaluation)
    checker = proof_checker(task)
    if checker is not None:
        checker.check()
    folder = open_model(model, problems, task, engine, {"max_tokens": evaluation.max_tokens})
    return RunConfig(
        recipe="evaluate",
        arm=folder.name if folder == Path(model) else model,
        seed=seed,
        algorithm="none",
        settings={},
        training=None,
        model=model,
        task=task,
        evaluation=evaluation,
        engine=engine,
        files=file_hashes(task_files(task, evaluation)),
    )


def contamination(recipe: Recipe) -> list[str]:
    """Sentences on training problems that hold a problem of the report; generated problems never do."""
    tasks = {recipe.overridden(arm.overrides).task for arm in recipe.arms.values()}
    lines = [
        line
        for task in sorted(tasks, key=repr)
        if task.benchmark not in GENERATED
        for line in overlap_lines(
            load_problems(task, "train", task.train_problems),
            load_problems(task, recipe.evaluation.split, recipe.evaluation.problems),
        )
    ]
    return list(dict.fromkeys(lines))


def open_model(
    model: str, problems: list[Problem], task: TaskConfig, engine: EngineConfig, rooms: Mapping[str, int]
) -> Path:
    """The folder of a model whose tokenizer loads and whose limit leaves room for whole completions.

    Args:
        model: folder or hub id.
        problems: that it is asked.
        task: how it is asked.
        engine: has a limit of its own.
        rooms: longest completion, by the field of the configuration that says so.

    Raises:
        ModelNotFoundError: no such model, or it has no tokenizer.
        ValueError: the longest prompt and a completion are longer than the model or the engine takes.
    """
    from transformers import AutoConfig

    from experiments.runs.prompts import render_prompts
    from training.models.folder import end_tokens, open_tokenizer, resolve_model

    folder, tokenizer = resolve_model(model), open_tokenizer(model)
    end_tokens(folder, tokenizer)
    prompts = [prompt.ids for prompt in render_prompts(problems, task, tokenizer)]
    positions = getattr(AutoConfig.from_pretrained(folder, trust_remote_code=False), "max_position_embeddings", None)
    if positions is not None:
        for field, most in rooms.items():
            check_room(prompts, field, most, positions, engine)
    return folder


def with_files(recipe: Recipe) -> Recipe:
    """The recipe with the hashes of the user's own files in it."""
    references = list[str | None]()
    for arm in recipe.arms.values():
        own = recipe.overridden(arm.overrides)
        references += [model.step_rule for model in own.reward_models.values()]
        references += [arm.algorithm, own.reward, own.task.step_reward, *task_files(own.task, own.evaluation)]
    return replace(recipe, files=file_hashes(references))
