"""A reward model fitted to pairs by TRL's `RewardTrainer` (Bradley–Terry): its own trainer, our model and our data.

    L = −mean log σ(z(o⁺) − z(o⁻))          (Stiennon et al. 2020, arXiv 2009.01325; `objective.ranking_loss`)

Only differences of scores of one problem are learned, so a score is no probability until a temperature is fitted, and
has no zero. Where right and wrong are known, the pointwise objective learns that too; this is for labels that rank.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewards.verdict import ScoredRollout
from training.durable import write_whole
from training.models.policy import Policy
from training.reward_models.examples import LabelError

__all__ = ["RANKED", "Pair", "fit_by_ranking", "pair_tokens", "ranked_pairs"]

RANKED = "ranking.json"  # what TRL logged; written last

Pair = tuple[ScoredRollout, ScoredRollout]
"""A better and a worse completion of one problem."""


def ranked_pairs(examples: Sequence[ScoredRollout]) -> list[Pair]:
    """min(right, wrong) pairs of each problem, each completion in one at most, in the order they were drawn.

    Right is what the label at the last token says, which a control may have shuffled.

    Raises:
        LabelError: there is no pair.
    """
    groups: dict[str, list[ScoredRollout]] = {}
    for item in examples:
        if item.step_rewards:
            groups.setdefault(item.rollout.problem.problem_id, []).append(item)
    pairs = [
        pair
        for group in groups.values()
        for pair in zip(
            [item for item in group if item.step_rewards[-1] > 0.5],
            [item for item in group if item.step_rewards[-1] <= 0.5],
            strict=False,
        )
    ]
    if not pairs:
        raise LabelError(
            "no problem has a right and a wrong completion; expected both of at least one, which pairs are made of. "
            "Solve more problems or each more often (problems, samples), or fit with objective 'pointwise'."
        )
    return pairs


def pair_tokens(pairs: Sequence[Pair]) -> int:
    """Tokens of both completions of every pair, with their prompts."""
    return sum(len(_ids(item)) for pair in pairs for item in pair)


def fit_by_ranking(
    model: Policy,
    pairs: Sequence[Pair],
    folder: Path,
    *,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    seed: int,
) -> Path:
    """Fit a scalar-head model to pairs with TRL.

    Args:
        model: changed in place.
        pairs: better and worse completions.
        folder: gets the model, and ``ranking.json`` with what TRL logged at each step.
        learning_rate: AdamW's, falling linearly to 0 as TRL has it.
        epochs: passes over the pairs.
        batch_size: pairs of an optimiser step.
        seed: of their order.

    Returns:
        The folder.

    Raises:
        ModuleNotFoundError: TRL is not installed.
    """
    from datasets import Dataset
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    rows = [{"chosen_ids": _ids(better), "rejected_ids": _ids(worse)} for better, worse in pairs]
    options: dict[str, Any] = {
        "output_dir": str(folder / "trl"),
        "per_device_train_batch_size": batch_size,
        "num_train_epochs": epochs,
        "learning_rate": learning_rate,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "max_length": None,
        "bf16": False,
        "gradient_checkpointing": False,
        "disable_dropout": True,
        "seed": seed,
        "use_cpu": model.device.type == "cpu",
        "disable_tqdm": True,
    }
    trainer = RewardTrainer(
        model=model.model,  # type: ignore[arg-type]
        args=RewardConfig(**options),
        processing_class=model.tokenizer,
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    model.model.eval()
    model.save(folder)
    history = [row for row in trainer.state.log_history if "loss" in row]
    shutil.rmtree(folder / "trl", ignore_errors=True)
    write_whole(folder / RANKED, json.dumps(history, indent=2) + "\n")
    return folder


def _ids(item: ScoredRollout) -> list[int]:
    return [*item.rollout.prompt_ids, *item.rollout.completion_ids]
