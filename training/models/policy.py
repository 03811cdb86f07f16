"""The policy: loading a causal language model from a folder or the hub, and saving it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from sampling.weights import checkpoint_weights, converts, load_checkpoint_weights, own_weights
from training.models.folder import ModelNotFoundError, end_tokens, resolve_model
from training.models.lora import adapter_weights, has_adapters, load_adapter_weights, merged_weights, save_adapters
from training.models.shards import is_sharded, part_like, to_write, whole

__all__ = ["Policy", "learnt_weights", "load_learnt_weights", "load_policy", "named_weights", "weights_to_write"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A causal language model with its tokenizer.

    Attributes:
        model: float32 weights; π_θ.
        tokenizer: its tokenizer.
        eos_token_ids: tokens that end a completion.
        pad_token_id: fills up batches.
    """

    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    eos_token_ids: tuple[int, ...]
    pad_token_id: int

    @property
    def end_token_id(self) -> int:
        """The token that ends a demonstration: the tokenizer's own where it is one that ends a completion."""
        own = self.tokenizer.eos_token_id
        return own if own in self.eos_token_ids else self.eos_token_ids[0]

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.model.parameters()).device

    @property
    def num_parameters(self) -> int:
        """Parameters, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def max_positions(self) -> int:
        """Most tokens of prompt and completion together."""
        config: Any = self.model.config
        return config.max_position_embeddings

    @property
    def architecture(self) -> str:
        """What the weights do not say (heads, positions, rotation, …), as JSON; not where it was loaded from."""
        config: Any = self.model.config
        told = {name: value for name, value in config.to_dict().items() if not name.startswith("_")}
        return json.dumps(told, sort_keys=True, default=str)

    def save(self, folder: Path, weights: Mapping[str, torch.Tensor] | None = None) -> None:
        """Write config, safetensors and tokenizer, as `AutoModelForCausalLM` and vLLM load them, or adapters alone.

        Many published generation configs name a temperature with sampling off, which transformers loads and then
        refuses to save; there sampling is switched on. Nothing here reads it: every request has its own settings.

        Args:
            folder: gets it all.
            weights: what `weights_to_write` gave; ``None`` takes the model's.
        """
        self.tokenizer.save_pretrained(folder)
        if has_adapters(self.model):
            save_adapters(self.model, folder, weights)
            return
        generation = getattr(self.model, "generation_config", None)
        if generation is not None and not generation.do_sample:
            sampled = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
            plain = type(generation)()
            if any(getattr(generation, name, None) not in (None, getattr(plain, name, None)) for name in sampled):
                generation.do_sample = True
        self.model.save_pretrained(folder, state_dict=weights)  # type: ignore[operator]


def load_policy(model: str | Path, *, device: str = "cpu") -> Policy:
    """Load a causal language model in float32 with its tokenizer.

    Args:
        model: folder or hub id.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        ModelNotFoundError: see `resolve_model` and `end_tokens`; also where weights are missing or of another kind.
    """
    folder = resolve_model(str(model))
    try:
        result: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, trust_remote_code=False, use_safetensors=True
        )
        loaded, info = result
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, KeyError) as error:
        raise ModelNotFoundError(
            f"{folder} does not load as a causal language model with a tokenizer ({str(error).splitlines()[0]}); "
            "expected config.json, safetensors and tokenizer.json as `save_pretrained` writes them, of an architecture "
            "that transformers has itself."
        ) from error
    if info["missing_keys"]:
        raise ModelNotFoundError(
            f"{folder} lacks the weights {', '.join(sorted(info['missing_keys'])[:5])}; expected those of the whole "
            "model in its safetensors: copy or fetch the folder anew."
        )
    tokens = end_tokens(folder, tokenizer)
    loaded.eval()  # dropout off: the policy that is trained is the one that is sampled
    return Policy(
        model=loaded.to(device),
        tokenizer=tokenizer,
        eos_token_ids=tokens.eos_token_ids,
        pad_token_id=tokens.pad_token_id,
    )


def named_weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """(checkpoint name, tensor) of every weight, for `Sampler.load_weights`; shared weights once, adapters merged."""
    own = merged_weights(model) if has_adapters(model) else own_weights(model)
    if is_sharded(model) and not converts(model):  # one at a time: all of them may not fit
        yield from ((name, whole(tensor)) for name, tensor in own.items())
    else:
        yield from checkpoint_weights(model, {name: whole(tensor) for name, tensor in own.items()}).items()


def weights_to_write(model: nn.Module) -> dict[str, torch.Tensor] | None:
    """What `Policy.save` takes of a sharded model, whose ranks all ask for it; ``None`` of any other."""
    if not is_sharded(model):
        return None
    learnt = adapter_weights(model) if has_adapters(model) else own_weights(model)
    return {name: to_write(tensor) for name, tensor in learnt.items()}


def learnt_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of a model: its adapters where it has them, else every weight; as it is written down."""
    if not has_adapters(model) and (converts(model) or not is_sharded(model)):
        return dict(named_weights(model))
    held = adapter_weights(model) if has_adapters(model) else own_weights(model)
    return {name: to_write(tensor) for name, tensor in held.items()}


def load_learnt_weights(model: nn.Module, named: Mapping[str, torch.Tensor]) -> None:
    """Read what `learnt_weights` gave, in place.

    Raises:
        WeightNamesError: they are those of another model.
    """
    if has_adapters(model):
        load_adapter_weights(model, named)
    else:
        load_checkpoint_weights(model, named, part_like)
