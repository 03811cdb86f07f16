"""`coeflab compare --dry-run`: what a design costs and can find, and nothing is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.noise.power import Components, components_of
from analysis.report.terminal import design_text
from analysis.statistics.contrasts import Contrast
from experiments.commands.compare import Compare
from experiments.recipes import catalogue as recipes
from tests.analysis.conftest import save_comparison
from tests.experiments.miniature import recipe

PAIR = Contrast(name="pair", plus=("a",), minus=("b",), temperature=0.0)
PARTS = Components(problem=0.04, seed=0.002, local=0.1, completion=0.2, pilot_freedom=10**6)


def cells(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name).split()


def test_with_many_seeds_the_difference_is_that_of_a_z_test() -> None:
    """var = 0.04/P + 0.002/S + (0.1 + 0.2/K)/(S P); found four times in five: (z_0.975 + z_0.8) standard errors."""
    seeds, problems, samples = 400, 4000, 4
    variance = 0.04 / problems + 0.002 / seeds + (0.1 + 0.2 / samples) / (seeds * problems)
    expected = 100 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * np.sqrt(variance)
    text = design_text({"pair": PARTS}, [PAIR], seeds=seeds, problems=problems, samples=samples)
    decoded, smallest, two, five, ten = [cell for cell in cells(text, "pair") if cell != "%"]
    assert decoded == "greedily"
    assert float(smallest) == pytest.approx(expected, abs=0.051)
    chances = [stats.norm.sf(1.96 - effect / np.sqrt(variance)) for effect in (0.02, 0.05, 0.1)]
    assert [int(two), int(five), int(ten)] == pytest.approx([100 * each for each in chances], abs=1)


def test_the_more_contrasts_the_larger_the_difference() -> None:
    def smallest(contrasts: list[Contrast]) -> float:
        parts = {each.name: PARTS for each in contrasts}
        return float(cells(design_text(parts, contrasts, seeds=4, problems=100, samples=4), "pair")[1])

    assert smallest([PAIR]) < smallest([PAIR, replace(PAIR, name="other")])


def test_a_dry_run_prints_cost_and_power_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = (replace(PAIR, name="PS − outcome", plus=("grpo_process",), minus=("grpo",)),)
    declared = replace(recipe(), contrasts=own, default_arms=("grpo", "grpo_process"))
    monkeypatch.setitem(recipes.RECIPES, "miniature", lambda device: declared)
    Compare(recipe_name="miniature", dry_run=True, seeds=(3,), workers=1).run()
    printed = capsys.readouterr().out
    # 3 seeds of 3 steps × 4 problems × 4; evaluation as in the sweep's dry run, 3 × 66 completions.
    assert cells(printed, "grpo")[:3] == ["3", "144", "198"]
    assert cells(printed, "PS − outcome")[0] == "greedily"
    assert "3 seeds and 6 problems" in printed
    assert "variances of all contrasts: assumed, as the embedded comparison had them" in printed
    assert "one seed" not in printed
    Compare(recipe_name="miniature", dry_run=True, seeds=(1,), workers=1).run()
    assert "one seed: no contrast gets a verdict" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_pilot_gives_the_variances_of_the_contrasts_that_it_can_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pilot has the start and GRPO; its two seeds differ by as much as the hand says in `save_comparison`."""
    monkeypatch.chdir(tmp_path)
    pilot = save_comparison(tmp_path / "pilot")
    own = (
        Contrast(name="GRPO − start", plus=("grpo",), minus=("sft_start",)),
        Contrast(name="PS − outcome", plus=("grpo_process",), minus=("grpo",)),
    )
    declared = replace(recipe(), contrasts=own, default_arms=("grpo", "grpo_process"))
    monkeypatch.setitem(recipes.RECIPES, "miniature", lambda device: declared)
    Compare(recipe_name="miniature", dry_run=True, seeds=(4,), workers=1, pilot=pilot).run()
    printed = capsys.readouterr().out
    assert "variances of PS − outcome: assumed" in printed
    values = [np.array([[0.75, 0.5], [0.5, 0.75]]), np.array([[0.25, 0.5], [0.0, 0.5]])]
    parts = components_of(values, (1.0, -1.0), 4)
    assert parts.pilot_freedom == 1
    assert cells(printed, "GRPO − start") == ["–"] * 5  # not decoded at one temperature; and two seeds state nothing
    assert "the pilot has two seeds" in printed


def test_a_pilot_without_a_dry_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give --dry-run with it"):
        Compare(pilot=tmp_path).run()
