"""The SFT mixture: shares of forms, rows of some tokens, and outputs of programs that are not learnt."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.arithmetic import generate_problems
from experiments.recipes.config import TaskConfig
from experiments.runs.prompts import demonstrations
from training.config import check_shares
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.policy import Policy
from training.sources.mixture import ConcatenatedSource, concatenated_rows, forms_of

SHARES = {"words": 0.5, "program": 0.3, "tool": 0.2}
TASK = TaskConfig(benchmark="arithmetic", prompt="bare", forms=tuple(SHARES.items()))


@pytest.fixture(scope="module")
def policy() -> Policy:
    size = EmbeddedModelConfig(hidden_size=32, num_layers=1, vocabulary="programs")
    tokenizer = build_embedded_tokenizer("programs")
    model = build_embedded_model(size, seed=0)
    return Policy(model=model, tokenizer=tokenizer, eos_token_ids=(2,), pad_token_id=0)


def test_every_program_of_the_generator_prints_its_answer() -> None:
    problems = generate_problems("train", 40)
    for problem in problems:
        assert problem.program is not None and problem.tool_solution is not None
        assert f"```python\n{problem.program}\n```" in problem.tool_solution
        assert f"```output\n{problem.gold_answer}\n```\n\\boxed{{{problem.gold_answer}}}" in problem.tool_solution
    source = "\n".join(problem.program or "" for problem in problems)
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [problem.gold_answer for problem in problems]


def test_each_form_has_its_share_and_no_problem_is_shown_twice() -> None:
    problems = generate_problems("train", 200)
    chosen = forms_of(problems, SHARES, seed="a")
    assert Counter(chosen) == {"words": 100, "program": 60, "tool": 40}
    assert forms_of(problems, SHARES, seed="a") == chosen != forms_of(problems, SHARES, seed="b")


def test_where_a_form_is_rare_the_shares_are_kept_and_the_rest_is_left_out() -> None:
    problems = [
        replace(problem, tool_solution=problem.tool_solution if number < 10 else None)
        for number, problem in enumerate(generate_problems("train", 200))
    ]
    chosen = forms_of(problems, SHARES, seed="a")
    found = Counter(chosen)
    assert found["tool"] == 10 and all(form != "tool" for form in chosen[10:])
    assert (found["words"], found["program"]) == pytest.approx((25, 15), abs=2)
    with pytest.raises(ValueError, match=r"20% solutions in the form 'tool', and none of 20 problems has one"):
        forms_of([replace(problem, tool_solution=None) for problem in problems[:20]], SHARES, seed="a")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"words": 0.5, "program": 0.4}, "add up to 1"),
        ({"words": 1.5, "program": -0.5}, "above 0"),
        ({"words": 0.5, "prose": 0.5}, "expected some of words, program, tool"),
        ({}, "expected some of"),
    ],
)
def test_shares_that_are_none_are_refused(shares: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_shares(shares)


def test_rows_are_filled_in_order_and_one_that_does_not_fit_begins_the_next() -> None:
    lengths = [5, 3, 4, 10, 1, 9]
    assert concatenated_rows(lengths, [0, 1, 2, 3, 4, 5], 10) == [[0, 1], [2], [3], [4, 5]]
    assert concatenated_rows(lengths, [5, 4, 3, 2, 1, 0], 12) == [[5, 4], [3], [2, 1, 0]]
    with pytest.raises(ValueError, match="a demonstration has 10 tokens with its prompt and rows have 9"):
        concatenated_rows(lengths, [3], 9)


def test_each_form_stands_behind_its_own_prompt_and_outputs_are_not_learnt(policy: Policy) -> None:
    source = demonstrations(TASK, policy, count=50, per_step=50, seed="s")
    decode = policy.tokenizer.decode
    seen = Counter[str]()
    for rollout in source.rollouts(0):
        question, prompt = rollout.problem.question, str(decode(list(rollout.prompt_ids)))
        form = {question: "words", f"{question}\n```python\n": "program", f"{question}\n": "tool"}[prompt]
        seen[form] += 1
        text = str(decode(list(rollout.completion_ids)))
        answer = rollout.problem.gold_answer
        match form:
            case "words":
                assert text.endswith(f"\\boxed{{{answer}}}<eos>")
                assert rollout.own_tokens is None
            case "program":
                assert text == f"{rollout.problem.program}\n```<eos>"
                assert rollout.own_tokens is None
            case "tool":
                assert rollout.own_tokens is not None
                shown = [t for t, own in zip(rollout.completion_ids, rollout.own_tokens, strict=True) if not own]
                assert decode(shown) == f"```output\n{answer}\n```\n"
                assert text == f"{rollout.problem.tool_solution}<eos>"
    assert seen == {"words": 25, "program": 15, "tool": 10}


def test_steps_take_rows_and_an_epoch_shows_everything_once(policy: Policy) -> None:
    source = demonstrations(TASK, policy, count=60, per_step=60, seed="s")
    rows = ConcatenatedSource(demonstrations=source, context=192, rows_per_step=1, seed="s")
    names, step = list[str](), 0
    while len(names) < 60:
        shown = rows.rollouts(step)
        assert sum(len(each.prompt_ids) + len(each.completion_ids) for each in shown) <= 192
        names += [each.problem.problem_id for each in shown]
        step += 1
    assert sorted(names) == sorted(problem.problem_id for problem in source.prompts.problems)
    again = [each.problem.problem_id for number in range(step) for each in rows.rollouts(number)]
    assert again == names  # the same step gives the same rows
    second = [each.problem.problem_id for number in range(step, step + 3) for each in rows.rollouts(number)]
    assert second != names[: len(second)]  # put together anew
    assert rows.sampling_seconds(0, elapsed=2.5) == 2.5
    three = replace(rows, rows_per_step=3)
    assert [each.problem.problem_id for each in three.rollouts(1)] == [
        each.problem.problem_id for number in (3, 4, 5) for each in rows.rollouts(number)
    ]
