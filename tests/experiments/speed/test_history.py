"""A measurement beside one of another day: ratios by hand, conditions that differ, files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import experiments.schedule.door
import experiments.speed.step
import experiments.speed.whole_step
from experiments.commands.speed import Speed
from experiments.recipes.config import Recipe
from experiments.speed.history import SpeedFileError, compared, measured_on, read_speed
from experiments.speed.step import StepSize, measure_step
from experiments.speed.whole_step import StepTimes
from tests.training.models.tiny import save_tiny

THEN: dict[str, Any] = {
    "part": "step",
    "ours_s": 2.0,
    "peer_s": 8.0,
    "peer_over_ours": 4.0,
    "machine": "one card",
    "versions": {"torch": "2.11.0", "trl": "1.16.0"},
    "date": "2026-11-28",
}


def test_ratios_and_conditions_that_changed() -> None:
    now = {**THEN, "ours_s": 1.0, "peer_s": 10.0, "peer_over_ours": 10.0, "machine": "another card"}
    now["versions"] = {"torch": "2.13.0", "trl": "1.16.0"}
    before, ratios, conditions = compared(now, THEN)
    assert before == "then (2026-11-28, one card): ours 2.000 s, peer 8.000 s: 4.00 times ours"
    assert "our time 0.50, the peer's 1.25, the peer's over ours 2.50" in ratios
    assert conditions == (
        "other conditions: machine 'one card' then, 'another card' now; torch 2.11.0 then, 2.13.0 now"
    )
    assert len(compared(THEN, THEN)) == 2


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"peer": "verl"}, "peer None then, 'verl' now"),
        ({"machine": "a"}, "machine 'one card' then, 'a' now"),
        ({"cores": 4}, "cores None then, 4 now"),
        ({"device": "cuda"}, "device None then, 'cuda' now"),
        ({"model": "m"}, "model None then, 'm' now"),
        ({"benchmark_files": True}, "benchmark_files False then, True now"),
        ({"tokens": 12}, "tokens 64 then, 12 now"),
        ({"workloads": [{"name": "MATH", "num_pairs": 5}]}, "pairs of 'MATH' 1492 then, 5 now"),
        ({"workloads": []}, "pairs of 'MATH' 1492 then, absent now"),
        ({"ours": {"about": "3 engines"}}, "our steps '2 engines' then, '3 engines' now"),
        ({"peer_steps": {"about": "padded"}}, "the peer's steps absent then, 'padded' now"),
        ({"versions": {"torch": "2.11.0"}}, "trl 1.16.0 then, absent now"),
        ({"versions": {**THEN["versions"], "vllm": "0.25.1"}}, "vllm absent then, 0.25.1 now"),
    ],
)
def test_every_condition_that_differs_is_named(changed: dict[str, Any], named: str) -> None:
    workloads = [{"name": "MATH", "num_pairs": 1492, "ours_s": 1.0}]
    then = {**THEN, "benchmark_files": False, "tokens": 64, "workloads": workloads, "ours": {"about": "2 engines"}}
    assert compared({**then, **changed}, then)[2:] == [f"other conditions: {named}"]
    slower = [{**workloads[0], "ours_s": 2.0}]
    assert len(compared({**then, "workloads": slower}, then)) == 2  # a time is no condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no measurement"),
        ("{", "holds no measurement"),
        ("[" * 100_000, "holds no measurement"),
        (json.dumps({**THEN, "ours_s": 0}), "holds no measurement"),
        (json.dumps({**THEN, "peer_s": True}), "holds no measurement"),
        (json.dumps({**THEN, "part": "checker"}), "measured 'checker'; expected 'step'"),
    ],
)
def test_files_that_are_no_measurement_of_the_part(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "then").write_text(text)
    with pytest.raises(SpeedFileError, match=message):
        read_speed(tmp_path / "then", "step")
    with pytest.raises(SpeedFileError, match="cannot be read"):
        read_speed(tmp_path / "nowhere", "step")


def test_the_command_writes_what_it_reads_and_times_a_given_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The step itself is of a few sequences; that its two gradients agree on the given model is what counts."""
    start = save_tiny("llama", tmp_path / "start", initializer_range=0.05)
    small = StepSize(prompts=2, group_size=2, prompt_tokens=8, completion_tokens=16)

    def measure(peer: str, model_name: str | None = None) -> tuple[float, float, dict[str, object]]:
        return measure_step(peer, size=small, num_steps=1, model_name=model_name)

    asked: list[str | None] = []

    def whole(recipe: Recipe) -> tuple[StepTimes, StepTimes]:  # has its own test; GSM8K is asked for at the door
        asked.append(recipe.model)
        return StepTimes(seconds=(2.0, 1.0, 3.0)), StepTimes(seconds=(7.0, 8.0, 6.0))

    monkeypatch.setattr(experiments.speed.step, "measure_step", measure)
    monkeypatch.setattr(experiments.speed.whole_step, "in_a_process", lambda work, *arguments: work(*arguments))
    monkeypatch.setattr(experiments.speed.whole_step, "measure_whole_steps", whole)
    monkeypatch.setattr(experiments.schedule.door, "check_recipe", lambda recipe: recipe)
    Speed(part="step", model=str(start), json=True).run()
    printed = capsys.readouterr().out
    found = json.loads(printed.splitlines()[-1])
    assert found["gradient_difference"] < 1e-4 and found["model"] == str(start)
    assert (found["ours_s"], found["peer_s"]) == (2.0, 7.0) and asked == [str(start)]  # medians of whole steps
    assert found["update_ours_s"] > 0 and found["update_peer_s"] > 0  # beside them the update alone
    assert found["peer_over_ours"] == pytest.approx(found["peer_s"] / found["ours_s"])
    assert found["versions"] == measured_on()["versions"] and "torch" in found["versions"]
    (tmp_path / "log").write_text(f"a log\n{printed}")
    Speed(part="step", model=str(start), against=tmp_path / "log").run()
    said = capsys.readouterr().out
    assert "now against then: our time " in said and "other conditions" not in said
    Speed(part="step", against=tmp_path / "log").run()
    assert f"model {str(start)!r} then, None now" in capsys.readouterr().out
    with pytest.raises(ValueError, match="--model is given for checker"):
        Speed(part="checker", model="x").run()
    with pytest.raises(ValueError, match="--against is given for analysis, which has no peer"):
        Speed(part="analysis", against=tmp_path / "log").run()


RESULTS = sorted((Path(__file__).resolve().parents[3] / "results" / "speed").glob("step-*.json"))


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: file.stem)
def test_what_lies_under_results_can_be_compared_with(file: Path) -> None:
    """They are written over many lines, for people."""
    found = read_speed(file, "step")
    assert found["peer_over_ours"] == pytest.approx(found["peer_s"] / found["ours_s"], rel=0.01)
    assert len(compared(found, found)) == 2
    assert len(RESULTS) >= 2
