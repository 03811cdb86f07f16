"""A search that training draws on is led by the least step of a solution, not by its last."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from sampling.rollout import Rollout
from sampling.sampler import SamplingConfig
from sampling.search import SearchConfig
from tests.sampling.test_search import Scripted, problem
from tests.training.reward_models.small_model import TOKENIZER
from training.models.logprobs import ForwardOptions
from training.reward_models.searched import SearchedSource
from training.reward_models.serving import RewardModel
from training.sources.prompts import Prompts


class Digits(RewardModel):
    """A model to whom a step is as good as its digit: 7 has 0.7."""

    def probabilities(self, rollouts: Sequence[Rollout], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        def step(rollout: Rollout, end: int) -> int:
            text = str(TOKENIZER.decode(list(rollout.completion_ids[: end + 1])))
            return int([letter for letter in text if letter.isdigit()][-1])

        return [tuple(step(each, end) / 10 for end in at) for each, at in zip(rollouts, ends, strict=True)]


def test_the_least_step_leads_and_ranks_where_the_last_would_do_both_otherwise() -> None:
    """Width 2, branching 2. 2 and 4 grow, to 2,9 (least 0.2, last 0.9), 2,3, 4,5 and 4,6 (least 0.4).

    The least steps lead to 4,5 and 4,6, whose whole solutions 4,5,8 (0.4), 4,5,7 (0.4), 4,6,1 (0.1) and 4,6,8 (0.4)
    end the search: of equals the first is kept. The last steps would have led to 2,9,9.
    """
    engine = Scripted(
        {
            "": ["2\n", "4\n", "2\n", "4\n"],
            "2\n": ["9\n", "3\n"],
            "4\n": ["5\n", "6\n"],
            "2\n9\n": ["9", "9"],
            "4\n5\n": ["8", "7"],
            "4\n6\n": ["1", "8"],
        }
    )
    model: Any = SimpleNamespace(tokenizer=TOKENIZER, num_parameters=10)
    asked, prompt_ids = problem()
    source = SearchedSource(
        sampler=engine,  # type: ignore[arg-type]
        policy=model,
        prompts=Prompts(problems=(asked,), prompt_ids=(prompt_ids,), per_step=1, seed="0"),
        sampling=SamplingConfig(temperature=1.0, max_tokens=12),
        config=SearchConfig(width=2, branching=2, budget=1000),
        guide=Digits(members=[model], temperatures=[1.0], options=ForwardOptions()),
        group_size=1,
        run_seed=0,
    )
    assert [each.completion for each in source.rollouts(0)] == ["4\n5\n8"]
    assert engine.asked[2] == ["4\n5\n"] * 2 + ["4\n6\n"] * 2
    assert source.spent_beside(0).tokens == 4 * 2 + 4 * 2 + 4 * 2 - 6
