"""A fitted reward model on its own, from the folder of its fit or of its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from experiments.records.same import read_json
from training.models.logprobs import ForwardOptions
from training.reward_models.model import RewardModelError, open_reward_model
from training.reward_models.serving import RewardModel

__all__ = ["Scorer", "open_scorer"]


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A reward model that was opened.

    Attributes:
        model: scores.
        supervision: what it was fitted to score.
    """

    model: RewardModel
    supervision: Literal["outcome", "process"]


def open_scorer(
    model: str, device: str, microbatch_tokens: int, *, supervision: Literal["outcome", "process"] | None = None
) -> Scorer:
    """The reward model of a fit with its members and temperatures, or that of a model folder, at temperature 1.

    Args:
        model: folder of a fit (`reward_models/…` of a comparison), or a scalar-head model's folder or hub id.
        device: ``"cpu"`` or ``"cuda"``; on a GPU a fit is read in the precision that it was fitted in, weights on their
            own in float32.
        microbatch_tokens: most tokens of a pass.
        supervision: that a fit must have had; ``None`` takes either. Weights on their own do not say: they are taken
            for a model of steps.

    Raises:
        RewardModelError: no such model, or a fit with another supervision.
    """
    options = ForwardOptions(microbatch_tokens=microbatch_tokens)
    finished = Path(model) / "finished.json"
    if not finished.is_file():
        alone = RewardModel(members=[open_reward_model(model, device=device)], temperatures=[1.0], options=options)
        return Scorer(model=alone, supervision=supervision or "process")
    held = read_json(finished, remedy="name another folder")
    config = read_json(Path(model) / "config.json", remedy="name another folder")
    own = config.get("model")
    own = own if isinstance(own, dict) else {}  # that of a run is a name
    found = own.get("supervision")
    if "models" not in held or found not in ("outcome", "process") or found != (supervision or found):
        wanted = "reward model" if supervision is None else f"{supervision} reward model"
        raise RewardModelError(
            f"{model} is not the fit of a {wanted}; expected a folder of reward_models/ of a comparison"
            + ("." if supervision is None else f", fitted with supervision {supervision!r}.")
        )
    members = [open_reward_model(str(Path(model) / path), device=device) for path in held["models"]]
    fitted = RewardModel(
        members=members,
        temperatures=held["temperatures"],
        options=replace(options, use_autocast=own["use_autocast"] and device != "cpu"),
        combine=own["combine"],
        std_weight=own["std_weight"],
    )
    return Scorer(model=fitted, supervision=found)
