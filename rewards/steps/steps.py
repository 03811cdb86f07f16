"""Step rewards: a solution's lines, each judged by the equations it writes, and their places among the tokens."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from rewards.steps.written_equations import read_equations
from rewards.verdict import StepVerdict

__all__ = ["check_steps", "split_steps", "step_rewards_at_tokens", "step_token_ends"]


def split_steps(completion: str) -> tuple[tuple[int, int], ...]:
    """Character spans (start, end) of the steps: the lines that are not blank.

    The newline that ends a line belongs to its step, as do blank lines after it; blank lines at the start belong to the
    first step. So the spans follow each other without a gap, and the last one ends at the end of the text. A blank text
    has no steps.
    """
    ends: list[int] = []
    position = 0
    returns = "\r" in completion
    for line in completion.splitlines(keepends=True) if returns else completion.split("\n"):
        position = min(position + len(line) + (not returns), len(completion))
        if line.strip():
            ends.append(position)
        elif ends:
            ends[-1] = position
    if not ends:
        return ()
    ends[-1] = len(completion)
    return tuple(zip((0, *ends[:-1]), ends, strict=True))


def check_steps(completion: str) -> tuple[StepVerdict, ...]:
    """Judges each step of a solution by the equations it writes out in numbers, exactly.

    An equation pays once: the same numbers with the same value earn nothing in a later step, in whatever order and
    spelling, and an equation that computes nothing (``5 + 0 = 5``, ``5 * 1 = 5``, ``7 = 7``) never does. What this
    cannot see is whether an equation serves the solution: true sums of fresh numbers still earn, so a process reward
    wants an outcome reward beside it.

    Returns:
        One verdict a step: +1 where it has equations, all are right and one of them is new, 0 where nothing can be
        checked or nothing is new, −1 where one is wrong, as often as it is written. A rounded value is wrong:
        ``10 / 3 = 3.33``.
    """
    verdicts: list[StepVerdict] = []
    paid: set[str] = set()
    for start, end in split_steps(completion):
        found = read_equations(completion[start:end].strip())
        new = {equation.key for equation in found if equation.key} - paid
        wrong = not all(equation.right for equation in found)
        verdicts.append(StepVerdict(end=end, reward=-1.0 if wrong else 1.0 if new else 0.0))
        paid |= new
    return tuple(verdicts)


def step_token_ends(step_char_ends: Sequence[int], token_char_ends: Sequence[int]) -> tuple[int, ...]:
    """The index of each step's last token: the first token whose text reaches the step's end.

    Args:
        step_char_ends: character offset just past each step, not decreasing.
        token_char_ends: character offset just past each token, not decreasing; one for each token of the completion.
            Tokens of no characters (the end of the sequence, part of a character) repeat the offset before them.

    Returns:
        Strictly increasing 0-based indices: steps that end within one token share one entry. The last entry is the last
        token, so that an end-of-sequence token belongs to the last step. Empty without steps or without tokens.
    """
    if not step_char_ends or not token_char_ends:
        return ()
    ends = sorted(set(_token_indices(step_char_ends, token_char_ends)))
    return (*ends[:-1], len(token_char_ends) - 1)


def step_rewards_at_tokens(
    steps: Sequence[StepVerdict], token_char_ends: Sequence[int]
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """The `step_rewards` and `step_ends` of a `ScoredRollout`.

    Where several steps end within one token they become one: −1 if any of them is wrong, else +1 if any is right,
    else 0, so that no mistake is lost.

    Args:
        steps: verdicts in order, as `check_steps` returns them.
        token_char_ends: as in `step_token_ends`.

    Returns:
        Rewards and token indices, of one length; both empty without steps or without tokens.
    """
    char_ends = [step.end for step in steps]
    ends = step_token_ends(char_ends, token_char_ends)
    if not ends:
        return (), ()
    merged: dict[int, list[float]] = {}
    for index, step in zip(_token_indices(char_ends, token_char_ends), steps, strict=True):
        merged.setdefault(index, []).append(step.reward)
    return tuple(min(group) if min(group) < 0 else max(group) for group in merged.values()), ends


def _token_indices(step_char_ends: Sequence[int], token_char_ends: Sequence[int]) -> list[int]:
    last = len(token_char_ends) - 1
    return [min(bisect.bisect_left(token_char_ends, end), last) for end in step_char_ends]
