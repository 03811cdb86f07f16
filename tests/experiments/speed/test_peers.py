"""`coeflab speed`: both sides do the same work, and what it prints is what it measured."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from experiments.speed.checker import checker_workloads, made_wrong, measure_checker, rewritten
from experiments.speed.step import StepSize, _model, _our_loss, _trl_loss, gradients, speed_batch

ROOT = Path(__file__).resolve().parents[3]


def value_of(text: str) -> Fraction:
    """The value of the few forms that the rewriting makes of numbers, by Python's own arithmetic."""
    text = re.sub(r"\\d?frac\{([^{}]*)\}\{([^{}]*)\}", r"(F(\1)/F(\2))", text)
    text = text.replace("\\cdot", "*").replace("\\div", "/")
    text = re.sub(r"(?<![\w.(])(\d+(?:\.\d+)?)", r"F('\1')", text)
    return Fraction(eval(text, {"F": Fraction}))


@pytest.mark.parametrize("gold", ["7", "-12", "0", "1234", "\\frac{3}{4}", "-\\frac{5}{6}", "\\dfrac{1}{100}"])
def test_rewritten_numbers_keep_their_value_and_wrong_ones_do_not(gold: str) -> None:
    rng = random.Random(0)
    forms = {rewritten(gold, rng) for _ in range(40)}
    assert len(forms) >= 3 and gold not in forms
    assert {value_of(form) for form in forms if form} == {value_of(gold)}
    wrong = made_wrong(gold)
    assert wrong is not None and value_of(wrong) != value_of(gold)


@pytest.mark.parametrize(
    "gold", ["\\text{east}", "(1,2)", "5 \\text{ cm}", "x \\ge 3", "\\begin{pmatrix}1\\end{pmatrix}"]
)
def test_what_no_rule_covers_is_left_out(gold: str) -> None:
    assert rewritten(gold, random.Random(0)) is None
    assert made_wrong(gold) is None


def test_workloads_hold_what_they_say(tmp_path: Path) -> None:
    for data_dir in (None, tmp_path):
        workloads, real = checker_workloads(data_dir, 50)
        assert real is False
        assert [workload.equal for workload in workloads] == [True, True, True, False, True]
        assert all(len(workload.pairs) == 50 for workload in workloads)
        long = workloads[-1].pairs
        assert all(64_000 <= len(completion) < 64_200 for completion, _ in long)
        assert all(completion.count("\\boxed") <= 1 for completion, _ in long)
        assert len({completion[:2_000] for completion, _ in long}) == 50
        assert all(f"\\boxed{{{gold}}}" != answer for answer, gold in workloads[2].pairs + workloads[3].pairs)


def test_the_checker_beside_math_verify() -> None:
    pytest.importorskip("math_verify")
    code = "from experiments.commands.speed import Speed; Speed(part='checker', pairs=20, json=True).run()"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=200
    )
    lines = run.stdout.splitlines()
    assert "made for this measurement" in lines[0]
    last = json.loads(lines[-1])
    assert last["peer_over_ours"] == pytest.approx(last["peer_s"] / last["ours_s"])
    assert last["ours_s"] == pytest.approx(sum(workload["ours_s"] for workload in last["workloads"]))
    assert [workload["ours_right"] for workload in last["workloads"]] == [1.0] * 5
    assert last["benchmark_files"] is False


@pytest.mark.parametrize("pairs", [-5, 0, 4, 10])
def test_too_few_pairs_for_the_checkers_rounds(pairs: int) -> None:
    """Eight warm up, and each of three rounds times one; a negative number would be cut off the end."""
    with pytest.raises(ValueError, match=f"--pairs is {pairs}; expected at least 11: 8 to warm up .* Give more pairs"):
        checker_workloads(None, pairs)
    (workload, *_), _ = checker_workloads(None, 11)
    pytest.importorskip("math_verify")
    (speed,) = measure_checker([workload])
    assert (speed.num_pairs, speed.ours_right) == (3, 1.0)
    few = replace(workload, pairs=workload.pairs[:10])  # benchmark files may hold fewer than are asked for
    with pytest.raises(ValueError, match="the number of pairs of 'GSM8K, its solutions' is 10; expected at least 11"):
        measure_checker([few])


def test_trl_and_ours_take_the_same_gradient() -> None:
    pytest.importorskip("trl")
    size = StepSize(hidden_size=32, num_layers=2, vocabulary=64, group_size=4, prompt_tokens=4, completion_tokens=12)
    batch = speed_batch(size)
    ours, theirs = ((model := _model(size), gradients(model, make(model, batch)))[1] for make in (_our_loss, _trl_loss))
    assert ours.abs().max() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("part", "peer"), [("checker", "trl"), ("step", "verl"), ("sampling", "trl")])
def test_an_unknown_peer(part: str, peer: str) -> None:
    from experiments.commands.speed import Speed

    with pytest.raises(ValueError, match=f"got --peer '{peer}' for .*{part}, expected "):
        Speed(part=part, peer=peer).run()  # type: ignore[arg-type]
