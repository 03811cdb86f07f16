"""The SFT mixture of DeepSeekMath (section 3.1): solutions in several forms, concatenated to rows of some tokens.

"Training examples are randomly concatenated until reaching a maximum context length of 4K tokens. We train the model
for 500 steps with a batch size of 256 and a constant learning rate of 5e-5." A row is what a batch counts. The examples
of a row do not attend to each other, which the paper does not say of its own.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from benchmarks.problem import Problem
from sampling.rollout import Rollout
from training.config import FORMS
from training.sources.demonstrations import DemonstrationSource
from training.sources.prompts import Prompts

__all__ = ["ConcatenatedSource", "concatenated_rows", "forms_of"]


def forms_of(problems: Sequence[Problem], shares: Mapping[str, float], *, seed: str) -> list[str | None]:
    """The form in which each problem is shown, drawn so that each form has its share; ``None`` leaves one out.

    A problem is shown in one form, and only in one that it has. Where a form is rare, so is everything else: as many
    problems are taken as keep the shares, and the rest is left out.

    Args:
        problems: N problems.
        shares: see `training.config.check_shares`.
        seed: of the drawing.

    Raises:
        ValueError: no problem has a form that is asked for.
    """
    order = list(range(len(problems)))
    random.Random(f"{seed}/forms").shuffle(order)
    having = {form: [i for i in order if getattr(problems[i], FORMS[form]) is not None] for form in shares}
    empty = [form for form, found in having.items() if not found]
    if empty:
        raise ValueError(
            f"forms ask for {shares[empty[0]]:.0%} solutions in the form {empty[0]!r}, and none of {len(problems):,} "
            f"problems has one; give the training file the field {FORMS[empty[0]]!r}, or leave the form out."
        )
    rarest = sorted(shares, key=lambda form: len(having[form]) / shares[form])
    low, high = 0, len(problems)
    best: list[str | None] = [None] * len(problems)
    while low < high:  # the largest number of problems for which every form finds its share
        middle = (low + high + 1) // 2
        chosen = _choose(having, shares, rarest, middle, len(problems))
        low, high, best = (low, middle - 1, best) if chosen is None else (middle, high, chosen)
    return best


def _choose(
    having: Mapping[str, Sequence[int]], shares: Mapping[str, float], rarest: Sequence[str], total: int, problems: int
) -> list[str | None] | None:
    """A form for `total` of the problems, the rarest first; ``None`` where there are too few of one."""
    result: list[str | None] = [None] * problems
    for form in rarest:
        wanted = round(shares[form] * total)
        free = [index for index in having[form] if result[index] is None][:wanted]
        if len(free) < wanted:
            return None
        for index in free:
            result[index] = form
    return result


def concatenated_rows(lengths: Sequence[int], order: Sequence[int], context: int) -> list[list[int]]:
    """Examples put behind each other in `order`; one that does not fit any more begins a row.

    Args:
        lengths: tokens of each example.
        order: indices of examples.
        context: most tokens of a row.

    Raises:
        ValueError: an example is longer than a row.
    """
    rows, held = list[list[int]](), context
    for index in order:
        if lengths[index] > context:
            raise ValueError(
                f"a demonstration has {lengths[index]:,} tokens with its prompt and rows have {context:,} "
                "(training.context_tokens); leave it out, or take longer rows."
            )
        if held + lengths[index] > context:
            rows.append([])
            held = 0
        rows[-1].append(index)
        held += lengths[index]
    return rows


@dataclass(frozen=True, kw_only=True)
class ConcatenatedSource:
    """Demonstrations in rows; a step takes some rows, and every epoch puts the demonstrations together anew.

    Attributes:
        demonstrations: what is shown.
        context: most tokens of a row.
        rows_per_step: the batch size.
        seed: of the order.
    """

    demonstrations: DemonstrationSource
    context: int
    rows_per_step: int
    seed: str

    @property
    def prompts(self) -> Prompts:
        """Those of the demonstrations."""
        return self.demonstrations.prompts

    def rollouts(self, step: int) -> list[Rollout]:
        """All demonstrations of the step's rows, row by row."""
        wanted = range(step * self.rows_per_step, (step + 1) * self.rows_per_step)
        found, epoch, before = list[Rollout](), 0, 0
        while before < wanted.stop:
            rows = _rows_of_epoch(self, epoch)
            for number in range(max(wanted.start - before, 0), min(wanted.stop - before, len(rows))):
                found += [self.demonstrations.rollout(index) for index in rows[number]]
            before, epoch = before + len(rows), epoch + 1
        return found

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """Nothing is drawn, but what is read takes its time."""
        return elapsed


@lru_cache(maxsize=64)
def _epoch(lengths: tuple[int, ...], context: int, seed: str) -> list[list[int]]:
    order = list(range(len(lengths)))
    random.Random(seed).shuffle(order)
    return concatenated_rows(lengths, order, context)


def _rows_of_epoch(source: ConcatenatedSource, epoch: int) -> list[list[int]]:
    return _epoch(source.demonstrations.lengths, source.context, f"{source.seed}/{epoch}")
