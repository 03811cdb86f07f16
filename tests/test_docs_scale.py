"""The arithmetic of docs/scale.md, computed again from its assumptions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from training.config import TrainingConfig
from training.memory import ModelSize, estimate_memory

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())
BILLION = 10**9


def cells(first: str, *, column: str) -> list[str]:
    """The row that starts with `first`, of the table that has such a column."""
    tables = [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)]
    [table] = [lines for lines in tables if f"| {column} |" in lines[0]]
    [row] = [line for line in table if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


def test_bytes_of_a_run() -> None:
    for name, parameters in (("0.5B", 0.5), ("1.5B", 1.5), ("3B", 3), ("7B", 7)):
        grpo, ppo, *_ = cells(name, column="GRPO: trainer, π_ref, engine (22 bytes)")
        assert float(grpo) == (4 + 4 + 8 + 4 + 2) * parameters
        assert float(ppo) == (4 + 4 + 8 + 4 + 2 + 16) * parameters


def test_bytes_a_parameter_are_those_that_the_laboratory_tells_before_it_starts() -> None:
    size = ModelSize(parameters=BILLION, layers=0, hidden=0, intermediate=0, vocabulary=0, adapter_width=0, matrices=0)
    training = TrainingConfig(steps=1, learning_rate=1e-6, problems_per_step=1, group_size=1)
    held = estimate_memory(size, training, reference=True, critic=True, compiled=True)
    assert round(held.weights * 2**30 / BILLION) == 4
    assert round(held.learning * 2**30 / BILLION) == 12
    assert round(held.reference * 2**30 / BILLION) == 4
    assert round(held.critic * 2**30 / BILLION) == 16


def test_what_a_card_holds_of_a_sharded_run() -> None:
    training = TrainingConfig(
        steps=1,
        learning_rate=1e-6,
        problems_per_step=1,
        group_size=1,
        use_autocast=True,
        gradient_checkpointing=True,
        shard="full",
    )
    for name in ("7.6B", "14.8B"):
        outside, layers, layer, *told = cells(name, column="GRPO, 4 cards")
        parameters, outside = float(name.strip("B")), float(outside.strip("B"))
        assert float(layer.strip("B")) * int(layers) + outside == pytest.approx(parameters, rel=0.02)
        size = ModelSize(
            parameters=int(parameters * BILLION),
            layers=int(layers),
            hidden=0,
            intermediate=0,
            vocabulary=0,
            adapter_width=0,
            matrices=0,
            outside=int(outside * BILLION),
        )
        held = [
            estimate_memory(size, training, reference=True, critic=critic, compiled=True, ranks=ranks).total
            for ranks, critic in ((4, False), (8, False), (8, True))
        ]
        found = [each * 2**30 / BILLION + 4 * parameters for each in held]
        assert [float(cell) for cell in told] == pytest.approx([*found, 22 * parameters], abs=0.7)


def test_weights_a_step() -> None:
    for name, parameters in (("0.5B", 0.5), ("7B", 7), ("70B", 70)):
        size, network, nvlink, checkpoint = cells(name, column="over NVLink")
        assert size == f"{2 * parameters:g} GB"
        assert network == f"{2 * parameters / 50:.2f} s"
        assert nvlink == f"{2 * parameters / 450:.3f} s"
        assert checkpoint == f"{12 * parameters:g} GB"
    assert round(120 * 84 / 1000) == 10 and "120 runs of 7B keep 10 TB" in TEXT


def test_engines_to_trainers_and_what_waiting_costs() -> None:
    draw, train, lean = 2 / 0.05, 10 / 0.40, 6 / 0.40
    assert (draw, train) == (40, 25) and "40 N / peak to draw and 25 N / peak" in TEXT
    assert draw / train == 1.6 and "**1.6 engines to a trainer**" in TEXT
    assert f"it is {draw / lean:.1f}." in TEXT
    assert f"(1.6 + 1) / 1.6 = {(1.6 + 1) / 1.6:.1f} times" in TEXT
    assert f"3.02 / 1.58 = {3.02 / max(1.58, 3.02 - 1.58):.2f}" in TEXT


def test_what_an_arm_costs() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| 64 | `--")]
    ray, here = (int(re.findall(r"(\d+) ms \|$", row)[0]) for row in rows)
    assert f"spends {ray - here} ms more on an arm" in TEXT
    assert f"busy with 1,000 arms for {ray} s" in TEXT


def test_what_a_run_of_the_papers_size_fills() -> None:
    engines = 1024 / 256
    gpus = engines + engines / 1.6
    assert engines == 4 and gpus == 6.5 and "a run of that size fills 6.5 GPUs" in TEXT
    assert 1000 // 8 == 125 and "are 125 such machines" in TEXT
    assert 15 * 8 == 120 and 120 * 8 == 960 and "(120 runs, 960 GPUs)" in TEXT
    assert 1000 / gpus > 150 and "150 times the batch" in TEXT
