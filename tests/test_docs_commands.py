"""Every command in the documentation: its options parse, its names exist, what is fast is run, its files are there."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro

from experiments import cli
from experiments.commands.compare import Compare, Train
from experiments.commands.evaluate import Evaluate
from experiments.commands.inspect import Benchmarks, Methods
from experiments.commands.look import Show
from experiments.commands.new import starting_file
from experiments.commands.sweep import Sweep
from experiments.recipes.arms import select_arms
from experiments.recipes.grid import grid_arms, parse_varied
from experiments.recipes.plugins import learned_name, load_method, load_reward, load_step_reward
from experiments.schedule.learned import check_learned_rewards

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "requirements" / "README.md", *ROOT.glob("docs/**/*.md")]
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OWN_TEST = {"docs/inspect-your-trainer.md"}  # tests/test_docs_inspect.py runs its commands
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands() -> list[Any]:
    found = []
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and name not in OWN_TEST:
                    found.append(pytest.param(words, id=f"{name}: {' '.join(words)}"[:110]))
    return found


def parsed(arguments: list[str]) -> Any:
    """The command that these arguments are; an option that does not exist ends in `SystemExit`."""
    return tyro.extras.subcommand_cli_from_dict(cli.COMMANDS, prog="coeflab", args=arguments)


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that pages tell their readers to make."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    texts = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page, flags=re.DOTALL))
    for kind in ("method", "recipe", "reward"):
        texts[f"my_{kind}.py"] = texts.get(f"my_{kind}.py", "") + "\n" + starting_file(kind, Path(f"my_{kind}.py"))
    for name, text in texts.items():
        lines = text.splitlines()  # two files of one name: what must stand first in a file stays first
        future = [line for line in lines if line.startswith("from __future__")]
        (tmp_path / name).write_text("\n".join([*future, *(line for line in lines if line not in future)]))
    return tmp_path


@pytest.mark.parametrize("words", commands())
def test_a_command_of_the_documentation_is_one(
    words: list[str], own_files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program, *arguments = words
    if program == "make":
        assert {word for word in arguments if "=" not in word} <= TARGETS
        return
    if Path(program).name != "coeflab":
        pytest.skip("no command of this project")
    if arguments[0].startswith("--tyro-print-completion"):
        with pytest.raises(SystemExit) as stop:
            parsed(arguments)
        assert not stop.value.code
        assert "--recipe" in capsys.readouterr().out
        return
    monkeypatch.setattr("experiments.trackers.clients.find_spec", lambda package: True)  # their extras need not be here
    command = parsed(arguments)
    if isinstance(command, Methods | Benchmarks | Show):
        command.run()
        assert capsys.readouterr().out.strip()
    elif isinstance(command, Compare | Train | Sweep):
        check_recipe_options(command)
    elif isinstance(command, Evaluate):
        assert command.samples > 0


def check_recipe_options(command: Compare | Train | Sweep) -> None:
    """What the command does before anything is loaded, sampled or written."""
    recipe = replace(command, model=None).recipe(command.recipe_name)
    algorithms = command.algorithm if isinstance(command.algorithm, tuple) else (command.algorithm,)
    arms = select_arms(recipe, [name for name in algorithms if name])
    recipe = command.with_settings(replace(recipe, arms=arms))
    if isinstance(command, Sweep):
        recipe = replace(recipe, arms=grid_arms(recipe, [parse_varied(text) for text in command.vary]))
    for arm in recipe.arms.values():
        load_method(arm.algorithm, arm.settings)
        own = recipe.overridden(arm.overrides)
        check_learned_rewards(own, arm.algorithm)
        if learned_name(own.reward) is None:
            load_reward(own.reward)
        if learned_name(own.task.step_reward) is None:
            load_step_reward(own.task.step_reward)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_files_of_a_page_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_pages_say_where_coeflab_is() -> None:
    lacking = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        index = page.parent / "README.md"
        index_text = index.read_text(encoding="utf-8") if index.is_file() else ""
        if re.search(r"^```sh\n(.*\n)*?coeflab ", text, re.MULTILINE) and ".venv/bin" not in text + index_text:
            lacking.append(page.relative_to(ROOT).as_posix())
    assert lacking == []
