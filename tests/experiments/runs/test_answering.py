"""Answers as programs and as option likelihoods, on engines whose completions and probabilities are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.problem import Problem, Statement, with_options
from benchmarks.prompts import Mode, Prompt
from experiments.recipes.config import TaskConfig
from experiments.runs.answering import answers, proof_checker
from rewards.proof import CommandChecker, Metamath
from rewards.sandbox.run import why_unavailable
from sampling.prompt import encode_prompts
from sampling.sampler import Generation, SamplingConfig
from tests.sampling.tokenizers import by_words, llama

OPTIONS = ("2", "3", "5")
PROBLEMS = [
    Problem(
        problem_id=f"q{number}",
        benchmark="b",
        question=with_options("1+1?", OPTIONS),
        gold_answer=gold,
        options=OPTIONS,
    )
    for number, gold in enumerate("AB")
]
NUMBERS = [Problem(problem_id=f"n{n}", benchmark="b", question="?", gold_answer="2") for n in range(5)]
DEMO = Metamath().database.with_name("demo0.mm")
installed = pytest.mark.skipif(
    not Metamath().program.is_file() or not DEMO.is_file() or why_unavailable() is not None,
    reason="Metamath is not installed here (apt install metamath metamath-databases): no proof is checked",
)
sandboxed = pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable()))


def ask(prompt: Prompt, sampler: Any, tokenizer: Any, problems: Sequence[Problem], samples: int = 1) -> list[Any]:
    prompts = list(zip(problems, encode_prompts(tokenizer, ["?"] * len(problems), templated=False), strict=True))
    rollouts, verdicts = answers(
        prompt, sampler, tokenizer, prompts, SamplingConfig(), samples=samples, run_seed=0, step=0
    )
    return list(zip(rollouts, verdicts(), strict=True))


def test_the_likeliest_letter_is_the_answer_whatever_its_problems_options() -> None:
    """B has the largest log π: right where the gold answer is B, wrong where it is A. Nothing is sampled."""
    tokenizer = by_words("?", "A", "B", "C")
    log_pi = {"A": -2.0, "B": -0.5, "C": -3.0}
    asked = []

    def logprobs(sequences: Any) -> list[tuple[float, ...]]:
        asked.extend(sequences)
        return [tuple(log_pi[str(tokenizer.convert_ids_to_tokens(token))] for token in ids) for _, ids in sequences]

    sampler = SimpleNamespace(policy_version=7, logprobs=logprobs)
    prompt = Prompt(name="likelihood", template="{question}", mode=Mode.LIKELIHOOD, whole=True)
    judged = ask(prompt, sampler, tokenizer, PROBLEMS)
    assert [rollout.completion for rollout, _ in judged] == ["B", "B"]
    assert [verdict.status for _, verdict in judged] == ["INCORRECT", "CORRECT"]
    assert [rollout.policy_version for rollout, _ in judged] == [7, 7]
    assert len(asked) == 6 and all(len(ids) == 1 for _, ids in asked)


def test_letters_are_encoded_where_they_stand() -> None:
    """Behind a heading a letter follows a blank; behind a template's line break it stands alone."""
    tokenizer = llama()
    seen: list[tuple[int, ...]] = []

    def logprobs(sequences: Any) -> list[tuple[float, ...]]:
        seen.extend(ids for _, ids in sequences)
        return [(0.0,) * len(ids) for _, ids in sequences]

    sampler = SimpleNamespace(policy_version=0, logprobs=logprobs)
    for whole in (True, False):
        ask(Prompt(name="x", template="", mode=Mode.LIKELIHOOD, whole=whole), sampler, tokenizer, PROBLEMS[:1])
    behind_heading, behind_template = seen[0], seen[3]
    assert tokenizer.convert_ids_to_tokens(list(behind_heading)) == ["▁", "A"]
    assert tokenizer.convert_ids_to_tokens(list(behind_template)) == ["A"]


