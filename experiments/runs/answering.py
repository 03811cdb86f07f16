"""How an answer comes out of a model: a solution in words, a program that is run, the likeliest option letter."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING

from benchmarks.problem import Problem
from benchmarks.prompts import Mode, Prompt
from benchmarks.registry import BENCHMARKS, AnswerKind
from experiments.recipes.config import TaskConfig
from rewards.answer_kinds import refined
from rewards.code import judge_program
from rewards.proof import Metamath, ProofChecker, ProofReward, isabelle, lean4
from rewards.scoring import Judge, judge
from rewards.tool import PythonTool
from rewards.verdict import Verdict
from sampling.prompt import RenderedPrompt, continuations
from sampling.rollout import Rollout
from sampling.rounds import ToolRounds, sample_in_rounds
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["answers", "likeliest_options", "proof_checker", "run_programs", "tool_rounds"]

Prompts = Sequence[tuple[Problem, RenderedPrompt]]


def tool_rounds(task: TaskConfig, prompt: Prompt) -> ToolRounds | None:
    """The tool that completions of a task may use and its budget; ``None`` where its prompt asks for none."""
    if prompt.mode is not Mode.TOOL:
        return None
    asked = {"turns": task.tool_turns, "output_tokens": task.tool_output_tokens}
    return ToolRounds(tool=PythonTool(), **{name: value for name, value in asked.items() if value is not None})


def proof_checker(task: TaskConfig) -> ProofChecker | None:
    """The proof checker that a task names; ``None`` where it names none.

    Raises:
        ValueError: the prompt is proof and there is no checker, or the other way round; a benchmark of proofs is asked
            otherwise; or Lean 4 or Isabelle is asked for without a command.
    """
    known = BENCHMARKS.get(task.benchmark)
    if known is not None and known.answer is AnswerKind.PROOF and task.prompt != "proof":
        raise ValueError(
            f"{task.benchmark} is judged by proofs, and task.prompt is {task.prompt!r}; expected --prompt proof with "
            "--set checker=lean4, isabelle or metamath."
        )
    if (task.checker is None) != (task.prompt != "proof"):
        raise ValueError(
            f"task.prompt is {task.prompt!r} and task.checker is {task.checker!r}; expected the prompt proof with one "
            "of metamath, lean4, isabelle (--set checker=…), or neither."
        )
    match task.checker:
        case None:
            return None
        case "metamath":
            return Metamath() if task.checker_command is None else Metamath(database=Path(task.checker_command))
        case language:
            if task.checker_command is None:
                raise ValueError(
                    f"task.checker is {language!r} and task.checker_command is null; expected the command that checks "
                    'a file, say "lake env lean {file}" or "isabelle process_theories -D . Goal".'
                )
            make = lean4 if language == "lean4" else isabelle
            return make(shlex.split(task.checker_command), folders=task.checker_folders or ())


def answers(
    prompt: Prompt,
    sampler: Sampler,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Prompts,
    sampling: SamplingConfig,
    *,
    samples: int,
    run_seed: int,
    step: int,
    rounds: ToolRounds | None = None,
    checker: ProofChecker | None = None,
    judged: Judge = judge,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[list[Rollout], Callable[[], list[Verdict]]]:
    """The completions of a chunk of problems, and what judges them, apart so that each can be timed.

    Args:
        prompt: how they are asked; its mode decides.
        sampler: holds the policy.
        tokenizer: decodes.
        prompts: pairs (problem, its prompt).
        sampling: temperature, nucleus, length; `prompt.stop` is added.
        samples: completions a problem; of one prompt there is one likeliest letter, so 1 there.
        run_seed: seed of the run.
        step: optimiser step of the policy.
        rounds: see `tool_rounds`.
        checker: see `proof_checker`.
        judged: gives the verdicts on answers in words.
        on_progress: called with the number of completions just finished.

    Raises:
        ValueError: a problem has no options to compare, or more than one likeliest letter is asked for.
        SandboxUnavailableError: programs cannot be run safely on this machine.
    """
    if prompt.mode is Mode.LIKELIHOOD:
        if samples != 1:
            raise ValueError(f"samples is {samples}; a model has one likeliest option: expected 1 (--samples 1).")
        rollouts = likeliest_options(sampler, tokenizer, prompts, after_heading=prompt.whole)
        if on_progress is not None:
            on_progress(len(rollouts))
        return rollouts, lambda: judged(rollouts)
    sample = sample_rollouts if rounds is None else partial(sample_in_rounds, rounds=rounds)
    rollouts = sample(
        sampler,
        tokenizer,
        [(problem, rendered.ids) for problem, rendered in prompts],
        replace(sampling, stop=prompt.stop),
        samples_per_problem=samples,
        run_seed=run_seed,
        step=step,
        purpose="evaluate",
        on_progress=on_progress,
    )
    if checker is not None:
        return rollouts, lambda: ProofReward(checker=checker).verdicts(rollouts)
    if prompt.mode is Mode.PROGRAM:
        return rollouts, lambda: run_programs(rollouts, begun=prompt.whole)
    return rollouts, lambda: judged(rollouts)


def likeliest_options(
    sampler: Sampler, tokenizer: PreTrainedTokenizerBase, prompts: Prompts, *, after_heading: bool
) -> list[Rollout]:
    """One rollout a problem, whose completion is the option letter of largest log π.

    Args:
        sampler: the engine.
        tokenizer: encodes the letters behind each prompt.
        prompts: pairs (problem, its prompt).
        after_heading: the letter follows a heading, so with a blank before it.

    Raises:
        ValueError: a problem has no options.
    """
    letters = list[tuple[str, tuple[int, ...]]]()
    sequences = list[tuple[tuple[int, ...], tuple[int, ...]]]()
    for problem, rendered in prompts:
        if not problem.options:
            raise ValueError(
                f"problem {problem.problem_id!r} has no options whose likelihood could be compared; give it 'options', "
                "or choose another prompt."
            )
        names = ascii_uppercase[: len(problem.options)]
        texts = [f" {name}" if after_heading else name for name in names]
        encoded = continuations(tokenizer, [rendered] * len(texts), texts)
        letters += zip(names, encoded, strict=True)
        sequences += [(rendered.ids, ids) for ids in encoded]
    likelihoods = [sum(each) for each in sampler.logprobs(sequences)]
    result, start = [], 0
    for problem, rendered in prompts:
        places = range(start, start := start + len(problem.options))
        name, ids = letters[max(places, key=likelihoods.__getitem__)]
        result.append(
            Rollout(
                problem=problem,
                prompt_ids=rendered.ids,
                completion_ids=ids,
                completion=name,
                finish_reason="stop",
                sample_index=0,
                seed=0,
                policy_version=sampler.policy_version,
            )
        )
    return result


def run_programs(rollouts: Sequence[Rollout], *, begun: bool) -> list[Verdict]:
    """The verdict on what the program of each completion prints; one program never depends on another.

    Args:
        rollouts: completions.
        begun: the prompt ends inside a block of code, so that the completion is the program itself.
    """

    def judged(rollout: Rollout) -> Verdict:
        text = f"```python\n{rollout.completion}\n```" if begun else rollout.opening + rollout.completion
        problem = rollout.problem
        return judge_program(text, problem.gold_answer, tolerance=problem.tolerance).verdict

    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
        verdicts = list(pool.map(judged, rollouts))
    return refined([rollout.problem for rollout in rollouts], verdicts)
