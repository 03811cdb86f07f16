"""Verdicts and rewards: pure functions of a completion and a gold answer."""

from __future__ import annotations

from rewards.answers import CORRECT_CLASS, GoldAnswerError, check_answer, check_answers
from rewards.extraction import extract_answer
from rewards.format import format_reward
from rewards.next_operations import check_next_operations
from rewards.steps import check_steps, split_steps, step_rewards_at_tokens, step_token_ends
from rewards.verdict import ScoredRollout, Status, StepVerdict, Verdict

__all__ = [
    "CORRECT_CLASS",
    "GoldAnswerError",
    "ScoredRollout",
    "Status",
    "StepVerdict",
    "Verdict",
    "check_answer",
    "check_answers",
    "check_next_operations",
    "check_steps",
    "extract_answer",
    "format_reward",
    "split_steps",
    "step_rewards_at_tokens",
    "step_token_ends",
]
