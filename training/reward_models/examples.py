"""Labelled completions: what a reward model is fitted to, kept on disk, replayed, and handed to the loop.

A labelled completion is a `ScoredRollout` whose `step_rewards` are labels in [0, 1] at the tokens `step_ends`: one at
the last token for an outcome, one at the last token of each step for a process.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from training.durable import write_whole
from training.sources.prompts import problems_of_step

__all__ = [
    "LabelError",
    "LabelledSource",
    "check_two_classes",
    "labelled",
    "read_labelled",
    "replayed",
    "shuffled_labels",
    "write_labelled",
]


class LabelError(ValueError):
    """Labels that a reward model cannot learn from."""


def labelled(rollout: Rollout, labels: Sequence[float], ends: Sequence[int], *, correct: bool) -> ScoredRollout:
    """A completion with labels in [0, 1] at these tokens.

    Raises:
        LabelError: a label is no number in [0, 1].
        ValueError: see `ScoredRollout`.
    """
    where = f"problem {rollout.problem.problem_id!r}, sample {rollout.sample_index}"
    for number, label in enumerate(labels, start=1):
        if not 0 <= label <= 1:
            raise LabelError(f"{where}: label {number} is {label}; expected a number in [0, 1].")
    status = Status.CORRECT if correct else Status.INCORRECT
    return ScoredRollout(
        rollout=rollout,
        verdict=Verdict(status=status, answer="", answer_class=""),
        reward=sum(labels) / len(labels) if labels else 0.0,
        step_rewards=tuple(labels),
        step_ends=tuple(ends),
    )


def check_two_classes(examples: Sequence[ScoredRollout], what: str) -> None:
    """Refuse labels that say the same of everything.

    Args:
        examples: all of a fit.
        what: for the message.

    Raises:
        LabelError: there is no label, or all labels lie on one side of 1/2.
    """
    labels = [label for item in examples for label in item.step_rewards]
    if not labels:
        raise LabelError(f"{what} hold no label: no completion has a step. Expected completions of at least one line.")
    above = sum(label > 0.5 for label in labels)
    if above in (0, len(labels)):
        raise LabelError(
            f"all {len(labels):,} labels of {what} are {'right' if above else 'wrong'}; a reward model needs both. "
            "Solve more or other problems (problems, samples), or start from a policy that is right and wrong."
        )


def shuffled_labels(examples: Sequence[ScoredRollout], seed: str) -> list[ScoredRollout]:
    """The same completions with their labels permuted among all of them: a control."""
    labels = [label for item in examples for label in item.step_rewards]
    random.Random(f"shuffled labels/{seed}").shuffle(labels)
    result, at = list[ScoredRollout](), 0
    for item in examples:
        own = tuple(labels[at : at + len(item.step_rewards)])
        at += len(own)
        result.append(replace(item, step_rewards=own))
    return result


def replayed(history: Sequence[ScoredRollout], share: float, seed: str) -> list[ScoredRollout]:
    """The part of the history that a further fit trains on again: round(share · length), drawn without replacement.

    Args:
        history: the samples of all earlier fits.
        share: in [0, 1].
        seed: fixes the draw.

    Raises:
        LabelError: something is to be replayed, and there is nothing.
    """
    if share and not history:
        raise LabelError(f"replay is {share} and the history is empty; expected the samples of an earlier fit.")
    count = round(share * len(history))
    rows = sorted(random.Random(f"replay/{seed}").sample(range(len(history)), count))
    return [history[row] for row in rows]


@dataclass(frozen=True, kw_only=True)
class LabelledSource:
    """Labelled completions in shuffled epochs; a `Source`, and the `known` of a `Trainer`.

    Attributes:
        examples: all of them.
        per_step: those of one optimiser step.
        seed: fixes their order.
    """

    examples: tuple[ScoredRollout, ...]
    per_step: int
    seed: str

    def rollouts(self, step: int) -> list[Rollout]:
        """The completions of `step`, counted from 0."""
        return [self.examples[index].rollout for index in self._of_step(step)]

    def known(self, rollouts: Sequence[Rollout]) -> list[ScoredRollout]:
        """The labels of completions that `rollouts` handed out."""
        own = {id(item.rollout): item for item in self.examples}
        return [own[id(rollout)] for rollout in rollouts]

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """Nothing is drawn, but what is read takes its time."""
        return elapsed

    def _of_step(self, step: int) -> list[int]:
        return problems_of_step(len(self.examples), self.per_step, step, self.seed)


def write_labelled(file: Path, examples: Sequence[ScoredRollout]) -> None:
    """Write labelled completions, whole or not at all: a line each, and a last one with the SHA-256 of the others."""
    lines = [json.dumps(_to_row(item)) for item in examples]
    text = "".join(f"{line}\n" for line in lines)
    write_whole(file, f"{text}{json.dumps({'sha256': hashlib.sha256(text.encode()).hexdigest()})}\n")


def read_labelled(file: Path) -> list[ScoredRollout]:
    """What `write_labelled` wrote.

    Raises:
        LabelError: the file is not what was written.
    """
    try:
        *lines, last = file.read_text(encoding="utf-8").splitlines(keepends=True)
        if json.loads(last)["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest():
            return [_from_row(json.loads(line)) for line in lines]
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise LabelError(f"{file} is damaged: it is not what was drawn. Remove it, and start the same command again.")


def _to_row(item: ScoredRollout) -> dict[str, Any]:
    rollout, problem = item.rollout, item.rollout.problem
    return {
        "problem": [problem.problem_id, problem.benchmark, problem.question, problem.gold_answer],
        "prompt_ids": rollout.prompt_ids,
        "completion_ids": rollout.completion_ids,
        "completion": rollout.completion,
        "finish_reason": rollout.finish_reason,
        "sample_index": rollout.sample_index,
        "seed": rollout.seed,
        "policy_version": rollout.policy_version,
        "correct": item.verdict.correct,
        "labels": item.step_rewards,
        "ends": item.step_ends,
    }


def _from_row(row: dict[str, Any]) -> ScoredRollout:
    problem_id, benchmark, question, gold_answer = row["problem"]
    rollout = Rollout(
        problem=Problem(problem_id=problem_id, benchmark=benchmark, question=question, gold_answer=gold_answer),
        prompt_ids=tuple(row["prompt_ids"]),
        completion_ids=tuple(row["completion_ids"]),
        completion=row["completion"],
        finish_reason=row["finish_reason"],
        sample_index=row["sample_index"],
        seed=row["seed"],
        policy_version=row["policy_version"],
    )
    return labelled(rollout, row["labels"], row["ends"], correct=row["correct"])
