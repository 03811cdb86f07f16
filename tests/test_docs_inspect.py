"""docs/inspect-your-trainer.md as a reader would follow it: its trainer trains, its commands run, its tables hold."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from algorithms import TABLE_10, build_algorithm
from experiments import cli
from experiments.inspection.coefficients import coefficients_of
from experiments.inspection.frozen_batch import OF_THE_BATCH, SCHEMA, parse_batch, read_batch
from tests.peers.trl_models import disturbed, ragged_completions, tiny_model, tiny_tokenizer
from tests.peers.trl_trainers import Source, arguments

PAGE = (Path(__file__).parents[1] / "docs" / "inspect-your-trainer.md").read_text(encoding="utf-8")
[TRAINER] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
[EXAMPLE] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^```sh\n(coeflab .*)\n```$", PAGE, re.MULTILINE)
OUTPUTS = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
pytestmark = [
    pytest.mark.filterwarnings("ignore:TRL currently supports vLLM versions"),
    pytest.mark.filterwarnings("ignore:You are using 'rollout_func'"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning"),
]


def table(heading: str) -> list[list[str]]:
    """Rows of the one table of the page whose first heading this is."""
    blocks = [block.splitlines() for block in re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE)]
    split = [[[cell.strip() for cell in line.strip("|").split("|")] for line in block] for block in blocks]
    [rows] = [rows for rows in split if rows[0][0] == heading]
    return rows[2:]


def run(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command of the page prints."""
    monkeypatch.setattr("sys.argv", shlex.split(command))
    cli.main()
    return "\n".join(line.rstrip() for line in capsys.readouterr().out.splitlines())


def train(folder: Path, *, engine: bool) -> dict[int, list[Tensor | None]]:
    """Two optimiser steps of the page's trainer on one batch of two groups; ∂loss/∂log π_θ of each microbatch by step.

    With `engine` the completions and their logprobs are handed over as a sampling engine would, and the KL is on;
    without, transformers samples them.
    """
    from datasets import Dataset
    from trl.trainer.grpo_config import GRPOConfig

    page: dict[str, Any] = {}
    exec(compile(TRAINER, "inspected_trainer.py", "exec"), page)
    seen: dict[int, list[Tensor]] = {}

    class Watched(page["InspectedTrainer"]):
        def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
            loss = super()._compute_loss(model, inputs)
            self.latest[0].retain_grad()
            seen.setdefault(self.state.global_step, []).append(self.latest[0])
            return loss

    def digits(completions: list[str], **columns: object) -> list[float]:
        return [float(sum(word.isdigit() for word in completion.split())) for completion in completions]

    start = disturbed(tiny_model(0), seed=1, scale=0.2)
    start.save_pretrained(folder / "start")  # also the reference policy, which TRL loads by name
    source = Source(ragged_completions([[1.0, 0.0, 0.0, 0.0], [0.5, 1.5, 0.25, 2.0]], seed=2, engine_noise=0.6))
    source.sampler_logprobs = source.completions.sampler_logprobs(start)
    args = arguments(
        GRPOConfig,
        folder,
        batch_size=4,
        gradient_accumulation_steps=2,
        num_generations=4,
        num_iterations=2,
        max_steps=2,
        max_completion_length=9,
        learning_rate=0.05,
        beta=0.04 if engine else 0.0,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = Watched(
        model=type(start).from_pretrained(folder / "start"),
        reward_funcs=source.reward if engine else digits,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "1 + 2 ="}, {"prompt": "a b ="}]),
        processing_class=tiny_tokenizer(),
        rollout_func=source.rollout if engine else None,
    )
    if engine:
        trainer.use_vllm, trainer._last_loaded_step = True, 0
    trainer.train()
    return {step: [logprobs.grad for logprobs in batches] for step, batches in seen.items()}


