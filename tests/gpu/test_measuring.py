"""What the scripts of this folder measure with: the order of turns, ratios, layers compiled as one. Needs no GPU."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.gpu.turns import Turns, in_turn, measured, report
from tests.gpu.update_alone import compile_together


def runs(folder: Path, steps: dict[str, int]) -> list[str]:
    """The order in which steps of runs were taken that all start at once; the quick ones would be ahead."""
    taken: list[str] = []

    def run(name: str, count: int) -> None:
        trainer = SimpleNamespace(
            algorithm=SimpleNamespace(data_source=SimpleNamespace(name="ONLINE")),
            ranks=SimpleNamespace(rank=0, wait=lambda: None),
        )

        def take_step(trainer: Any, step: int, share: float) -> None:
            time.sleep(0.02 if name == "slow" else 0)
            taken.append(f"{name} {step}")

        waiting = in_turn(take_step, Turns(folder, name, list(steps)))
        for step in range(count):
            waiting(trainer, step)
        (folder / f"{name}-ended").touch()

    threads = [threading.Thread(target=run, args=each) for each in steps.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return taken


def test_steps_are_taken_in_turn_after_the_first(tmp_path: Path) -> None:
    order = runs(tmp_path, {"slow": 4, "quick": 4})
    assert order[2:] == ["slow 1", "quick 1", "slow 2", "quick 2", "slow 3", "quick 3"]
    assert sorted(order[:2]) == ["quick 0", "slow 0"]


def test_a_run_that_has_ended_is_waited_for_no_more(tmp_path: Path) -> None:
    assert runs(tmp_path, {"a": 2, "b": 4})[-2:] == ["b 2", "b 3"]


def test_demonstrations_wait_for_nobody(tmp_path: Path) -> None:
    trainer = SimpleNamespace(algorithm=SimpleNamespace(data_source=SimpleNamespace(name="DEMONSTRATIONS")))
    waiting = in_turn(lambda trainer, step, share: step, Turns(tmp_path, "a", ["a", "b"]))
    assert [waiting(trainer, step) for step in range(3)] == [0, 1, 2]


def test_the_ratio_is_that_of_the_means_of_the_rounds_that_all_have() -> None:
    def rows(*seconds: float) -> list[dict[str, Any]]:
        return [{f"{part}_seconds": each for part in ("step", "sampling", "update")} for each in seconds]

    told = report({"one": rows(2.0, 4.0, 100.0), "two": rows(1.0, 2.0)})
    assert "two, 2 rounds: step 1.50 s, 0.500 [0.500, 0.500]" in told


@pytest.mark.parametrize("lines", [[], ['{"step": 1}']], ids=["none", "one"])
def test_a_run_without_two_steps_is_named(tmp_path: Path, lines: list[str]) -> None:
    if lines:
        (tmp_path / "runs" / "grpo-seed0").mkdir(parents=True)
        (tmp_path / "runs" / "grpo-seed0" / "metrics.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SystemExit, match=rf"{len(lines)} runs and {len(lines)} steps; expected one run"):
        measured(tmp_path)


@pytest.mark.parametrize("together", [2, 3])
def test_layers_as_one_compute_what_they_compute_one_by_one(together: int) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=5, num_attention_heads=2
    )
    model = LlamaForCausalLM(config).eval()
    ids = torch.arange(3, 13)[None]
    names = [name for name, _ in model.named_parameters()]

    def gradient() -> torch.Tensor:
        model.zero_grad()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])

    expected = gradient()
    compile_together(model, together)
    with torch.compiler.set_stance("force_eager"):
        torch.testing.assert_close(gradient(), expected)
    assert [name for name, _ in model.named_parameters()] == names
