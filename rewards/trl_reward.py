"""Our rewards as reward functions of TRL's trainers; only the call convention is shared, TRL is not imported."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.problem import Problem
from rewards.checker.answers import GoldAnswerError, is_readable_gold
from rewards.checker.extraction import extract_answer
from rewards.reward import Reward, RewardFunction, as_reward
from rewards.scoring import correctness, score_rollouts
from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from sampling.seeds import request_seed

__all__ = ["TrlReward", "as_trl_reward"]

_MOST_WORDS = 8  # from so many words on, text without a marker is prose and no answer
Text = str | Sequence[Mapping[str, Any]]
"""A prompt or completion of TRL: a text, or the messages of a conversation."""


def as_trl_reward(
    reward: Reward | RewardFunction = correctness,
    *,
    name: str | None = None,
    gold_column: str = "solution",
    max_completion_tokens: int | None = None,
    seed: int = 0,
) -> TrlReward:
    """`reward` as one of the ``reward_funcs`` of TRL's `GRPOTrainer`: ``(completions, solution, **kwargs)``.

    Args:
        reward: any reward, or a function ``(rollout, verdict) -> float``; parts of a `WeightedReward` appear in TRL's
            log as ``reward/<part>``.
        name: under which TRL logs the reward; by default the reward's own.
        gold_column: column of the dataset that holds the gold answer, or a worked solution that ends in it.
        max_completion_tokens: the trainer's ``max_completion_length``. TRL does not say whether a completion was cut
            off; with this, one of so many tokens counts as cut off.
        seed: of rewards that draw (`rewards.control`).

    Returns:
        A callable that gives a reward for each completion, ``None`` where the dataset's row has no gold answer or one
        that cannot be read (TRL then leaves this reward out); numbers are gold answers too. Pickles
        where `reward` does.
    """
    asked = as_reward(reward)
    return TrlReward(
        reward=asked,
        name=name or asked.name,
        gold_column=gold_column,
        max_completion_tokens=max_completion_tokens,
        seed=seed,
    )


@dataclass(frozen=True, kw_only=True)
class TrlReward:
    """What `as_trl_reward` returns; its fields are that function's arguments."""

    reward: Reward
    name: str
    gold_column: str
    max_completion_tokens: int | None
    seed: int

    @property
    def __name__(self) -> str:
        """What TRL calls this reward in its log."""
        return self.name

    def __call__(self, completions: Sequence[Text], **kwargs: Any) -> list[float | None]:
        """Rewards of a batch of completions.

        Args:
            completions: texts, or conversations whose last message is judged.
            **kwargs: TRL's own: ``prompts``, ``completion_ids``, ``trainer_state``, ``log_metric``, and a list for each
                column of the dataset.

        Raises:
            ValueError: the dataset has no `gold_column`.
            GoldAnswerError: at the first step, a gold answer is prose that marks no answer. Later, and for any other
                gold answer that cannot be read, the row's reward is ``None``.
        """
        golds = kwargs.get(self.gold_column)
        if golds is None:
            raise ValueError(
                f"the dataset has no column {self.gold_column!r} (passed: {', '.join(sorted(kwargs)) or 'none'}); "
                "name the column of the gold answers: as_trl_reward(..., gold_column=...)."
            )
        answers = [_gold_answer(gold) for gold in golds]
        if getattr(kwargs.get("trainer_state"), "global_step", 0) == 0:
            _refuse_prose(answers, self.gold_column)
        read = [
            None if answer is None or _is_prose(answer) or not is_readable_gold(answer) else answer
            for answer in answers
        ]
        rows = [row for row, answer in enumerate(read) if answer is not None]
        scored = score_rollouts(self._rollouts(completions, read, kwargs, rows), reward=self.reward)
        _log_parts(scored, kwargs)
        rewards: list[float | None] = [None] * len(completions)
        for row, item in zip(rows, scored, strict=True):
            rewards[row] = item.reward
        return rewards

    def _rollouts(
        self, completions: Sequence[Text], golds: Sequence[str | None], kwargs: Mapping[str, Any], rows: Sequence[int]
    ) -> list[Rollout]:
        prompts = kwargs.get("prompts") or [""] * len(completions)
        ids = kwargs.get("completion_ids") or [()] * len(completions)
        step = getattr(kwargs.get("trainer_state"), "global_step", 0)
        seen: Counter[str] = Counter()
        rollouts = []
        for row in rows:
            question = _text(prompts[row])
            problem_id = hashlib.blake2b(question.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
            cut = self.max_completion_tokens is not None and len(ids[row]) >= self.max_completion_tokens
            rollouts.append(
                Rollout(
                    problem=Problem(
                        problem_id=problem_id,
                        benchmark="trl",
                        question=question if question.strip() else "(not given)",
                        gold_answer=golds[row] or "",
                    ),
                    prompt_ids=(),
                    completion_ids=tuple(ids[row]),
                    completion=_text(completions[row]),
                    finish_reason="length" if cut else "stop",
                    sample_index=seen[problem_id],
                    seed=request_seed(self.seed, step, problem_id, seen[problem_id]),
                    policy_version=step,
                )
            )
            seen[problem_id] += 1
        return rollouts


def _gold_answer(gold: object) -> str | None:
    """A row's gold answer: a number as text, a worked solution as its answer; ``None`` where the row has none."""
    if gold is None or (isinstance(gold, float) and not math.isfinite(gold)):
        return None
    text = str(gold)
    return (extract_answer(text) or text) if isinstance(gold, str) else text


def _is_prose(answer: str) -> bool:
    """Whether a gold answer is sentences: eight words or more outside of formulas, or several lines of words."""
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"\$[^$]*\$|\\[A-Za-z]+|\\\([^\n]*?\\\)", " ", answer))
    return len(words) >= _MOST_WORDS


def _refuse_prose(answers: Sequence[str | None], gold_column: str) -> None:
    prose = next((answer for answer in answers if answer is not None and _is_prose(answer)), None)
    if prose is not None:
        raise GoldAnswerError(
            f"column {gold_column!r}: got {prose[:100]!r}, expected an answer, or a worked solution that marks it by "
            "\\boxed{}, #### or 'the answer is'; every completion would be scored 0. Name the column of the answers: "
            "as_trl_reward(..., gold_column=...)."
        )


def _text(said: Text) -> str:
    """The text itself, or that of a conversation's last message."""
    if isinstance(said, str):
        return said
    content = said[-1]["content"] if said else ""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text") or "" for part in content)


def _log_parts(scored: Sequence[ScoredRollout], kwargs: Mapping[str, Any]) -> None:
    log = kwargs.get("log_metric")
    if log is not None:
        for name in scored[0].reward_parts if scored else ():
            log(f"reward/{name}", sum(item.reward_parts[name] for item in scored) / len(scored))
