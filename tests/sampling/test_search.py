"""Beam and best-first search: which prefixes grow, worked by hand; the budget; and that no neighbour matters."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.problem import Problem
from sampling.rollout import Rollout
from sampling.sampler import Generation, Request, SamplingConfig
from sampling.search import SearchConfig, search
from sampling.transformers_engine import TransformersSampler
from tests.training.reward_models.small_model import EOS, TOKENIZER
from tests.training.small_run import save_start

SAMPLING = SamplingConfig(temperature=1.0, max_tokens=12)


def ids(text: str) -> tuple[int, ...]:
    return tuple(TOKENIZER(text, add_special_tokens=False).input_ids)


def problem(name: str = "1+1=") -> tuple[Problem, tuple[int, ...]]:
    return Problem(problem_id=f"p:{name}", benchmark="made up", question=name, gold_answer="2"), ids(name)


class Scripted:
    """An engine whose next steps are written down: the n-th step that is drawn after a prefix is the n-th of its list.

    A step "5" ends with the end of sequence, "5\\n" with its newline.
    """

    policy_version = 3

    def __init__(self, steps: dict[str, list[str]]) -> None:
        self.steps = {prefix: list(each) for prefix, each in steps.items()}
        self.asked: list[list[str]] = []

    def generate(
        self, requests: Sequence[Request], config: SamplingConfig, on_progress: object = None
    ) -> list[Generation]:
        prompt = len(ids("1+1="))
        prefixes = [str(TOKENIZER.decode(list(request.prompt_ids[prompt:]))) for request in requests]
        self.asked.append(prefixes)
        result = []
        for prefix, request in zip(prefixes, requests, strict=True):
            step = self.steps[prefix].pop(0)
            whole = step.endswith("\n")
            written = ids(step) if whole else (*ids(step), EOS)
            cut = written[: request.limit(config)]
            reason = "stop" if cut == written else "length"
            result.append(
                Generation(completion_ids=cut, finish_reason=reason, logprobs=None, met_stop=whole and cut == written)
            )
        return result


def value(text: str) -> float:
    """A score by hand: the mean digit."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    return sum(digits) / len(digits)


def by_hand(rollouts: Sequence[Rollout]) -> list[float]:
    return [value(rollout.completion) for rollout in rollouts]


def test_beam_search_grows_the_best_prefixes_and_forgets_the_others() -> None:
    """Width 2, branching 2. First steps 1, 5, 3, 5 (one of them twice): 5 and 3 grow, 1 is forgotten.

    Of 5: 5,1 (3) and 5,7 whole (6); of 3: 3,2 (2.5) and 3,3 (3). The beam is 5,7 and, of two equals, the one found
    first: 5,1. It grows to 5,1,9 whole (5) and 5,1,0 (2): the beam is two whole solutions, the end.
    """
    engine: Any = Scripted(
        {"": ["1\n", "5\n", "3\n", "5\n"], "5\n": ["1\n", "7"], "3\n": ["2\n", "3\n"], "5\n1\n": ["9", "0\n"]}
    )
    [found] = search(
        engine, TOKENIZER, [problem()], SAMPLING, SearchConfig(width=2, branching=2, budget=1000), by_hand, run_seed=0
    )
    assert engine.asked == [[""] * 4, ["5\n", "5\n", "3\n", "3\n"], ["5\n1\n", "5\n1\n"]]
    assert found.best.completion == "5\n7" and found.best.finish_reason == "stop"
    assert [(each.rollout.completion, each.score) for each in found.candidates] == [
        ("5\n7", 6),
        ("5\n1\n9", 5),
        ("5\n1\n0\n", 2),
    ]
    assert found.rounds == 3
    assert found.tokens == 4 * 2 + (2 + 2 + 2 + 2) + (2 + 2)  # a digit and its newline, or the end of sequence
    assert found.best.policy_version == 3 and found.best.prompt_ids == ids("1+1=")


