"""A model's folder: where it is, and whether what lies in it can be trained; asked before anything is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from sampling.chat_templates import ChatTemplateError, render_chats

__all__ = ["EndTokens", "ModelNotFoundError", "end_tokens", "open_tokenizer", "resolve_model"]

ANSWER = "coeflab"  # stands for an answer where a chat template is asked what follows one
OTHER_SENSES = (
    "vision_config",
    "audio_config",
    "vision_tower",
    "mm_vision_tower",
    "image_token_id",
    "image_token_index",
)
QUANTISED = ("quantization_config", "compression_config", "quantization")


class ModelNotFoundError(FileNotFoundError):
    """The model is neither a folder with a causal language model that can be trained nor in reach on the hub."""


@dataclass(frozen=True, kw_only=True)
class EndTokens:
    """How completions of a model end.

    Attributes:
        eos_token_ids: tokens that end a completion: the generation configuration's, and the one with which the chat
            template ends an answer, where that is another.
        pad_token_id: fills up batches; it is never attended to.
    """

    eos_token_ids: tuple[int, ...]
    pad_token_id: int


def resolve_model(model: str) -> Path:
    """The folder of a model: a path as it is, a hub id through the hub's cache or a download.

    Raises:
        ModelNotFoundError: no such folder, the hub cannot be reached and has nothing cached, or the model is one that
            cannot be trained here: not a causal language model, of several modalities, quantised, an adapter without
            its base, without a longest sequence, or with a projection behind its embeddings.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        _check_folder(path)
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
    _check_folder(folder)
    return folder


def open_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder or hub id, without its weights.

    Raises:
        ModelNotFoundError: see `resolve_model`; also where the folder holds no tokenizer.
    """
    folder = resolve_model(model)
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, KeyError) as error:
        raise ModelNotFoundError(
            f"{folder} has no tokenizer that loads ({str(error).splitlines()[0]}); expected tokenizer.json beside "
            "config.json."
        ) from error


def _check_folder(folder: Path) -> None:
    """Refuse what cannot be trained, by its files alone, each kind in one sentence."""
    if not (folder / "config.json").is_file():
        _refuse_incomplete(folder)
    told = _read_config(folder)
    if senses := sorted(told.keys() & set(OTHER_SENSES)):
        raise ModelNotFoundError(
            f"{folder} is a model of several modalities: its config.json has {', '.join(senses)}; expected one of text "
            "alone."
        )
    names = told["architectures"]
    if not any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        raise ModelNotFoundError(
            f"{folder} is not a causal language model: its config.json names {', '.join(names) or 'no architecture'}, "
            "expected one that ends in ForCausalLM."
        )
    if told.keys() & set(QUANTISED):
        method = next(told[name] for name in QUANTISED if name in told)
        named = method.get("quant_method", "unnamed method") if isinstance(method, dict) else method
        raise ModelNotFoundError(
            f"{folder} holds quantised weights ({named}), which have no gradient; expected the model that they were "
            "made of, in bfloat16 or float32."
        )
    _check_sizes(folder)


def _refuse_incomplete(folder: Path) -> None:
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        try:
            base = json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"]
        except (OSError, ValueError, RecursionError, KeyError, TypeError):
            base = "its base model"
        raise ModelNotFoundError(
            f"{folder} holds an adapter alone, without the model that it changes ({base}); expected a whole model: "
            f"`coeflab convert {folder} --out DIR` merges the two."
        )
    found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "nothing"
    raise ModelNotFoundError(
        f"{folder} is not a model folder: it has no config.json (it holds {found}). Expected a Hugging Face "
        "checkpoint with config.json and safetensors; `coeflab convert` makes one from a GGUF file."
    )


def _read_config(folder: Path) -> dict[str, Any]:
    """What config.json says; ``"architectures"`` is a list of names, which may be empty."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelNotFoundError(
            f"{folder / 'config.json'} cannot be read as JSON ({error}); expected what `save_pretrained` writes: copy "
            "or fetch the folder anew."
        ) from error
    names = config.get("architectures") if isinstance(config, dict) else config
    names = [] if names is None else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ModelNotFoundError(
            f"{folder / 'config.json'}: architectures is {repr(names)[:80]}; expected a list of class names."
        )
    return {**(config if isinstance(config, dict) else {}), "architectures": names}


