"""Weights by the names of a checkpoint: what a model folder holds, what engines load and what a resume reads.

A model of transformers may keep its weights otherwise than its checkpoint does: the experts of a Qwen3-MoE or Mixtral
layer lie fused in one array, GPT-NeoX's ``embed_out`` is called ``lm_head``. Whatever leaves a model here goes by the
checkpoint's names, and whatever comes in is taken by them; the conversions are transformers' own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import revert_weight_conversion
from transformers.modeling_utils import remove_tied_weights_from_state_dict

__all__ = ["WeightNamesError", "checkpoint_weights", "converts", "load_checkpoint_weights", "own_weights"]


class WeightNamesError(KeyError):
    """Weights that are not those of the model: a name too many or too few, or another shape."""

    def __str__(self) -> str:  # a KeyError shows its message as a literal
        return str(self.args[0])


def checkpoint_weights(model: nn.Module, weights: Mapping[str, torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
    """Every weight by the name that `save_pretrained` gives it, shared ones once; detached, copied only where split.

    Args:
        model: of transformers.
        weights: by their names in the module; ``None`` takes the model's.
    """
    assert isinstance(model, PreTrainedModel)
    return revert_weight_conversion(model, own_weights(model) if weights is None else dict(weights))


@torch.no_grad()
def load_checkpoint_weights(
    model: nn.Module,
    named: Mapping[str, torch.Tensor],
    cut: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = lambda own, found: found,
) -> None:
    """Overwrite all weights of `model` in place.

    Args:
        model: of transformers; its parameters stay the same objects, so that an optimiser goes on with them.
        named: every weight by its name in a checkpoint; moved and cast as needed.
        cut: what is copied into one of the model's weights, from it and the whole one.

    Raises:
        WeightNamesError: a weight is missing, unknown or of another shape. Nothing was overwritten.
    """
    assert isinstance(model, PreTrainedModel)
    own = own_weights(model)
    found = _run_time_weights(model, named) if converts(model) else named
    _check(type(model).__name__, found, own)
    for name, tensor in own.items():
        tensor.copy_(cut(tensor, found[name]))


def own_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights by their names in the module, shared ones once; detached, not copied."""
    assert isinstance(model, PreTrainedModel)
    return remove_tied_weights_from_state_dict(model.state_dict(), model)


def converts(model: nn.Module) -> bool:
    """True where names or shapes in the module are others than those in a checkpoint."""
    assert isinstance(model, PreTrainedModel)
    conversions = getattr(model, "_weight_conversions", None)  # of a model that was loaded
    if conversions is None:
        conversions = get_model_conversion_mapping(model, add_legacy=False)
    return len(conversions) > 0


def _run_time_weights(model: PreTrainedModel, named: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The same weights by their names in the module, by way of a second model that transformers loads from them."""
    if not named:
        return named
    dtype = next(model.parameters()).dtype
    loaded: Any = type(model).from_pretrained(
        None,
        config=copy.deepcopy(model.config),
        state_dict=dict(named),
        dtype=dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # told below, with the rest
    )
    twin, info = loaded
    lost, unknown = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    other = sorted(str(entry[0]) for entry in info["mismatched_keys"])
    if lost or unknown or other:
        raise WeightNamesError(_message(type(model).__name__, lost, unknown, other))
    return own_weights(twin)


def _check(model: str, found: Mapping[str, torch.Tensor], own: Mapping[str, torch.Tensor]) -> None:
    lost, unknown = sorted(own.keys() - found.keys()), sorted(found.keys() - own.keys())
    other = sorted(name for name in own.keys() & found.keys() if own[name].shape != found[name].shape)
    if lost or unknown or other:
        raise WeightNamesError(_message(model, lost, unknown, other))


def _message(model: str, lost: list[str], unknown: list[str], other: list[str]) -> str:
    return (
        f"these are not the weights of this {model}: missing {lost[:3]}, unknown {unknown[:3]}, of another shape "
        f"{other[:3]}; expected the names and shapes of its own checkpoint, not of another architecture or size."
    )
