"""Adapters and the model that they belong to, once, to an ordinary model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from training.models.policy import load_policy

__all__ = ["merge_adapter"]


def merge_adapter(folder: Path, out: Path) -> Path:
    """An ordinary model folder of what `save_adapters` wrote: its base model with the adapters merged.

    Args:
        folder: with adapter_config.json and a tokenizer.
        out: folder to make.

    Returns:
        `out`.

    Raises:
        FileExistsError: `out` holds a model already.
        ModelNotFoundError: the base model is not in reach.
    """
    from peft import PeftConfig, PeftModel

    if (out / "config.json").exists():
        raise FileExistsError(f"{out} already holds a model; remove it or choose another --out.")
    base = load_policy(str(PeftConfig.from_pretrained(str(folder)).base_model_name_or_path))
    model: Any = PeftModel.from_pretrained(base.model, str(folder))  # type: ignore[arg-type]
    model.merge_and_unload().save_pretrained(out)
    AutoTokenizer.from_pretrained(folder, trust_remote_code=False).save_pretrained(out)
    return out
