"""`coeflab new` writes files that run as they are; `coeflab show` names every field with its meaning."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import cli
from experiments.commands.new import starting_file
from experiments.inspection.methods import print_methods
from experiments.inspection.recipe import recipe_lines
from experiments.recipes import catalogue
from experiments.recipes.catalogue import RECIPES, find_recipe
from experiments.recipes.config import Recipe
from experiments.recipes.fields import recipe_fields
from tests.experiments.miniature import recipe, run_here


def tiny(device: str = "cpu") -> Recipe:
    small = recipe()
    arms = {name: replace(arm, training=replace(arm.training, steps=1)) for name, arm in small.arms.items()}
    engine = replace(small.engine, name="transformers")  # the one that is built fastest
    return replace(small, arms=arms, engine=engine, evaluation=replace(small.evaluation, every=0))


def coeflab(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr("sys.argv", shlex.split(command))
    cli.main()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(catalogue.RECIPES, "arithmetic", tiny)
    return tmp_path


@pytest.mark.parametrize("kind", ["method", "reward"])
def test_the_first_command_of_a_starting_file_runs(
    kind: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    coeflab(monkeypatch, f"coeflab new {kind} mine.py")
    first, *commands = capsys.readouterr().out.splitlines()
    assert first == "wrote mine.py; try"
    assert all(f"mine.py:my_{kind}" in each or "mine.py:MyMethod" in each or "my_steps" in each for each in commands)
    coeflab(monkeypatch, commands[0])
    assert "Pass@1" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        coeflab(monkeypatch, f"coeflab new {kind} mine.py")
    assert "mine.py is there already" in capsys.readouterr().err


def test_the_recipe_of_a_starting_file_is_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "arithmetic", tiny)
    (here / "mine.py").write_text(starting_file("recipe", Path("mine.py")))
    made = find_recipe("mine.py:my_recipe")("cpu")
    assert made.name == "my-recipe"
    assert {name: arm.algorithm for name, arm in made.arms.items()} == {
        "grpo": "grpo",
        "grpo_fast": "grpo",
        "dr_grpo": "dr_grpo",
    }
    with pytest.raises(ValueError, match=r"has no 'mine'\. It has .*my_recipe"):
        find_recipe("mine.py:mine")


def test_the_commands_of_a_starting_recipe_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its budget is made small by options; arms, contrasts and everything else are the file's."""
    monkeypatch.setattr(catalogue, "arithmetic", tiny)
    monkeypatch.setattr("experiments.schedule.compare.run_jobs", run_here)
    monkeypatch.setattr("analysis.write_report", lambda folders, **options: folders[0])  # its figures take longest
    coeflab(monkeypatch, "coeflab new recipe mine.py")
    shown, run = capsys.readouterr().out.splitlines()[1:]
    coeflab(monkeypatch, shown)
    assert "evaluation.problems = 50" in capsys.readouterr().out.splitlines()
    coeflab(monkeypatch, f"{run} --steps 1 --seeds 1 --set evaluation.problems=6 --set evaluation.samples=4")
    printed = capsys.readouterr().out
    assert {line.split()[0] for line in printed.splitlines() if line} >= {"sft_start", "grpo", "grpo_fast", "dr_grpo"}
    assert "fast − slow" in printed
    trained = {path.parent.name for path in (here / "runs" / "my-recipe" / "runs").glob("*/metrics.jsonl")}
    assert trained == {"grpo-seed0", "grpo_fast-seed0", "dr_grpo-seed0"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("made = 3", "is a int; expected a function"),
        ("def made(): return 1", "expected a function of the device, 'cpu' or 'cuda'"),
        ("def made(device): return 1", "gave a int; expected a Recipe"),
        ("import nothing_of_that_name\nmade = 1", "line 1 cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_what_is_no_recipe_is_said(text: str, message: str, here: Path) -> None:
    file = here / f"r{abs(hash(text))}.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        find_recipe(f"{file}:made")("cpu")


@pytest.mark.parametrize("name", ["arithmetic", "gsm8k-grpo"])
def test_show_names_every_field_with_its_value_and_meaning(name: str) -> None:
    made = RECIPES[name]("cpu")
    lines = recipe_lines(made)
    shown = {line.partition(" = ")[0]: row for row, line in enumerate(lines) if " = " in line and line[0] != " "}
    assert set(recipe_fields(made)) <= set(shown)
    assert [path for path, row in shown.items() if not re.match(r" {4}\S", lines[row + 1])] == []
    assert lines[shown["evaluation.samples"]] == f"evaluation.samples = {made.evaluation.samples}"
    for arm, config in made.arms.items():
        [line] = [line for line in lines if line.startswith(f"{arm}: ")]
        assert all(f"method.{field}=" in line for field in config.settings)


def test_methods_are_readable_in_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    monkeypatch.setattr("experiments.inspection.methods._console", lambda: Console(width=80, markup=False))
    print_methods()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "grpo: GRPO, Eq. 21, sequence_mean" in lines
    assert lines[lines.index("grpo: GRPO, Eq. 21, sequence_mean") + 1] == "  GC     Â_t + β(π_ref/π_θ − 1)"