def test_best_first_search_returns_to_a_prefix_that_it_left() -> None:
    """First steps 1, 5, 4 and 2. 5 grows to 5,0 (2.5) and 5,1 (3): now 4 is best, and grows to 4,3 (3.5) and 4,9 whole.

    One solution of width 2; 4,3 grows to 4,3,8 whole (5): two, the end. 5,1, 5,0, 2 and 1 never grew.
    """
    engine = Scripted(
        {"": ["1\n", "5\n", "4\n", "2\n"], "5\n": ["0\n", "1\n"], "4\n": ["3\n", "9"], "4\n3\n": ["8", "1\n"]}
    )
    config = SearchConfig(method="best_first", width=2, branching=2, budget=1000)
    [found] = search(engine, TOKENIZER, [problem()], SAMPLING, config, by_hand, run_seed=0)  # type: ignore[arg-type]
    assert engine.asked == [[""] * 4, ["5\n"] * 2, ["4\n"] * 2, ["4\n3\n"] * 2]
    assert [each.rollout.completion for each in found.candidates[:2]] == ["4\n9", "4\n3\n8"]
    assert len(found.candidates) == 7 and all(each.rollout.truncated for each in found.candidates[2:])


def test_the_budget_ends_a_search_and_what_was_begun_is_kept() -> None:
    """Two first steps of two tokens; two of six tokens are left for two branches, one each: half a step, the end."""
    engine = Scripted({"": ["5\n", "3\n"], "5\n": ["7\n", "8"]})
    config = SearchConfig(width=1, branching=2, budget=6)
    [found] = search(engine, TOKENIZER, [problem()], SAMPLING, config, by_hand, run_seed=0)  # type: ignore[arg-type]
    assert found.tokens == 6 and found.rounds == 2
    assert found.best.completion == "5\n8" and found.best.truncated and len(found.candidates) == 2


def test_a_solution_is_no_longer_than_is_allowed() -> None:
    engine = Scripted({"": ["5\n"], "5\n": ["5\n"], "5\n5\n": ["5\n"]})
    config = SearchConfig(width=1, branching=1, budget=1000)
    [found] = search(engine, TOKENIZER, [problem()], SamplingConfig(max_tokens=5), config, by_hand, run_seed=0)  # type: ignore[arg-type]
    assert found.best.completion == "5\n5\n5" and found.best.truncated and found.tokens == 5


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TransformersSampler:
    folder = tmp_path_factory.mktemp("start")
    save_start(folder)
    return TransformersSampler(folder, eos_token_ids=[EOS], batch_size=16)


def length(rollouts: Sequence[Rollout]) -> list[float]:
    """Longer is better, of equals the one that is later in the alphabet: no two prefixes alike."""
    return [len(each.completion) + random.Random(each.completion).random() for each in rollouts]


@pytest.mark.parametrize("method", ["beam", "best_first"])
def test_each_problem_is_searched_as_it_would_be_alone_and_within_its_budget(
    engine: TransformersSampler, method: str
) -> None:
    prompts = [problem("1+1="), problem("2*3="), problem("9-4=")]
    for seed, (width, branching, budget) in enumerate([(2, 2, 40), (1, 3, 17), (3, 1, 64)]):
        config = SearchConfig(method=method, width=width, branching=branching, budget=budget)  # type: ignore[arg-type]
        together = search(engine, TOKENIZER, prompts, SAMPLING, config, length, run_seed=seed)
        for each, found in zip(prompts, together, strict=True):
            [alone] = search(engine, TOKENIZER, [each], SAMPLING, config, length, run_seed=seed)
            assert found == alone
            assert found.tokens <= budget
            for candidate in found.candidates:
                written = [token for token in candidate.rollout.completion_ids if token not in (0, 1, EOS)]
                assert candidate.rollout.completion == str(TOKENIZER.decode(written))


def test_what_cannot_be_searched_is_refused(engine: TransformersSampler, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="all branches of a search would be one"):
        search(engine, TOKENIZER, [problem()], SamplingConfig(temperature=0.0), SearchConfig(), length, run_seed=0)
    with pytest.raises(ValueError, match="budget is 3 tokens for 4 first steps"):
        SearchConfig(width=2, branching=2, budget=3)
    with pytest.raises(ValueError, match="step_end is empty"):
        SearchConfig(step_end="")
