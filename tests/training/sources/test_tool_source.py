"""Completions with a tool as a source of training data: drawn in rounds, kept on disk with what is the model's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sampling import SamplingConfig
from sampling.rounds import ToolOutput, ToolRounds
from tests.sampling.test_rounds import FIRST, PROBLEMS, SHOWN, TOKENIZER, Scripted, Tool, ids, scripted
from training.sources.offline import OfflineSource
from training.sources.online import OnlineSource
from training.sources.prompts import Prompts


def online(tool: Tool) -> OnlineSource:
    sampler: Any = Scripted(scripted(("p:", FIRST), ("q:", "\\boxed{5}<eos>"), (SHOWN, "\\boxed{4}<eos>")))
    sampler.policy_version = 0
    policy: Any = SimpleNamespace(tokenizer=TOKENIZER)
    prompt_ids = tuple(ids(problem.question + ":") for problem in PROBLEMS)
    return OnlineSource(
        sampler=sampler,
        policy=policy,
        prompts=Prompts(problems=tuple(PROBLEMS), prompt_ids=prompt_ids, per_step=2, seed="s"),
        sampling=SamplingConfig(max_tokens=200, with_logprobs=True),
        group_size=2,
        run_seed=0,
        rounds=ToolRounds(tool=tool),
    )


def test_what_was_drawn_with_a_tool_is_read_back_as_it_was(tmp_path: Path) -> None:
    source = online(Tool(*[ToolOutput(text="4")] * 4))
    drawn = source.rollouts(0)
    by_problem = {rollout.problem.problem_id: rollout for rollout in drawn}
    assert len(drawn) == 4
    assert by_problem["p"].own_words == "Let x.\n\n\\boxed{4}"
    assert by_problem["p"].own_tokens is not None and not all(by_problem["p"].own_tokens)
    assert by_problem["q"].own_tokens is not None and all(by_problem["q"].own_tokens)
    file = tmp_path / "drawn.jsonl"
    OfflineSource.draw(source, range(1), file)
    read = OfflineSource.read(file, source.prompts).rollouts(0)
    kept = ("completion_ids", "own_tokens", "own_words", "completion", "finish_reason", "seed")
    assert [[getattr(each, name) for name in kept] for each in read] == [
        [getattr(each, name) for name in kept] for each in drawn
    ]
    assert [each.judged_text for each in read] == [each.judged_text for each in drawn]


def test_the_greedy_completion_may_use_the_tool_too() -> None:
    tool = Tool(ToolOutput(text="4"))
    (greedy,) = online(tool).greedy_rollouts(0, [(PROBLEMS[0], ids("p:"))])
    assert tool.sessions == [["x = 2\n"]]
    assert greedy.own_words == "Let x.\n\n\\boxed{4}"
