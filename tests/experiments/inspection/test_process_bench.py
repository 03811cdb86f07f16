"""`coeflab evaluate-rewards` on rows made by hand: a model of known scores, and models whose figures mean nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
import tyro

from analysis.verification.process_bench import PUBLISHED_F1
from experiments.commands.evaluate_rewards import EvaluateRewards
from experiments.inspection import scorer
from experiments.inspection.process_bench import evaluate_process_bench, process_bench_lines
from experiments.recipes.config import TaskConfig
from experiments.records.config import RewardFitConfig
from experiments.runs.engines import SamplerCache
from experiments.runs.first_fit import fit_first
from sampling.engines import EngineConfig
from tests.training.reward_models.small_model import scalar_model
from tests.training.reward_models.test_solutions import byte_tokenizer
from training.models.embedded import EmbeddedModelConfig, build_embedded_model
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy, load_policy
from training.reward_models.config import RewardModelConfig
from training.reward_models.model import RewardModelError, load_reward_model

# What the paper's text and other papers say of the averages over its four subsets (arXiv 2412.06559, Table 3).
AVERAGES = {
    "Math-Shepherd-PRM-7B": 31.5,
    "Skywork-PRM-1.5B": 36.4,
    "Skywork-PRM-7B": 42.1,
    "Qwen2.5-Math-7B-PRM800K": 56.5,
}

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


def start(folder: Path) -> Path:
    """A policy that reads ordinary text, never trained."""
    config = EmbeddedModelConfig(hidden_size=32, num_layers=1, num_heads=1, intermediate_size=48, max_length=512)
    model, tokenizer = build_embedded_model(config, seed=0), byte_tokenizer(merges=20, seed=0)
    model.resize_token_embeddings(300)
    Policy(model=model, tokenizer=tokenizer, eos_token_ids=(1,), pad_token_id=0).save(folder / "start")
    return folder / "start"


def reader(folder: Path, head: float) -> Path:
    """A reward model that reads ordinary text; its head is `head` everywhere."""
    start(folder)
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
    assert "Qwen2.5-Math-7B-PRM800K 68.2" in lines[-1]


def test_a_benchmark_that_is_named_takes_the_place_of_the_default() -> None:
    asked = tyro.cli(EvaluateRewards, args=["--model", "fit", "--benchmark", "processbench_math"])
    assert asked.benchmark == ("processbench_math",)  # it was asked beside GSM8K's


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


@pytest.mark.parametrize(
    ("device", "fitted_so", "expected"), [("cuda", True, True), ("cuda", False, False), ("cpu", True, False)]
)
def test_a_fit_is_read_on_a_gpu_as_training_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, fitted_so: bool, expected: bool
) -> None:
    """In bfloat16 where it was fitted so; on a CPU, and for weights on their own, in float32."""
    monkeypatch.setattr(scorer, "open_reward_model", lambda folder, device: folder)
    own = {"supervision": "process", "combine": "mean", "std_weight": 1.0, "use_autocast": fitted_so}
    (tmp_path / "config.json").write_text(json.dumps({"model": own}))
    (tmp_path / "finished.json").write_text(json.dumps({"models": ["member"], "temperatures": [2.0]}))
    opened = scorer.open_scorer(str(tmp_path), device, 4096).model
    assert opened.options == ForwardOptions(microbatch_tokens=4096, use_autocast=expected)
    assert not scorer.open_scorer(str(tmp_path / "weights"), device, 4096).model.options.use_autocast


def rated_path(number: int, draw: random.Random) -> dict:
    """A path of PRM800K of three steps, each beside a wrong one: a sum is right where it ends on an even digit."""

    def step(right: bool, chosen: bool) -> dict:
        return {
            "text": f"so {draw.choice('02468' if right else '13579')}",
            "rating": 1 if right else -1,
            "chosen": chosen,
        }

    steps = [[step(False, False), step(True, True)] for _ in range(3)]
    return {"id": f"p{number}", "question": "How many?", "answer": "1", "steps": steps}


def checked_solution(number: int, draw: random.Random) -> dict:
    """A line of ProcessBench of four such steps, with a wrong one in every other."""
    wrong = draw.randrange(4) if number % 2 else -1
    digits = [draw.choice("13579" if step == wrong else "02468") for step in range(4)]
    return {"id": f"s{number}", "question": "How many?", "steps": [f"so {digit}" for digit in digits], "label": wrong}


def test_a_model_fitted_to_prm800k_names_the_first_wrong_step(tmp_path: Path) -> None:
    """From rated paths over the fit, without an engine, to ProcessBench's figure: what is told right is found right."""
    draw, data = random.Random(0), tmp_path / "data"
    files = {
        "prm800k_phase1/train": [rated_path(number, draw) for number in range(60)],
        "prm800k_phase1/test": [rated_path(number, draw) for number in range(10)],
        "processbench/gsm8k": [checked_solution(number, draw) for number in range(40)],
    }
    for name, rows in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = RewardModelConfig(
        supervision="process",
        labels="prm800k",
        refit=False,
        problems=60,
        held_out=10,
        epochs=12,
        batch_size=16,
        learning_rate=1e-2,
    )
    config = RewardFitConfig(
        arm="prm",
        seed=0,
        start="start",
        model=model,
        task=TaskConfig(benchmark="math", prompt="bare", data_dir=str(data)),
        engine=EngineConfig(name="vllm"),
        temperature=1.0,
        max_completion_tokens=16,
    )
    told = fit_first(config, start(tmp_path), tmp_path / "fit", SamplerCache(), lambda *_: None)
    assert told.startswith("fitted to 240 completions (0 drawn)")  # 60 paths, and three wrong steps beside each
    found = evaluated(tmp_path / "fit", data)
    assert (found["model"]["wrong"], found["model"]["right"]) == (20, 20)
    assert found["model"]["f1"] == 1.0
    assert found["model"]["f1_band"] == (1.0, 1.0)


def test_published_figures_average_to_what_is_said_of_them() -> None:
    for name, average in AVERAGES.items():
        assert sum(of_subset[name] for of_subset in PUBLISHED_F1.values()) / 4 == pytest.approx(average, abs=0.051)
