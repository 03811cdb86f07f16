"""The policy: loading a causal language model from a folder or the hub, and saving it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from sampling.weights import checkpoint_weights

__all__ = ["ModelNotFoundError", "Policy", "load_policy", "named_weights", "resolve_model"]


class ModelNotFoundError(FileNotFoundError):
    """The model is neither a folder with a causal language model nor in reach on the hub."""


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
        """Trainable parameters, shared ones counted once."""
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

    def save(self, folder: Path) -> None:
        """Write config, safetensors and tokenizer, as `AutoModelForCausalLM` and vLLM load them.

        Many published generation configs name a temperature with sampling off, which transformers loads and then
        refuses to save; there sampling is switched on. Nothing here reads it: every request has its own settings.
        """
        generation = getattr(self.model, "generation_config", None)
        if generation is not None and not generation.do_sample:
            sampled = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
            plain = type(generation)()
            if any(getattr(generation, name, None) not in (None, getattr(plain, name, None)) for name in sampled):
                generation.do_sample = True
        self.model.save_pretrained(folder)  # type: ignore[operator]
        self.tokenizer.save_pretrained(folder)


def resolve_model(model: str) -> Path:
    """The folder of a model: a path as it is, a hub id through the hub's cache or a download.

    Raises:
        ModelNotFoundError: no such folder, or the hub cannot be reached and has nothing cached.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
            raise ModelNotFoundError(
                f"{path} is not a model folder: it has no config.json (it holds {found}). Expected a Hugging Face "
                "checkpoint with config.json and safetensors; `coeflab convert` makes one from a GGUF file."
            )
        _check_architecture(path)
        return path
    if path.is_absolute() or model.startswith(".") or model.count("/") != 1:
        raise ModelNotFoundError(
            f"model folder {model!r} does not exist; expected a folder or a hub id like 'org/name'."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
        folder = Path(snapshot_download(model, allow_patterns=patterns))
    except (LocalEntryNotFoundError, HfHubHTTPError, ConnectionError) as error:
        raise ModelNotFoundError(
            f"model {model!r} is not a folder here and could not be fetched from the hub "
            f"({type(error).__name__}). Give a local folder, or go online once to fill the hub's cache."
        ) from error
    _check_architecture(folder)
    return folder


def _check_architecture(folder: Path) -> None:
    """Refuse a folder whose config names no causal language model: loading it would give a random output layer."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelNotFoundError(f"{folder / 'config.json'} cannot be read as JSON: {error}.") from error
    names = config.get("architectures") if isinstance(config, dict) else config
    names = [] if names is None else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelNotFoundError(
            f"{folder / 'config.json'}: architectures is {repr(names)[:80]}; expected a list of class names."
        )
    if not any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        raise ModelNotFoundError(
            f"{folder} is not a causal language model: its config.json names {', '.join(names) or 'no architecture'}, "
            "expected one that ends in ForCausalLM."
        )


def load_policy(model: str | Path, *, device: str = "cpu") -> Policy:
    """Load a causal language model in float32 with its tokenizer.

    Args:
        model: folder or hub id.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        ModelNotFoundError: see `resolve_model`; also where the folder holds no causal language model.
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
            f"{folder} does not load as a causal language model with a tokenizer: {str(error).splitlines()[0]}"
        ) from error
    if info["missing_keys"]:
        raise ModelNotFoundError(f"{folder} lacks the weights {', '.join(sorted(info['missing_keys'])[:5])}.")
    eos = loaded.generation_config.eos_token_id if loaded.generation_config is not None else None
    eos = eos if eos is not None else tokenizer.eos_token_id
    if eos is None:
        raise ModelNotFoundError(f"{folder} names no end-of-sequence token, so completions could not end.")
    eos_token_ids = tuple(eos) if isinstance(eos, list) else (eos,)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos_token_ids[0]
    loaded.eval()  # dropout off: the policy that is trained is the one that is sampled
    return Policy(model=loaded.to(device), tokenizer=tokenizer, eos_token_ids=eos_token_ids, pad_token_id=pad)


def named_weights(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """(checkpoint name, tensor) of every weight, for `Sampler.load_weights`; shared weights once."""
    yield from checkpoint_weights(model).items()