def _check_sizes(folder: Path) -> None:
    """Refuse what its configuration class, defaults included, says cannot work."""
    config = _load_config(folder)
    kind = config.model_type
    if getattr(config, "max_position_embeddings", None) is None:
        raise ModelNotFoundError(
            f"{folder} ({kind}) names no longest sequence: its config.json has no max_position_embeddings; expected an "
            "architecture that has one, since prompts and completions are checked against it."
        )
    projected = getattr(config, "word_embed_proj_dim", None)
    if projected not in (None, config.hidden_size):
        raise ModelNotFoundError(
            f"{folder} ({kind}) projects its embeddings from word_embed_proj_dim {projected} to hidden_size "
            f"{config.hidden_size}; expected one width throughout, which a critic's head is put on."
        )
    if getattr(MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None), "_is_stateful", False):
        raise ModelNotFoundError(
            f"{folder} ({kind}) reads a sequence through a recurrent state; expected an architecture of attention "
            "alone, since nothing else is tested here."
        )


def _load_config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise ModelNotFoundError(
            f"{folder} does not load as a causal language model with a tokenizer ({str(error).splitlines()[0]}); "
            "expected config.json, safetensors and tokenizer.json as `save_pretrained` writes them, of an architecture "
            "that transformers has itself."
        ) from error


def end_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase) -> EndTokens:
    """The tokens that end and fill completions.

    Args:
        folder: of a model that `resolve_model` let through.
        tokenizer: its tokenizer.

    Raises:
        ModelNotFoundError: no end-of-sequence token, or one, or an ordinary token of the tokenizer, that the model's
            vocabulary does not have.
    """
    config = _load_config(folder)
    generation = GenerationConfig.from_model_config(config)
    if (folder / "generation_config.json").is_file():
        generation = GenerationConfig.from_pretrained(folder)
    eos = generation.eos_token_id if generation.eos_token_id is not None else tokenizer.eos_token_id
    if eos is None:
        raise ModelNotFoundError(
            f"{folder} names no end-of-sequence token, so completions could not end; expected one: set eos_token_id in "
            "generation_config.json, or eos_token in tokenizer_config.json."
        )
    ends = [int(token) for token in (eos if isinstance(eos, list) else [eos])]
    turn = _turn_end(tokenizer)
    ends += [turn] if turn is not None and turn not in ends else []
    size: int = config.vocab_size
    outside = [token for token in ends if not 0 <= token < size]
    if outside:
        raise ModelNotFoundError(
            f"{folder}: the end-of-sequence token {outside[0]} is outside the model's vocabulary of {size} tokens, so "
            f"completions could not end; the tokenizer's own is {tokenizer.eos_token_id}: set eos_token_id in "
            "generation_config.json."
        )
    added: Any = tokenizer.added_tokens_decoder
    highest = max((token for token in tokenizer.get_vocab().values() if token not in added), default=0)
    if highest >= size:
        raise ModelNotFoundError(
            f"{folder}: the tokenizer has token {highest} and the model a vocabulary of {size}; expected the tokenizer "
            "that the model was trained with."
        )
    pad: Any = tokenizer.pad_token_id
    return EndTokens(eos_token_ids=tuple(ends), pad_token_id=pad if pad is not None and pad < size else ends[0])


def _turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The special token that the chat template puts right behind an answer; ``None`` where there is no such."""
    if tokenizer.chat_template is None:
        return None
    turns = [{"role": "user", "content": ANSWER}, {"role": "assistant", "content": ANSWER}]
    try:
        [rendered] = render_chats(tokenizer, [turns], add_generation_prompt=False)
    except ChatTemplateError:
        return None
    behind = tokenizer(rendered.rpartition(ANSWER)[2].lstrip(), add_special_tokens=False).input_ids
    first = tokenizer.added_tokens_decoder.get(behind[0]) if behind else None
    return behind[0] if first is not None and first.special else None
