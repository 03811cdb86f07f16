"""`coeflab twins`: the first number at which two folders part, and nothing where only times differ."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.commands.look import Twin
from experiments.inspection.twins import Twins, compare_twins, twin_lines
from tests.analysis.conftest import save_comparison
from training.models.embedded import build_embedded_tokenizer

RUN = "runs/grpo-seed0"


@pytest.fixture
def twins(tmp_path: Path) -> tuple[Path, Path]:
    first = save_comparison(tmp_path / "first")
    (first / "start-seed0").mkdir()
    (first / "start-seed0" / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": null}\n')
    (first / "offline").mkdir()
    drawn = [{"problem_id": "sums-1", "completion_ids": [3, 4, 5]}, {"problem_id": "sums-2", "completion_ids": [3]}]
    (first / "offline" / "block.jsonl").write_text(json.dumps({"rollouts": drawn}) + "\n")
    second = tmp_path / "second"
    shutil.copytree(first, second)
    return first, second


def edit_rows(run: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    file = run / "metrics.jsonl"
    rows = [change(json.loads(line)) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def edit_sample(run: Path, place: int, **values: Any) -> pd.Series:
    samples = pd.read_parquet(run / "samples.parquet")
    for name, value in values.items():
        samples.loc[place, name] = value
    samples.to_parquet(run / "samples.parquet", index=False)
    return samples.loc[place]


def of(found: list[Twins], name: str) -> str:
    [twin] = [each for each in found if each.name == name]
    return twin.parting


def test_a_copy_is_the_same_and_times_do_not_count(twins: tuple[Path, Path]) -> None:
    edit_rows(twins[1] / RUN, lambda row: {**row, "seconds": row["seconds"] + 1, "sampling_seconds": 2.0})
    found = compare_twins(*twins)
    assert {each.parting for each in found} == {""}
    assert [each.name for each in found][:2] == ["start-seed0", "offline/block.jsonl"]
    assert twin_lines(*twins)[-1] == f"{len(found)} of {len(found)} are the same to the last bit, times aside."


def test_one_bit_of_one_metric_is_named_with_its_step(twins: tuple[Path, Path]) -> None:
    rows = [json.loads(line) for line in (twins[0] / RUN / "metrics.jsonl").read_text().splitlines()]
    step, loss = rows[1]["step"], rows[1]["loss"]
    other = math.nextafter(loss, math.inf)
    edit_rows(twins[1] / RUN, lambda row: {**row, "loss": other} if row["step"] == step else row)
    parting = of(compare_twins(*twins), RUN)
    assert parting.startswith(f"parts at step {step}: loss {loss!r} and {other!r} (relative ")


def test_what_happened_first_is_told(twins: tuple[Path, Path]) -> None:
    """A completion of the last evaluation differs, and a metric of an earlier step; then the metric is mended."""
    rows = [json.loads(line) for line in (twins[0] / RUN / "metrics.jsonl").read_text().splitlines()]
    last = len(pd.read_parquet(twins[1] / RUN / "samples.parquet")) - 1
    edit_sample(twins[1] / RUN, last, completion="another")
    edit_rows(twins[1] / RUN, lambda row: {**row, "loss": 7.0} if row["step"] == rows[0]["step"] else row)
    assert of(compare_twins(*twins), RUN).startswith(f"parts at step {rows[0]['step']}: loss")
    shutil.copy(twins[0] / RUN / "metrics.jsonl", twins[1] / RUN / "metrics.jsonl")
    assert "character 1 is 's' and 'a' at its start" in of(compare_twins(*twins), RUN)


def test_the_first_token_is_named_where_the_tokenizer_is_there(twins: tuple[Path, Path]) -> None:
    checkpoint = twins[0] / RUN / "checkpoints" / "step-000002"
    build_embedded_tokenizer().save_pretrained(checkpoint)
    texts = "12+7=19\n\\boxed{19}", "12+7=19\n\\boxed{18}"
    rows = [edit_sample(folder / RUN, 0, completion=text) for folder, text in zip(twins, texts, strict=True)]
    parting = of(compare_twins(*twins), RUN)
    assert f"sample {rows[0]['sample_index']} of {rows[0]['problem_id']} at step {rows[0]['step']}" in parting
    # The embedded tokenizer has a token a character, and one for \\boxed{ with its seven characters.
    characters = len("12+7=19\n\\boxed{1")
    tokens = characters - len("\\boxed{") + 1
    assert f"token {tokens + 1} is '9' and '8' (character {characters + 1} is" in parting


def test_offline_completions_part_at_a_token(twins: tuple[Path, Path]) -> None:
    drawn = [{"problem_id": "sums-1", "completion_ids": [3, 4]}, {"problem_id": "sums-2", "completion_ids": [3]}]
    (twins[1] / "offline" / "block.jsonl").write_text(json.dumps({"rollouts": drawn}) + "\n")
    assert of(compare_twins(*twins), "offline/block.jsonl") == "parts at completion 1: token 3 is 5 and the end"


def test_a_shorter_run_a_gap_and_another_set_up_are_told(
    twins: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (twins[1] / "start-seed0" / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    for folder, threads in zip(twins, (1, 2), strict=True):
        (folder / "machine.json").write_text(json.dumps({"threads": threads}))
    Twin(first=twins[0], second=twins[1]).run()
    printed = capsys.readouterr().out
    assert "machine.json: threads is 1 there and 2 here" in printed
    assert "start-seed0" in printed and "ends at step 1 in the second" in printed
    (twins[0] / "start-seed0" / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 3, "loss": 1}\n')
    (twins[1] / "start-seed0" / "metrics.jsonl").write_text('{"step": 2, "loss": 1}\n{"step": 3, "loss": 1}\n')
    assert of(compare_twins(*twins), "start-seed0") == "has no row of step 1 in the second"


def test_what_has_no_twin_is_refused(twins: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one is a run and one is not"):
        compare_twins(twins[0], twins[1] / RUN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no run in common"):
        compare_twins(twins[0], tmp_path / "empty")
    assert [each.parting for each in compare_twins(twins[0] / RUN, twins[1] / RUN)] == [""]
