"""Does a run have what its algorithm needs? Asked once, before anything is trained or sampled."""

from __future__ import annotations

from importlib.util import find_spec

from algorithms.interface import Algorithm, BatchUnit, DataSource, Exclusion, Need
from training.config import TrainingConfig

__all__ = ["check_packages", "check_requirements", "check_shards"]


def check_requirements(algorithm: Algorithm, training: TrainingConfig, name: str, *, ranks: int = 1) -> None:
    """Refuse a combination that could only fail, or train on nothing, later.

    Args:
        algorithm: what is trained.
        training: how.
        name: the algorithm's name, for the message.
        ranks: processes that train the run together.

    Raises:
        ValueError: groups or pairs with one completion a problem; pairs without `BatchUnit.PAIR`; a critic without
            `value_targets`; greedy completions of a policy that no engine holds; iterations that the data source does
            not have, or has and is not given; logprobs of the policy that drew the batch, where that is not π_θ; an
            option whose package is not installed; shards of what cannot be cut.
    """
    check_packages(training)
    check_shards(training, name, ranks)
    _check_truncation(algorithm, training, name)
    _check_staleness(algorithm, training, name)
    needs = algorithm.needs
    pairs = needs & {Need.PAIRS, Need.RANKED_PAIRS}
    if (pairs or Need.GROUPS in needs) and training.group_size < 2:
        raise ValueError(
            f"{name} compares completions of a problem; group_size is {training.group_size}, expected 2 or more."
        )
    if bool(pairs) != (algorithm.batch_unit is BatchUnit.PAIR):
        raise ValueError(
            f"{name} has batch_unit {algorithm.batch_unit} and {'a' if pairs else 'no'} need of pairs; expected "
            "BatchUnit.PAIR with, and only with, Need.PAIRS or Need.RANKED_PAIRS."
        )
    if Need.GREEDY_REWARD in needs and algorithm.data_source is not DataSource.ONLINE:
        raise ValueError(
            f"{name} compares with the policy's own greedy completion and has data source {algorithm.data_source}; "
            f"expected {DataSource.ONLINE}, where the engine holds the policy at every step."
        )
    if Need.CRITIC in needs and not hasattr(algorithm, "value_targets"):
        raise ValueError(
            f"{name} needs a critic but has no value_targets(batch) for it to learn; expected that method, as PPO has "
            "it, or needs without Need.CRITIC."
        )
    source = algorithm.data_source
    if source is DataSource.ITERATED and training.iteration_steps is None:
        raise ValueError(
            f"{name} draws from the policy at the start of each iteration; iteration_steps of its training is null, "
            "expected the steps of an iteration."
        )
    of_sampler = needs & {Need.OLD_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT, Need.SAMPLER_LOGPROBS}
    if source is not DataSource.ONLINE and of_sampler:
        raise ValueError(
            f"{name} takes its ratio to the policy that drew the batch, whose logprobs are not kept where completions "
            f"come from {source}; expected data source {DataSource.ONLINE}."
        )
    if source in (DataSource.DEMONSTRATIONS, DataSource.OFFLINE) and training.iteration_steps is not None:
        raise ValueError(
            f"{name} trains on data that do not change with the policy; iteration_steps is "
            f"{training.iteration_steps}, expected null."
        )


def check_shards(training: TrainingConfig, name: str, ranks: int) -> None:
    """Refuse to shard what one process trains, or with an option that works on whole weights.

    Raises:
        ValueError: names the fields.
    """
    if training.shard == "none":
        return
    sharded = f"{name}: shard is {training.shard!r}"
    if ranks == 1:
        raise ValueError(
            f"{sharded}, and one process trains the run; expected several (coeflab train --gpus N or --ranks N, or "
            "torchrun), or 'none'."
        )
    if training.optimizer == "adamw_8bit":
        raise ValueError(
            f"{sharded} and optimizer 'adamw_8bit', whose blocks of 256 numbers each number of processes would cut in "
            "another way; expected optimizer 'adamw'."
        )


def _check_staleness(algorithm: Algorithm, training: TrainingConfig, name: str) -> None:
    """Refuse to sample ahead where completions are not π_θ's, or where a step asks π_θ for more of them.

    Raises:
        ValueError: names the field and what the method asks for.
    """
    if not training.max_staleness:
        return
    ahead = f"{name}: max_staleness is {training.max_staleness}"
    if algorithm.data_source is not DataSource.ONLINE:
        raise ValueError(
            f"{ahead}, and its data are {algorithm.data_source}, which do not follow the policy from step to step; "
            f"expected 0, or data source {DataSource.ONLINE}."
        )
    if Need.GREEDY_REWARD in algorithm.needs:
        raise ValueError(
            f"{ahead}, and it compares with the greedy completion of the policy that is trained; expected 0, or "
            "another baseline."
        )
    if Exclusion.EQUAL_GROUPS in algorithm.exclude:
        raise ValueError(
            f"{ahead}, and dynamic sampling draws further problems at the step itself, from another policy than the "
            "first ones; expected 0, or exclude_equal_groups=false."
        )


UNDER_TRUNCATION = frozenset(
    {
        Need.GROUPS,
        Need.CORRECT,
        Need.STEP_REWARDS,
        Need.OLD_LOGPROBS,
        Need.OLD_LOGPROBS_FOR_CREDIT,
        Need.GREEDY_REWARD,
        Need.CRITIC,
    }
)  # what is the same, or taken of what is left too, where the sampled distribution is cut


def _check_truncation(algorithm: Algorithm, training: TrainingConfig, name: str) -> None:
    """Refuse to cut the sampled distribution where a method reads another one than it would be cut to.

    Raises:
        ValueError: names the fields, and what the method reads.
    """
    if training.truncation.silent:
        return
    cut = f"top_k {training.top_k}, top_p {training.top_p}, min_p {training.min_p}"
    if algorithm.data_source is not DataSource.ONLINE:
        raise ValueError(
            f"{name} trains on {algorithm.data_source} and its training has {cut}: its completions are not drawn from "
            f"π_θ so cut; expected none of them, or data source {DataSource.ONLINE}."
        )
    other = sorted(algorithm.needs - UNDER_TRUNCATION)
    if other:
        raise ValueError(
            f"{name} reads {' and '.join(other)}, of whole distributions, and its training has {cut}; expected "
            "none of them, or a method without it (kl_coef=0 reads no reference)."
        )


def check_packages(training: TrainingConfig) -> None:
    """Refuse an option whose package is not installed.

    Raises:
        ValueError: names the option, the package and the extra.
    """
    used = {"peft": training.lora_rank is not None, "torchao": training.optimizer == "adamw_8bit"}
    fields = {"peft": f"lora_rank {training.lora_rank}", "torchao": f"optimizer {training.optimizer!r}"}
    for package in (package for package, wanted in used.items() if wanted):
        if find_spec(package) is None:
            raise ValueError(
                f"{fields[package]} needs the package {package}, which is not installed; expected the extra `large`: "
                "pip install 'coeflab[large]'."
            )
