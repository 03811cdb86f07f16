"""`coeflab evaluate-rewards` on rows made by hand: a model of known scores, and models whose figures mean nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from experiments.commands.evaluate_rewards import EvaluateRewards
from experiments.inspection.process_bench import evaluate_process_bench, process_bench_lines
from tests.training.reward_models.small_model import scalar_model
from tests.training.reward_models.test_solutions import byte_tokenizer
from training.models.embedded import EmbeddedModelConfig, build_embedded_model
from training.models.policy import Policy, load_policy
from training.reward_models.model import RewardModelError, load_reward_model

ROWS = [
    {"id": "a", "question": "How many?", "steps": ["one", "two", "so 3"], "label": 1},
    {"id": "b", "question": "How many?", "steps": ["one", "so 1"], "label": 0},
    {"id": "c", "question": "How much?", "steps": ["ünd", "also 4"], "label": -1},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "processbench"
    folder.mkdir(parents=True)
    (folder / "gsm8k.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path / "data"


def reader(folder: Path, head: float) -> Path:
    """A reward model that reads ordinary text; its head is `head` everywhere."""
    config = EmbeddedModelConfig(hidden_size=32, num_layers=1, num_heads=1, intermediate_size=48, max_length=512)
    model, tokenizer = build_embedded_model(config, seed=0), byte_tokenizer(merges=20, seed=0)
    model.resize_token_embeddings(300)
    Policy(model=model, tokenizer=tokenizer, eos_token_ids=(1,), pad_token_id=0).save(folder / "start")
    scalar = load_reward_model(folder / "start", like=load_policy(folder / "start"), fresh=True)
    with torch.no_grad():
        scalar.model.score.weight.fill_(head)  # type: ignore[union-attr,operator]
    scalar.save(folder / "model")
    return folder / "model"


def evaluated(model: Path, data: Path) -> dict:
    found = evaluate_process_bench(
        str(model),
        ["processbench_gsm8k"],
        data,
        prompt="bare",
        threshold=0.5,
        limit=None,
        device="cpu",
        microbatch_tokens=64,
    )
    return found["processbench_gsm8k"]


def test_a_model_that_says_one_half_of_everything_finds_nothing_wrong(tmp_path: Path, data: Path) -> None:
    found = evaluated(reader(tmp_path, head=0.0), data)
    assert found["model"] == found["all right"]
    assert (found["model"]["wrong_accuracy"], found["model"]["right_accuracy"], found["model"]["f1"]) == (0.0, 1.0, 0.0)
    assert (found["model"]["wrong"], found["model"]["right"]) == (2, 1)
    assert found["model"]["f1_band"] == (0.0, 0.0)


def test_the_command_prints_the_table_and_json(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(reader(tmp_path, head=0.0))
    EvaluateRewards(model=model, data_dir=str(data), prompt="bare", json=True).run()
    told = json.loads(capsys.readouterr().out)
    assert told["processbench_gsm8k"]["threshold"] == 0.5
    lines = process_bench_lines(told)
    assert any("all right" in line and "100.0" in line for line in lines)


def test_the_embedded_models_figures_are_not_printed(tmp_path: Path, data: Path) -> None:
    scalar_model(tmp_path / "start", head_seed=1).save(tmp_path / "embedded")
    with pytest.raises(RewardModelError, match=r"vocabulary of 22 tokens writes \d+ of \d+ characters"):
        evaluated(tmp_path / "embedded", data)


def test_a_causal_model_is_no_reward_model(tmp_path: Path, data: Path) -> None:
    scalar_model(tmp_path / "start")
    with pytest.raises(RewardModelError, match=r"lacks the weights score\.weight"):
        evaluated(tmp_path / "start", data)
    with pytest.raises(ValueError, match=r"threshold is 1\.0"):
        evaluate_process_bench(
            "x",
            [],
            data,
            prompt="bare",
            threshold=1.0,
            limit=None,
            device="cpu",
            microbatch_tokens=64,
        )
