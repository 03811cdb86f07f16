"""LoRA (arXiv 2106.09685) through peft: W + (alpha / rank) · B A for every linear layer but the head; A and B learn.

Adapters are put into the model in place, so that whatever takes a model of transformers takes it with them. A
checkpoint holds them alone, in peft's layout; an engine gets the merged weights; π_ref shares the frozen ones with the
policy. Experts that transformers fuses into one array are no linear layers, and stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.modeling_utils import remove_tied_weights_from_state_dict
from transformers.pytorch_utils import Conv1D

from sampling.weights import WeightNamesError
from training.models.shards import part_like

__all__ = [
    "adapter_weights",
    "add_adapters",
    "frozen_copy",
    "has_adapters",
    "load_adapter_weights",
    "merged_weights",
    "save_adapters",
]

ADAPTER = "default"  # peft's name for the only one
FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."  # what peft puts before every name in its file


def add_adapters(model: nn.Module, *, rank: int, alpha: float, seed: int, under_autocast: bool = False) -> None:
    """Put adapters into `model`, which computes what it did before: B starts at zero. All its own weights freeze.

    Args:
        model: of transformers.
        rank: columns of B, rows of A.
        alpha: the product is scaled by alpha / rank.
        seed: of the random A.
        under_autocast: the model runs under bfloat16 autocast alone; the frozen matrices are then kept as it would cast
            them at every pass, in half the memory and with the same results.
    """
    from peft import LoraConfig, inject_adapter_in_model

    base: Any = model.config.name_or_path  # type: ignore[union-attr]
    head: Any = model.get_output_embeddings()  # type: ignore[operator]
    layers = [
        name for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D) and module is not head
    ]
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]
        target_modules=layers,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        base_model_name_or_path=str(Path(base).resolve()) if base and Path(base).is_dir() else base,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, ADAPTER)
    if under_autocast:
        for module in model.modules():
            base = getattr(module, "base_layer", None)
            if isinstance(base, nn.Linear | Conv1D):
                base.weight.data = base.weight.data.to(torch.bfloat16)
    model.eval()


def has_adapters(model: nn.Module) -> bool:
    """Whether `add_adapters` was there."""
    return getattr(model, "peft_config", None) is not None


def frozen_copy(model: nn.Module) -> nn.Module:
    """π_ref as the policy is now, without gradient; with adapters it shares all weights that do not change."""
    shared = {id(weight): weight for weight in model.parameters() if has_adapters(model) and not weight.requires_grad}
    return copy.deepcopy(model, shared).requires_grad_(False)


@torch.no_grad()
def merged_weights(model: Any) -> dict[str, Tensor]:
    """The weights of the model without adapters that computes the same, by their names in the module."""
    merged = {}
    for name, tensor in remove_tied_weights_from_state_dict(model.state_dict(), model).items():
        if ".lora_" in name:
            continue
        path, _, attribute = name.rpartition(".")
        layer = model.get_submodule(path.removesuffix(".base_layer")) if path.endswith(".base_layer") else None
        if layer is not None and attribute == "weight":
            delta: Tensor = layer.get_delta_weight(ADAPTER)  # type: ignore[operator]
            tensor = tensor.to(torch.promote_types(tensor.dtype, delta.dtype)) + delta
        merged[name.replace(".base_layer.", ".")] = tensor
    return merged


def adapter_weights(model: nn.Module) -> dict[str, Tensor]:
    """A and B of every layer, by their names in peft's file."""
    return {
        PREFIX + name.replace(f".{ADAPTER}.", "."): parameter.detach()
        for name, parameter in model.named_parameters()
        if ".lora_" in name
    }


@torch.no_grad()
def load_adapter_weights(model: nn.Module, named: Mapping[str, Tensor]) -> None:
    """Overwrite A and B in place.

    Raises:
        WeightNamesError: the adapters are of another model or rank; nothing was overwritten.
    """
    own = adapter_weights(model)
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    if shapes != {name: tuple(tensor.shape) for name, tensor in named.items()}:
        raise WeightNamesError(
            f"these {len(named)} adapter weights are not those of this model, which has {len(own)}; expected the same "
            "architecture and lora_rank."
        )
    for name, tensor in own.items():
        tensor.copy_(part_like(tensor, named[name]))


def save_adapters(model: Any, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write the adapters as `peft.PeftModel.from_pretrained` reads them, with the name of the model they belong to.

    Args:
        model: has adapters.
        folder: gets them.
        weights: `adapter_weights` where the model's own are not whole.
    """
    model.peft_config[ADAPTER].save_pretrained(str(folder))
    held = adapter_weights(model) if weights is None else weights
    named = {name: tensor.contiguous() for name, tensor in held.items()}
    save_file(named, folder / FILE, metadata={"format": "pt"})