@pytest.mark.parametrize(
    ("engine", "settings"),
    [(False, {"mismatch_correction": "none"}), (True, {"kl_coef": 0.04})],
    ids=["transformers", "engine and KL"],
)
def test_the_dump_of_a_real_training_step_gives_trls_own_gradient(
    engine: bool, settings: dict[str, Any], tmp_path: Path
) -> None:
    gradients = train(tmp_path, engine=engine)
    assert sorted(gradients) == [0, 1] and [len(batches) for batches in gradients.values()] == [2, 2]
    moved = []
    for step, batches in gradients.items():
        frozen = read_batch(tmp_path / f"step-{step}.jsonl")
        assert sorted(sequence["group"] for sequence in frozen.sequences) == [0] * 4 + [1] * 4
        found = coefficients_of(frozen, "grpo@trl-1.16", settings)
        theirs = [row for batch in batches if batch is not None for row in (-batch).tolist()]
        largest = max(abs(number) for row in theirs for number in row)
        for mine, weight, row in zip(found.coefficients, found.weights, theirs, strict=True):
            assert [weight * number for number in mine] == pytest.approx(row[: len(mine)], abs=1e-5 * largest)
            assert not any(row[len(mine) :])
        moved.append(any(abs(ratio - 1) > 1e-3 for row in found.factors["ratio"] for ratio in row))
    assert moved == [False, True]


def test_the_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dump.json").write_text(EXAMPLE, encoding="utf-8")
    lines = [json.dumps(sequence | {"max_length": 8}) for sequence in json.loads(EXAMPLE)["sequences"]]
    (tmp_path / "step-0.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    printed = [run(command, monkeypatch, capsys) for command in COMMANDS]
    assert len(printed) == 3
    assert [text.strip() for text in printed[1:]] == [text.strip() for text in OUTPUTS]


def test_every_setting_of_the_page_is_one() -> None:
    added = [cell for _, cell in table("what your run had")]
    settings = [item for cell in added for item in re.findall(r"--set (\S+?)(?=[ `])", cell)]
    assert len(settings) >= len(added)
    for setting in settings:
        name, _, value = shlex.split(setting)[0].partition("=")
        assert getattr(build_algorithm("grpo@trl-1.16", {name: json.loads(value)}), name) == json.loads(value)


def full_batch() -> dict[str, Any]:
    """Two sequences that hold every field."""
    arrays = ("policy_logprobs", "old_logprobs", "reference_logprobs", "sampler_logprobs", "values")
    return {
        "sequences": [
            {
                **{"group": "q", "reward": reward, "pair": "p", "chosen": reward > 0, "truncated": False},
                **{"greedy_reward": 0.0, "tokens": ["a", "b"], "step_rewards": [reward], "step_ends": [1]},
                **{name: [-1.0, -0.5] for name in arrays},
                "entropies": [1.0, 0.5],
            }
            for reward in (1.0, 0.0)
        ],
        "max_length": 4,
        "kl_estimate": 0.5,
    }


def refused(name: str, without: str) -> bool:
    """Whether a method asks for a field by name when the batch does not hold it."""
    batch = full_batch()
    batch.pop(without, None)
    steps = {"step_rewards", "step_ends"}  # only together
    for sequence in batch["sequences"]:
        for field in steps if without in steps else {without}:
            sequence.pop(field, None)
    try:
        coefficients_of(parse_batch(batch), name, {})
    except ValueError as error:
        return "which this batch does not hold" in str(error)
    return False


@pytest.mark.parametrize("row", table("field"), ids=lambda row: row[0])
def test_the_schema_says_who_needs_a_field(row: list[str]) -> None:
    field, _, _, needed_by = row
    always, _, others = needed_by.partition(";")
    by_table = [name for name in TABLE_10 if refused(name, field.strip("`"))]
    assert by_table == re.findall(r"`(\w+)`", always)
    for name in re.findall(r"`(remax|dr_grpo|dapo|dapo_top_entropy|kto)`", others):
        assert refused(name, field.strip("`"))


def test_right_is_what_the_file_says_or_a_reward_above_zero() -> None:
    """Rewards 1 and 0 without the field; with it, the other way round; with a threshold, neither."""
    batch = full_batch()
    first = [(name, coefficients_of(parse_batch(batch), name, {}).credit) for name in ("rft", "online_rft")]
    assert first == [("rft", [[1.0, 1.0], [0.0, 0.0]]), ("online_rft", [[1.0, 1.0], [0.0, 0.0]])]
    for sequence in batch["sequences"]:
        sequence["correct"] = sequence["reward"] == 0.0
    assert coefficients_of(parse_batch(batch), "rft", {}).credit == [[0.0, 0.0], [1.0, 1.0]]
    assert coefficients_of(parse_batch(batch), "rft", {"correct_threshold": 2.0}).credit == [[0.0, 0.0]] * 2


def test_the_schema_is_whole() -> None:
    assert [row[0].strip("`") for row in table("field")] == [*SCHEMA, *OF_THE_BATCH]