def test_likelihood_needs_options_and_one_sample() -> None:
    prompt = Prompt(name="likelihood", template="", mode=Mode.LIKELIHOOD)
    with pytest.raises(ValueError, match="problem 'n0' has no options whose likelihood"):
        ask(prompt, None, by_words("?"), NUMBERS)
    with pytest.raises(ValueError, match=r"samples is 2; a model has one likeliest option: expected 1"):
        ask(prompt, None, by_words("?"), PROBLEMS, samples=2)


@installed
def test_a_proof_is_judged_by_its_checker() -> None:
    """The completion is a proof of the statement in the checker's language, or of nothing."""
    statement = Statement(language="metamath", header="", text="goal $p |- t = t")
    problems = [replace(problem, statements=(statement,)) for problem in NUMBERS[:2]]
    texts = ["```metamath\ntt th1\n```", "2"]
    drawn = [Generation(completion_ids=(n,), finish_reason="length", logprobs=None) for n in range(2)]
    sampler: Any = SimpleNamespace(policy_version=0, generate=lambda requests, config, on_progress: drawn)
    tokenizer: Any = Written(texts)
    prompts = list(zip(problems, encode_prompts(tokenizer, ["?"] * 2, templated=False), strict=True))
    checker = proof_checker(TaskConfig(benchmark="b", prompt="proof", checker="metamath", checker_command=str(DEMO)))
    prompt = Prompt(name="proof", template="", mode=Mode.PROOF)
    _, verdicts = answers(
        prompt, sampler, tokenizer, prompts, SamplingConfig(), samples=1, run_seed=0, step=0, checker=checker
    )
    assert [verdict.status for verdict in verdicts()] == ["CORRECT", "INCORRECT"]


def test_a_checker_and_its_prompt_belong_together() -> None:
    with pytest.raises(ValueError, match="expected the prompt proof with one of metamath, lean4, isabelle"):
        proof_checker(TaskConfig(benchmark="b", prompt="proof"))
    with pytest.raises(ValueError, match="expected the prompt proof with one of"):
        proof_checker(TaskConfig(benchmark="b", prompt="bare", checker="lean4"))
    with pytest.raises(ValueError, match=r"minif2f is judged by proofs, and task\.prompt is 'auto'; expected --prompt"):
        proof_checker(TaskConfig(benchmark="minif2f", prompt="auto"))
    with pytest.raises(ValueError, match=r"task\.checker_command is null; expected the command"):
        proof_checker(TaskConfig(benchmark="b", prompt="proof", checker="lean4"))
    lean = proof_checker(
        TaskConfig(benchmark="b", prompt="proof", checker="lean4", checker_command="lake env lean {file}")
    )
    assert isinstance(lean, CommandChecker) and lean.command == ("lake", "env", "lean", "{file}")


class Written:
    """A tokenizer with a token for each of some texts."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def __call__(self, texts: list[str] | str, add_special_tokens: bool = True) -> Any:
        ids = [1] if isinstance(texts, str) else [[0] for _ in texts]
        return SimpleNamespace(input_ids=ids)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        return "".join(self.texts[token] for token in ids)


@sandboxed
@pytest.mark.parametrize("begun", [True, False], ids=["the prompt begins the block", "the model writes the block"])
def test_what_a_program_prints_is_the_answer_and_no_program_depends_on_another(begun: bool) -> None:
    programs = [
        "print(1 + 1)",
        "x = 3\nprint(x)",
        "print(x)",
        "while True: pass",
        "import socket\nprint(2)\nprint(1 / 0)",
    ]
    texts = [text if begun else f"So:\n```python\n{text}\n```" for text in programs]
    tokenizer = Written(texts)
    drawn = [Generation(completion_ids=(n,), finish_reason="length", logprobs=None) for n in range(5)]
    sampler = SimpleNamespace(policy_version=0, generate=lambda requests, config, on_progress: drawn)
    prompt = Prompt(name="program", template="", mode=Mode.PROGRAM, whole=begun)
    assert [verdict.status for _, verdict in ask(prompt, sampler, tokenizer, NUMBERS)] == [
        "CORRECT",
        "INCORRECT",
        "NO_ANSWER",
        "NO_ANSWER",
        "NO_ANSWER",
    ]
