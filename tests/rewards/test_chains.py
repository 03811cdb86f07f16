"""A right answer's chain: right, wrong, or not checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.recipes.plugins import load_step_rule
from rewards.scoring import judge, judge_chains
from tests.rewards.rollouts import rollout_of

CHAIN = "((12+7)*3)-5="


@pytest.mark.parametrize(
    ("rule", "question", "gold", "completion", "chain"),
    [
        ("next_operations", CHAIN, "52", "12+7=19\n19*3=57\n57-5=52\n\\boxed{52}", "RIGHT"),
        ("next_operations", CHAIN, "52", "(12+7)*3=57\n57-5=52\n\\boxed{52}", "RIGHT"),
        ("next_operations", CHAIN, "52", "12+7=18\n18*3=57\n57-5=52\n\\boxed{52}", "WRONG"),
        ("next_operations", CHAIN, "52", "\\boxed{52}", "WRONG"),
        ("next_operations", CHAIN, "52", "12+7=19\n19*3=57\n57-5=51\n\\boxed{51}", ""),
        ("next_operations", "How many are 12 and 7?", "19", "\\boxed{19}", ""),
        ("equations", "How many are 12 and 7?", "19", "12 + 7 = 19\nThe answer is \\boxed{19}.", "RIGHT"),
        ("equations", "How many are 12 and 7?", "19", "10 + 7 = 18\nThe answer is \\boxed{19}.", "WRONG"),
        ("equations", "How many are 12 and 7?", "19", "The answer is \\boxed{19}.", ""),
        ("somebody's.py:own", CHAIN, "52", "(12+7)*3=57\n57-5=52\n\\boxed{52}", ""),
    ],
)
def test_the_chain_of_an_answer(rule: str, question: str, gold: str, completion: str, chain: str) -> None:
    made = rollout_of(completion, gold_answer=gold)
    asked = [replace(made, problem=replace(made.problem, question=question))]
    assert judge_chains(asked, judge(asked), load_step_rule(rule)) == [chain]
