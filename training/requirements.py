"""Does a run have what its algorithm needs? Asked once, before anything is trained or sampled."""

from __future__ import annotations

from algorithms.interface import Algorithm, BatchUnit, Need
from training.trainer import TrainingConfig

__all__ = ["check_requirements"]


def check_requirements(algorithm: Algorithm, training: TrainingConfig, name: str) -> None:
    """Refuse a combination that could only fail, or train on nothing, later.

    Args:
        algorithm: what is trained.
        training: how.
        name: the algorithm's name, for the message.

    Raises:
        ValueError: groups or pairs with one completion a problem; pairs without `BatchUnit.PAIR`; a critic without
            `value_targets`.
    """
    needs = algorithm.needs
    if needs & {Need.GROUPS, Need.PAIRS} and training.group_size < 2:
        raise ValueError(
            f"{name} compares completions of a problem; group_size is {training.group_size}, expected 2 or more."
        )
    if (Need.PAIRS in needs) != (algorithm.batch_unit is BatchUnit.PAIR):
        raise ValueError(f"{name}: Need.PAIRS and BatchUnit.PAIR go together; it has only one of them.")
    if Need.CRITIC in needs and not hasattr(algorithm, "value_targets"):
        raise ValueError(f"{name} needs a critic but has no value_targets(batch) for it to learn.")
