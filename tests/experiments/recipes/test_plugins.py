"""`docs/extending.md` as a reader would follow it: its files written out, its commands run, on the miniature recipe."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algorithms import OnlineRFT
from algorithms.interface import TokenBatch
from benchmarks.problem import Problem
from experiments import cli
from experiments.recipes import catalogue as recipes
from experiments.recipes.config import Recipe
from experiments.recipes.files import check_unchanged, failure_of, file_hashes, load_object
from experiments.recipes.plugins import load_algorithm, load_reward, load_step_reward, try_reward
from experiments.schedule.door import check_recipe
from rewards.noise import RewardNoise
from rewards.reward import RewardError
from rewards.sandbox import run as sandbox
from rewards.sandbox.run import SandboxUnavailableError
from rewards.verdict import Status
from tests.experiments.miniature import recipe

PAGE = Path(__file__).parents[3] / "docs" / "extending.md"
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL))
COMMANDS = re.findall(r"^coeflab .*$", PAGE.read_text(), flags=re.MULTILINE)


def tiny(device: str) -> Recipe:
    small = recipe()
    arms = {name: replace(arm, training=replace(arm.training, steps=1)) for name, arm in small.arms.items()}
    return replace(small, arms=arms, evaluation=replace(small.evaluation, every=0))


@pytest.fixture
def page_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(recipes.RECIPES, "arithmetic", tiny)
    return tmp_path


def test_the_page_has_a_method_under_thirty_lines_and_its_commands() -> None:
    assert set(FILES) == {"my_method.py", "my_reward.py", "my_steps.py"}
    assert len([line for line in FILES["my_method.py"].splitlines() if line.strip()]) < 30
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_run(
    command: str, page_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", shlex.split(command))
    cli.main()
    printed = capsys.readouterr().out
    assert "Pass@1" in printed
    [report] = page_folder.glob("runs/*/report/index.html")
    assert str(report.relative_to(page_folder)) in printed
    for folder in page_folder.glob("runs/*/runs/*"):
        config = json.loads((folder / "config.json").read_text())
        references = {config["algorithm"], config["reward"], config["task"]["step_reward"]}
        assert set(config["files"]) <= references
        if config["training"] is not None:
            assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1
    if "SignedRFT" in command:
        assert list(page_folder.glob("runs/*/runs/SignedRFT-seed0/checkpoints/step-000001/model.safetensors"))


def test_the_method_without_push_is_online_rft(page_folder: Path) -> None:
    method = load_algorithm("my_method.py:SignedRFT", {"push": 0.0})
    mask = torch.tensor([[True, True], [True, False]])
    batch = TokenBatch(
        completion_mask=mask,
        rewards=torch.tensor([0.1, 1.1]),
        correct=torch.tensor([False, True]),
        group=torch.zeros(2).long(),
    )
    assert torch.equal(method.credit(batch), OnlineRFT().credit(batch))
    assert load_algorithm("my_method.py:SignedRFT", {}).credit(batch)[0].tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            lambda: load_algorithm("my_method.py:SignedRTF", {}),
            r"has no 'SignedRTF'; did you mean 'SignedRFT'\?",
        ),
        (lambda: load_algorithm("nowhere.py:X", {}), "there is no file"),
        (lambda: load_algorithm("my_method.py:SignedRFT", {"pull": 1}), "has no field 'pull'.*push"),
        (lambda: load_algorithm("my_method.py:torch", {}), "expected a dataclass"),
        (lambda: load_algorithm("grop", {}), "did you mean 'grpo'"),
        (lambda: load_algorithm("grpo", {"clip_hihg": 0.3}), "did you mean 'clip_high'"),
        (lambda: load_algorithm("grpo", {"kl_coef": "much"}), "expected a finite float"),
        (lambda: load_algorithm("grpo", {"supervision": "proces"}), "expected one of 'outcome', 'process'"),
        (lambda: load_algorithm("grpo", {"std_ddof": 3}), "std_ddof is 3"),
        (lambda: load_algorithm("ppo", {"discount": 2.0}), "discount is 2.0"),
        (lambda: load_reward("right"), "unknown reward 'right'"),
        (lambda: load_reward("my_reward.py:__name__"), "expected a function"),
        (lambda: load_step_reward("lines"), "unknown step reward 'lines'"),
        (lambda: load_object("broken.py:x"), r"broken\.py, line 2 cannot be loaded: ZeroDivisionError"),
    ],
)
def test_mistakes_are_named(load, message: str, page_folder: Path) -> None:
    (page_folder / "broken.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(ValueError, match=message):
        load()


WEIGHTED = """
from rewards.code import CodeReward
from rewards.combination import RewardPart, WeightedReward

