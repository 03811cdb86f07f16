"""Model folders that are hostile or not ours: refused by name at once, and no code of theirs is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.files import DataFileError, read_problems
from tests.timing import turns
from training.models.folder import ModelNotFoundError, resolve_model
from training.models.policy import load_policy


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"architectures": 7}', "config.json: architectures is 7; expected a list of class names"),
        ('{"architectures": [7]}', r"architectures is \[7\]"),
        ('{"architectures": "GPT2LMHeadModel"}', "architectures is 'GPT2LMHeadModel'"),
        ("[1]", "expected a list of class names"),
        ("7", "architectures is 7"),
        ("[" * 200_000, "cannot be read as JSON .*; expected what `save_pretrained` writes"),
        ("{", "cannot be read as JSON .*; expected what `save_pretrained` writes"),
        ("{}", "names no architecture"),
    ],
)
def test_a_config_that_is_none_is_refused_by_name_at_once(tmp_path: Path, config: str, message: str) -> None:
    (tmp_path / "config.json").write_text(config, encoding="utf-8")

    def refused() -> None:
        with pytest.raises(ModelNotFoundError, match=message):
            resolve_model(str(tmp_path))

    assert turns(refused) < 50e6


def test_code_in_a_folder_is_not_run_and_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("the library asked whether to run the code"))
    config: dict[str, Any] = {
        "architectures": ["OwnForCausalLM"],
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnForCausalLM"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    with pytest.raises(ModelNotFoundError, match=r"does not load as a causal language model .*\(.*\); expected config"):
        load_policy(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_not_unpickled(tmp_path: Path) -> None:
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 1, "n_head": 1, "n_embd": 8}
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 9}), encoding="utf-8")
    torch.save({"x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelNotFoundError, match="safetensors"):
        load_policy(tmp_path)


@pytest.mark.parametrize("tolerance", ["1e999999999", "9" * 100_000, "1/0", "1e-1x", ""])
def test_a_tolerance_that_no_answer_needs_is_refused_at_once(tmp_path: Path, tolerance: str) -> None:
    row = {"id": "1", "question": "q", "answer": "2", "tolerance": tolerance}
    (tmp_path / "own.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")

    def refused() -> None:
        with pytest.raises(DataFileError, match="tolerance"):
            read_problems(tmp_path / "own.jsonl", benchmark="own")

    assert turns(refused) < 50e6
