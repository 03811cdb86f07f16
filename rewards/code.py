"""Program-of-thought answers: the program in a completion is run in a sandbox, and what it prints is the answer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.problem import Tolerance
from rewards.checker.answers import check_answer
from rewards.checker.extraction import without_draft
from rewards.reward import Reward, Rewards
from rewards.sandbox.run import (
    DEFAULT_LIMITS,
    Isolation,
    Outcome,
    ProgramRun,
    SandboxLimits,
    check_sandbox,
    run_program,
)
from rewards.verdict import Status, Verdict
from sampling.blocks import code_blocks
from sampling.rollout import Rollout

__all__ = [
    "CodeReward",
    "ProgramVerdict",
    "code_feedback_reward",
    "code_reward",
    "extract_program",
    "judge_program",
    "judge_programs",
]

_NO_ANSWER = Verdict(status=Status.NO_ANSWER, answer="", answer_class="")


@dataclass(frozen=True, kw_only=True)
class ProgramVerdict:
    """The program of a completion, run and judged.

    Attributes:
        run: how it ended; ``None`` where the completion has no program.
        verdict: of the last line that it printed; NO_ANSWER unless it ended without an error and printed something.
    """

    run: ProgramRun | None
    verdict: Verdict


def extract_program(completion: str) -> str | None:
    """The last closed Markdown block ```` ```python ```` (or ``py``, ``python3``), ``None`` where there is none.

    A block that is cut off is no program, and no earlier one stands in for it: like a last box that is cut off. Nor is
    one in a thought (``<think>``), closed or not.
    """
    programs = [block for block in code_blocks(without_draft(completion)) if block.is_program]
    return programs[-1].code if programs and programs[-1].closed else None


def judge_program(
    completion: str,
    gold_answer: str,
    *,
    tolerance: Tolerance | None = None,
    limits: SandboxLimits = DEFAULT_LIMITS,
    isolation: Isolation = "namespaces",
) -> ProgramVerdict:
    """Runs the program of `completion` and judges what it prints.

    The answer is the last line of its output that is not blank, as the answer checker reads it after ``####``: exactly.
    So a float is right only where its decimals are: ``0.1 + 0.2`` is not 0.3, and the program has to use fractions or
    to round. A program that fails gives no answer, whatever it printed before.

    Args:
        completion: the model's text (`extract_program`).
        gold_answer: see `rewards.check_answer`.
        tolerance: see `rewards.check_answer`.
        limits: what the program may use.
        isolation: see `rewards.sandbox.run.run_program`.

    Raises:
        GoldAnswerError: the gold answer is empty or cannot be read.
        SandboxUnavailableError: programs cannot be run safely on this machine.
    """
    check_answer("", gold_answer)
    program = extract_program(completion)
    if program is None:
        return ProgramVerdict(run=None, verdict=_NO_ANSWER)
    run = run_program(program, limits=limits, isolation=isolation)
    lines = run.stdout.strip().splitlines()
    if run.outcome is not Outcome.FINISHED or not lines:
        return ProgramVerdict(run=run, verdict=_NO_ANSWER)
    return ProgramVerdict(run=run, verdict=check_answer(f"#### {lines[-1]}", gold_answer, tolerance=tolerance))


def judge_programs(
    pairs: Sequence[tuple[str, str]],
    *,
    threads: int,
    limits: SandboxLimits = DEFAULT_LIMITS,
    isolation: Isolation = "namespaces",
) -> list[ProgramVerdict]:
    """`judge_program`, without tolerance, on each (completion, gold answer) in order, `threads` at a time."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda pair: judge_program(*pair, limits=limits, isolation=isolation), pairs))


@dataclass(frozen=True, kw_only=True)
class CodeReward(Reward):
    """The reward of a program: what it prints is right, or how far it got; the verdict on the text is not looked at.

    Attributes:
        name: what the reward is called in messages.
        right: the program ends without an error and its answer is right.
        wrong: it ends without an error, and its answer is wrong or missing.
        failed: it raises, is killed, or passes a limit.
        not_compiled: Python cannot compile it.
        no_program: the completion has no program.
        limits: what a program may use.
        isolation: see `rewards.sandbox.run.run_program`.
        threads: programs that run at a time.
    """

    name: str = "code"
    right: float = 1.0
    wrong: float = 0.0
    failed: float = 0.0
    not_compiled: float = 0.0
    no_program: float = 0.0
    limits: SandboxLimits = DEFAULT_LIMITS
    isolation: Isolation = "namespaces"
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        """See `Reward.right_and_wrong`; a program that is taken for wrong ran."""
        return self.right, self.wrong

    def check(self) -> None:
        """Refusal of a machine that cannot keep programs apart.

        Raises:
            SandboxUnavailableError: there are no namespaces, and `isolation` asks for them.
        """
        check_sandbox(self.isolation)

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """Each completion's program, run and judged, `threads` at a time; right is what prints the answer."""
        if not rollouts:
            return Rewards(total=(), correct=())
        with ThreadPoolExecutor(min(self.threads, len(rollouts))) as pool:
            judged = list(pool.map(self._judge, rollouts))
        return Rewards(total=tuple(map(self.of, judged)), correct=tuple(item.verdict.correct for item in judged))

    def _judge(self, rollout: Rollout) -> ProgramVerdict:
        return judge_program(
            rollout.opening + rollout.completion,
            rollout.problem.gold_answer,
            tolerance=rollout.problem.tolerance,
            limits=self.limits,
            isolation=self.isolation,
        )

    def of(self, judged: ProgramVerdict) -> float:
        """The reward of a program that was judged."""
        if judged.run is None:
            return self.no_program
        match judged.run.outcome:
            case Outcome.FINISHED:
                return self.right if judged.verdict.correct else self.wrong
            case Outcome.NOT_COMPILED:
                return self.not_compiled
            case _:
                return self.failed


code_reward = CodeReward()
"""1 where the program's answer is right, else 0."""

code_feedback_reward = CodeReward(
    name="code_feedback", right=1.0, wrong=-0.3, failed=-0.6, not_compiled=-1.0, no_program=-1.0
)
"""Feedback of compiler and run: the four values of CodeRL (Le et al. 2022, arXiv 2207.01780, section 3.2)."""
