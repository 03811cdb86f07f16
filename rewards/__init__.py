"""Verdicts and rewards: pure functions of a completion and a gold answer."""

from __future__ import annotations

from rewards.algebra.symbolic import warm_up as warm_up_checker
from rewards.checker.answers import CORRECT_CLASS, GoldAnswerError, check_answer
from rewards.checker.extraction import extract_answer
from rewards.checker.pool import check_answers
from rewards.code import CodeReward, code_feedback_reward, code_reward, judge_program
from rewards.combination import RewardPart, WeightedReward
from rewards.control import RandomReward, random_reward
from rewards.format import LengthWindow, ThinkFormat, boxed_once, format_reward, think_format_reward
from rewards.length import SoftOverlongPunishment
from rewards.repetition import RepetitionPenalty, repetition_penalty
from rewards.sandbox.run import SandboxLimits, SandboxUnavailableError, run_program
from rewards.steps.next_operations import check_next_operations
from rewards.steps.steps import check_steps, split_steps, step_rewards_at_tokens, step_token_ends
from rewards.trl_reward import as_trl_reward
from rewards.verdict import CHECKER_VERSION, ScoredRollout, Status, StepVerdict, Verdict

__all__ = [
    "CHECKER_VERSION",
    "CORRECT_CLASS",
    "CodeReward",
    "GoldAnswerError",
    "LengthWindow",
    "RandomReward",
    "RepetitionPenalty",
    "RewardPart",
    "SandboxLimits",
    "SandboxUnavailableError",
    "ScoredRollout",
    "SoftOverlongPunishment",
    "Status",
    "StepVerdict",
    "ThinkFormat",
    "Verdict",
    "WeightedReward",
    "as_trl_reward",
    "boxed_once",
    "check_answer",
    "check_answers",
    "check_next_operations",
    "check_steps",
    "code_feedback_reward",
    "code_reward",
    "extract_answer",
    "format_reward",
    "judge_program",
    "random_reward",
    "repetition_penalty",
    "run_program",
    "split_steps",
    "step_rewards_at_tokens",
    "step_token_ends",
    "think_format_reward",
    "warm_up_checker",
]
