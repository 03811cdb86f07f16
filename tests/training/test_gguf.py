"""Converting again is done where the folder holds what would be made, and refused where it holds anything else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from training.models.gguf import SOURCE, ConversionError, convert_gguf


def test_the_same_file_again_is_done_and_another_model_is_kept(tmp_path: Path) -> None:
    gguf, out = tmp_path / "a.gguf", tmp_path / "model"
    gguf.write_bytes(b"GGUF and so on")
    out.mkdir()
    (out / "config.json").write_text("{}")
    for held in ("", "[]", '{"sha256": null}', '{"sha256": "0"}'):
        (out / SOURCE).write_text(held)
        with pytest.raises(ConversionError, match="already holds another model"):
            convert_gguf(gguf, out)
    with pytest.raises(
        ConversionError, match=r"cannot be read as a causal language model \(.*\); expected a whole GGUF"
    ):
        convert_gguf(gguf, tmp_path / "another")
    (out / SOURCE).write_text(json.dumps({"sha256": hashlib.sha256(gguf.read_bytes()).hexdigest()}))
    assert convert_gguf(gguf, out) == out
    assert (out / "config.json").read_text() == "{}"