trusting = CodeReward(isolation="none_i_trust_this_code")
code = CodeReward()
both = WeightedReward(name="both", parts=(RewardPart(name="code", weight=1.0, reward=CodeReward()),))
"""


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("code", True),
        ("w.py:code", True),
        ("w.py:both", True),
        ("shuffled:code", True),
        ("shuffled:w.py:both", True),
        ("w.py:trusting", False),
    ],
)
def test_programs_that_could_not_be_kept_apart_are_refused_before_a_run(
    name: str, refused: bool, page_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (page_folder / "w.py").write_text(WEIGHTED)
    monkeypatch.setattr(sandbox, "why_unavailable", lambda: "they are switched off")
    with pytest.raises(SandboxUnavailableError, match="switched off") if refused else nullcontext():
        load_reward(name)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return TABLE['boom']",
            r"r\.py:reward of problem '.*', sample 0 failed: .*/r\.py, line 4: KeyError: 'boom'",
        ),
        ("return float(rollout.completion.split()[-1][7])", r"sample 1 failed: .*/r\.py, line 4: IndexError"),
        ("return len(rollout.completion) / len(rollout.completion)", "sample 1 failed: .*ZeroDivisionError"),
        ("return None", "sample 0 is None; expected a finite number"),
        ("return float('-inf')", "sample 0 is -inf; expected a finite number"),
    ],
)
@pytest.mark.parametrize("control", ["", "shuffled:"])
def test_a_mistake_in_a_reward_shows_at_the_door(body: str, message: str, control: str, tmp_path: Path) -> None:
    """`check_recipe` tries a user's reward before anything runs: on a right answer, and on nothing."""
    (tmp_path / "r.py").write_text(f"TABLE = {{}}\n\ndef reward(rollout, verdict):\n    {body}\n")
    broken = replace(recipe(), reward=f"{control}{tmp_path / 'r.py'}:reward")
    with pytest.raises(RewardError, match=message) as caught:
        check_recipe(broken)
    assert "was tried on two completions, a right answer and an empty one" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return TABLE['boom']", r"sample 0 failed: .*/s\.py, line 4: KeyError: 'boom'"),
        ("return None", "sample 0 is None; expected a tuple of StepVerdict"),
        ("return len(rollout.completion) / len(rollout.completion) and ()", "sample 1 failed: .*ZeroDivisionError"),
    ],
)
def test_a_mistake_in_a_step_reward_shows_at_the_door(body: str, message: str, tmp_path: Path) -> None:
    """It had shown after the start policies were trained."""
    (tmp_path / "s.py").write_text(f"TABLE = {{}}\n\ndef steps(rollout):\n    {body}\n")
    given = recipe()
    with pytest.raises(RewardError, match=message) as caught:
        check_recipe(replace(given, task=replace(given.task, step_reward=f"{tmp_path / 's.py'}:steps")))
    assert "was tried on two completions, a right answer and an empty one" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return batch.nothing", r"m\.py, line 2, in credit: AttributeError: .*'nothing'$"),
        ("return None - 1", r"m\.py, line 2, in credit: TypeError: .*; what the method's `needs` do not name is None"),
        ("return len(batch)", r"m\.py, line 2, in credit: TypeError: object of type 'object' has no len\(\)$"),
    ],
)
def test_what_a_run_fails_with_names_the_line_of_a_file(body: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(f"def credit(batch):\n    {body}\n")
    with pytest.raises((AttributeError, TypeError)) as caught:
        load_object(f"{tmp_path / 'm.py'}:credit")(object())
    assert re.search(message, failure_of(caught.value))


def test_what_fails_in_our_own_code_stays_as_it_is() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("one")
    assert failure_of(caught.value) == "ValueError: invalid literal for int() with base 10: 'one'"


def test_the_trial_shows_a_right_answer_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.py").write_text("SEEN = []\n\ndef reward(*seen):\n    SEEN.append(seen)\n    return 0.0\n")
    problem = Problem(problem_id="a", benchmark="b", question="?", gold_answer="1/2")
    try_reward(f"{tmp_path / 'r.py'}:reward", problem)
    seen = load_object(f"{tmp_path / 'r.py'}:SEEN")
    assert [(rollout.problem, rollout.completion, verdict.status) for rollout, verdict in seen] == [
        (problem, r"The answer is \boxed{1/2}.", Status.CORRECT),
        (problem, "", Status.NO_ANSWER),
    ]


def test_a_shuffled_reward_of_a_file_keeps_the_hash_of_its_file(page_folder: Path) -> None:
    plain, shuffled = "my_reward.py:short_and_right", "shuffled:my_reward.py:short_and_right"
    hashes = file_hashes([plain, shuffled, "shuffled:correctness"])
    assert set(hashes) == {plain, shuffled} and hashes[plain] == hashes[shuffled]
    check_unchanged(hashes)
    assert load_reward(shuffled).name == f"shuffled {plain}"


def test_noise_in_a_reward_that_knows_no_right_and_wrong_is_refused_at_the_door(tmp_path: Path) -> None:
    noise = RewardNoise(false_negative=0.2)
    with pytest.raises(RewardError, match=r"reward is 'repetition'.*expected one of correctness, .*or no noise"):
        check_recipe(replace(recipe(), reward="repetition", reward_noise=noise))
    (tmp_path / "r.py").write_text("def graded(rollout, verdict):\n    return 1.0 if verdict.correct else -0.5\n")
    graded = replace(recipe(), reward=f"{tmp_path / 'r.py'}:graded")
    with pytest.raises(RewardError, match=r"was tried on two completions.*is -0\.5, and there is reward_noise"):
        check_recipe(replace(graded, reward_noise=noise))
    assert check_recipe(graded).reward_noise.silent
