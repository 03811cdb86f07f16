"""A reward model: a body of transformers with a linear head of one number, its scores, and who may ask it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerBase

from training.models.batches import TrainingBatch
from training.models.logprobs import ForwardOptions, token_values
from training.models.packing import is_packed
from training.models.policy import Policy
from training.models.scores import by_microbatch
from training.models.shards import gathered
from training.reward_models.prefixes import can_share_prompts, score_behind_prompts

__all__ = [
    "RewardModelError",
    "check_tokenizer",
    "load_reward_model",
    "open_reward_model",
    "picked",
    "score_tokens",
    "token_scores",
]

PROBE = "12 + 3 = 15\n\nSo \\boxed{15}."  # what two tokenizers of one vocabulary may still cut differently


class RewardModelError(ValueError):
    """A model cannot be used as the reward model that it is asked to be."""


def load_reward_model(folder: Path, *, like: Policy, device: str | torch.device = "cpu", fresh: bool) -> Policy:
    """The scalar-head model in `folder`, in float32, with its tokenizer.

    It is what `AutoModelForSequenceClassification` with one label loads, so TRL's `RewardTrainer` and vLLM take it too.

    Args:
        folder: of a causal language model (`fresh`), or of what was saved of a reward model.
        like: the policy that it is to score for.
        device: where it lies.
        fresh: the head starts at zero: every score is 0, every probability 1/2.

    Raises:
        RewardModelError: no such model, no plain linear head, weights are missing, or another tokenizer or vocabulary.
    """
    model, tokenizer = _loaded(folder, fresh=fresh)
    check_tokenizer(tokenizer, like.tokenizer, folder)
    if fresh:
        nn.init.zeros_(model.score.weight)
    model.config.pad_token_id = like.pad_token_id  # TRL and transformers' own forward ask for it
    return Policy(
        model=model.to(device).eval(),
        tokenizer=tokenizer,
        eos_token_ids=like.eos_token_ids,
        pad_token_id=like.pad_token_id,
    )


def open_reward_model(model: str, *, device: str | torch.device = "cpu") -> Policy:
    """A fitted reward model on its own, with the end of sequence and padding that its tokenizer names.

    Args:
        model: folder or hub id.
        device: where it lies.

    Raises:
        RewardModelError: see `load_reward_model`; also where the tokenizer names no end-of-sequence token.
    """
    loaded, tokenizer = _loaded(Path(model) if Path(model).is_dir() else model, fresh=False)
    end: Any = tokenizer.eos_token_id
    pad: Any = tokenizer.pad_token_id
    if end is None:
        raise RewardModelError(
            f"{model} has a tokenizer without an end-of-sequence token, which whole solutions are scored behind; "
            "expected one that the model was fitted with: set eos_token in its tokenizer_config.json."
        )
    return Policy(
        model=loaded.to(device).eval(),
        tokenizer=tokenizer,
        eos_token_ids=(end,),
        pad_token_id=end if pad is None else pad,
    )


def _loaded(folder: Path | str, *, fresh: bool) -> tuple[Any, PreTrainedTokenizerBase]:
    """A scalar-head model and its tokenizer, as they are."""
    try:
        result: Any = AutoModelForSequenceClassification.from_pretrained(
            folder,
            num_labels=1,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        raise RewardModelError(
            f"{folder} does not load as a reward model ({str(error).splitlines()[0]}); expected config.json, "
            "safetensors and tokenizer.json of a causal language model, or of a reward model that was fitted on one."
        ) from error
    model, info = result
    missing = sorted(set(info["missing_keys"]) - ({"score.weight"} if fresh else set()))
    if missing:
        raise RewardModelError(
            f"{folder} lacks the weights {', '.join(missing[:5])}; expected a reward model that was saved by a fit."
        )
    if not isinstance(getattr(model, "score", None), nn.Linear):
        raise RewardModelError(
            f"{folder} loads as {type(model).__name__}, which has no linear head called score; expected one as "
            "LlamaForSequenceClassification has: fit a reward model on a causal language model of such an architecture."
        )
    return model, tokenizer


def check_tokenizer(own: PreTrainedTokenizerBase, policys: PreTrainedTokenizerBase, folder: Path) -> None:
    """Refuse a reward model that reads other tokens than the policy writes.

    Raises:
        RewardModelError: names the first token that differs.
    """
    ours, theirs = own.get_vocab(), policys.get_vocab()
    differing = sorted(token for token in ours.keys() | theirs.keys() if ours.get(token) != theirs.get(token))
    if differing:
        token = differing[0]
        raise RewardModelError(
            f"the reward model in {folder} has another vocabulary than the policy: {token!r} is token "
            f"{ours.get(token)} there and {theirs.get(token)} of the policy ({len(differing)} tokens differ). It would "
            "score other texts than were written; expected a reward model of the policy's own tokenizer."
        )
    if own(PROBE, add_special_tokens=False).input_ids != policys(PROBE, add_special_tokens=False).input_ids:
        raise RewardModelError(
            f"the reward model in {folder} has the policy's vocabulary and cuts {PROBE!r} into other tokens; expected "
            "a reward model of the policy's own tokenizer."
        )


def token_scores(model: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """The score z of each completion's text up to and with each token. (B, T), zero outside the mask, with gradient."""
    body: Any = model.base_model
    head: Any = model.score
    return gathered(model, lambda: token_values(body, head, batch, after=True, use_autocast=options.use_autocast))


def score_tokens(model: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """`token_scores` of a whole batch without gradient, in pieces of at most so many tokens. (B, T).

    A prompt that several completions have in common is read once.
    """
    if can_share_prompts(model, batch):
        return gathered(model, lambda: score_behind_prompts(model, batch, options))
    return by_microbatch(batch, options, is_packed(model), lambda part: token_scores(model, part, options))


def picked(scores: Tensor, ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
    """The scores at these tokens of each row. (B, T) -> B tuples."""
    rows: list[list[float]] = scores.double().tolist()
    return [tuple(row[end] for end in of_row) for row, of_row in zip(rows, ends, strict=True)]
