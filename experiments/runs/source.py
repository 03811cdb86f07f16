"""Where the completions come from that a run trains on (Table 10, column 1)."""

from __future__ import annotations

from pathlib import Path

from algorithms.interface import Algorithm, DataSource, Need
from experiments.records.config import RunConfig
from experiments.records.folder import RunFolder
from experiments.runs.answering import tool_rounds
from experiments.runs.prompts import demonstrations, record_training_prompts, training_prompts
from experiments.runs.setup import RunSetup
from sampling.engines import check_room
from sampling.sampler import SamplingConfig
from training.models.policy import Policy
from training.parallel.ranks import Ranks
from training.peers.methods import TrlMethod
from training.sources.interface import Source
from training.sources.iterated import IteratedSource
from training.sources.mixture import ConcatenatedSource
from training.sources.offline import OfflineSource
from training.sources.online import OnlineSource
from training.sources.prompts import Prompts
from training.staleness.ahead import AheadSource, draws_beside

__all__ = ["training_source"]


def training_source(setup: RunSetup, algorithm: Algorithm | TrlMethod, offline: Path | None) -> Source:
    """The source that an algorithm names; what is asked is recorded in the folder.

    Args:
        setup: of the run. Its sampler holds the start policy when this is called.
        algorithm: says which source.
        offline: the start policy's completions (`OfflineJob`), for an algorithm that trains on them.

    Raises:
        ValueError: there is no file of offline completions, or no room for completions behind a prompt.
    """
    folder, policy = setup.folder, setup.policy
    if algorithm.data_source is DataSource.DEMONSTRATIONS:
        return _demonstrations(folder, policy)
    config, training = folder.config, folder.config.training
    assert training is not None
    prompts = training_prompts(
        config.task,
        policy,
        per_step=training.problems_per_step,
        seed=config.seed,
        demonstrated=config.demonstrated,
    )
    record_training_prompts(folder, policy, prompts)
    if algorithm.data_source is DataSource.OFFLINE:
        if offline is None:
            raise ValueError(f"{config.arm} trains on completions of the start policy, and was given no file of them.")
        return OfflineSource.read(offline, prompts)
    online = _online(setup, algorithm, prompts)
    if algorithm.data_source is DataSource.ITERATED:
        every = training.iteration_steps or training.steps
        return IteratedSource(online=online, every=every, steps=training.steps, folder=folder.path)
    if training.max_staleness:
        return _ahead(folder, algorithm, online, setup.ranks)
    return online


def _demonstrations(folder: RunFolder[RunConfig], policy: Policy) -> Source:
    """o ~ P_sft: solutions of the training problems, one each or concatenated to a context."""
    config, training = folder.config, folder.config.training
    assert training is not None
    per_step = training.problems_per_step * training.group_size
    seed = f"train/{config.seed}"
    source = demonstrations(config.task, policy, count=config.task.train_problems, per_step=per_step, seed=seed)
    record_training_prompts(folder, policy, source.prompts)
    if training.context_tokens is None:
        return source
    return ConcatenatedSource(
        demonstrations=source,
        context=training.context_tokens,
        rows_per_step=training.problems_per_step,
        seed=seed,
    )


def _online(setup: RunSetup, algorithm: Algorithm | TrlMethod, prompts: Prompts) -> OnlineSource:
    """o ~ π_θ, in groups."""
    policy, config, training = setup.policy, setup.folder.config, setup.folder.config.training
    assert training is not None
    room = training.max_completion_tokens
    check_room(prompts.prompt_ids, "max_completion_tokens", room, policy.max_positions, config.engine)
    return OnlineSource(
        sampler=setup.sampler,
        policy=policy,
        prompts=prompts,
        sampling=SamplingConfig(
            temperature=training.temperature,
            top_k=training.truncation.top_k,
            top_p=training.truncation.top_p,
            min_p=training.truncation.min_p,
            max_tokens=room,
            with_logprobs=Need.SAMPLER_LOGPROBS in algorithm.needs,
            stop=setup.prompt.stop,
        ),
        group_size=training.group_size,
        run_seed=config.seed,
        rounds=tool_rounds(config.task, setup.prompt),
        on_progress=lambda done, total: setup.report("sample", done, total, "completions"),
    )


def _ahead(
    folder: RunFolder[RunConfig], algorithm: Algorithm | TrlMethod, online: OnlineSource, ranks: Ranks
) -> AheadSource:
    """o ~ π_old of `max_staleness` updates before."""
    config, training = folder.config, folder.config.training
    assert training is not None
    if not algorithm.needs & {Need.OLD_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT}:
        folder.note(
            f"max_staleness {training.max_staleness}: {config.algorithm} takes no ratio, so that completions "
            "of older policies are trained on as if they were of today's"
        )
    return AheadSource(
        online=online,
        staleness=training.max_staleness,
        steps=training.steps,
        folder=folder.path,
        beside=draws_beside(training, config.engine, ranks=ranks.world),
    )
