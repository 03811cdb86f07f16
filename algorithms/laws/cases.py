"""Small batches on which laws are judged: few sequences, simple rewards, so that a counterexample can be read.

Rewards are short binary fractions, so that shifting and scaling them is exact in every dtype; the arrays of tokens come
from a generator whose seed is part of the case, and seed 0 is the plainest batch: every policy the same, no values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import Need, TokenBatch

__all__ = ["Case", "cases", "hypothesis_module"]

MAX_TOKENS = 4
REWARDS = (0.0, 1.0, 0.5, -1.0, 2.0, -0.5, 0.25, 3.0)
EQUAL = (0.0, 1.0, 0.9, 0.1, -1.0, 0.3, 0.7)  # the mean of three 0.9 is another number in float32, of 0.1 in numpy
AMOUNTS = (1.0, 2.0, 0.5, 8.0, 0.25, 1024.0)
SIZES = (2, 3, 4)  # of groups
MOST_GROUPS = 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """One batch and the change that a law makes to it; tuples have one entry a sequence.

    Attributes:
        rewards: outcome reward, which is also the reward of the sequence's last step.
        step_rewards: reward of the first step, where the sequence has two.
        correct: whether the completion is right, which no law on rewards changes.
        greedy: reward of the greedy completion of the sequence's problem.
        equal: the reward that a law on equal rewards gives to all of the sequence's group.
        group: label of the problem.
        lengths: completion tokens, 1 to 4.
        noise: seed of logprobs and values; 0 for equal policies and values of 0.
        pick: which sequence, group or place a law changes.
        amount: by how much, above 0.
    """

    rewards: tuple[float, ...]
    step_rewards: tuple[float, ...]
    correct: tuple[bool, ...]
    greedy: tuple[float, ...]
    equal: tuple[float, ...]
    group: tuple[int, ...]
    lengths: tuple[int, ...]
    noise: int
    pick: int
    amount: float

    @property
    def row(self) -> int:
        """The sequence that a law changes."""
        return self.pick % len(self.rewards)

    def batch(self, dtype: torch.dtype = torch.float64) -> tuple[TokenBatch, Tensor]:
        """Every array that a method may read, and log π_θ; rewards in `dtype`, logprobs and values in float64."""
        rows, lengths = len(self.rewards), torch.tensor(self.lengths)
        generator = torch.Generator().manual_seed(self.noise)

        def noise() -> Tensor:
            drawn = torch.randn(rows, MAX_TOKENS, generator=generator, dtype=torch.float64)
            return 0.5 * drawn if self.noise else torch.zeros_like(drawn)

        policy = -1.0 - noise().abs()
        batch = TokenBatch(
            completion_mask=torch.arange(MAX_TOKENS) < lengths[:, None],
            rewards=torch.tensor(self.rewards, dtype=dtype),
            correct=torch.tensor(self.correct),
            group=torch.tensor(self.group),
            old_logprobs=policy - noise(),
            reference_logprobs=policy - noise(),
            sampler_logprobs=policy - noise(),
            values=noise(),
            step_rewards=torch.tensor(list(zip(self.step_rewards, self.rewards, strict=True)), dtype=dtype),
            step_ends=torch.stack([torch.where(lengths > 1, lengths // 2 - 1, -1), lengths - 1], dim=1),
            pair=torch.arange(rows) // 2,
            chosen=torch.arange(rows) % 2 == 0,
            truncated=lengths == MAX_TOKENS,
            greedy_rewards=torch.tensor(self.greedy, dtype=dtype),
            max_length=MAX_TOKENS,
            entropies=noise().abs(),
            kl_estimate=0.25 * self.noise,
        )
        return batch, policy

    def described(self) -> str:
        """Rewards and groups, and what else of the batch is not plain."""
        parts = [f"rewards {numbers(self.rewards)}", f"groups {numbers(self.group)}"]
        if set(self.lengths) != {1}:
            parts.append(f"lengths {numbers(self.lengths)}")
        if any(length > 1 for length in self.lengths) and any(self.step_rewards):
            parts.append(f"first steps {numbers(self.step_rewards)}")
        if any(self.greedy):
            parts.append(f"greedy rewards {numbers(self.greedy)}")
        if self.noise:
            parts.append(f"arrays of tokens of seed {self.noise}")
        return ", ".join(parts)


def numbers(values: Sequence[float]) -> str:
    """A list as short as its numbers allow."""
    return f"[{', '.join(f'{value + 0.0:.4g}' for value in values)}]"


def hypothesis_module() -> Any:
    """The package hypothesis.

    Raises:
        ImportError: it is not installed; the message names the extra.
    """
    try:
        import hypothesis
    except ImportError as error:
        raise ImportError(
            "laws are judged with hypothesis, which is not installed: pip install 'coeflab[dev]'"
        ) from error
    return hypothesis


def cases(needs: frozenset[Need], *, group_size: int | None = None, even: bool = False, smallest: int = 2) -> Any:
    """The hypothesis strategy of cases: one or two groups, small things first.

    Args:
        needs: what the method reads; the rest is plain, so that a counterexample is short.
        group_size: completions of every group; ``None`` for groups of 2 to 4, and of `smallest`.
        even: groups of an even size, so that neighbours are pairs.
        smallest: least completions of a group.
    """
    st = hypothesis_module().strategies

    @st.composite
    def drawn(draw: Any) -> Case:
        sizes = sorted({smallest, *SIZES}) if group_size is None else [group_size]
        if even:
            sizes = [size + size % 2 for size in sizes]
        counts = draw(st.lists(st.sampled_from(sizes), min_size=1, max_size=MOST_GROUPS))
        rows = sum(counts)

        def each(values: Any) -> tuple[Any, ...]:
            return tuple(draw(values) for _ in range(rows))

        def of_group(values: Sequence[float]) -> tuple[float, ...]:
            return tuple(value for size in counts for value in [draw(st.sampled_from(values))] * size)

        rewards = each(st.sampled_from(REWARDS))
        return Case(
            rewards=rewards,
            correct=tuple(reward > 0 for reward in rewards),
            step_rewards=each(st.sampled_from(REWARDS)) if Need.STEP_REWARDS in needs else (0.0,) * rows,
            greedy=of_group(REWARDS) if Need.GREEDY_REWARD in needs else (0.0,) * rows,
            equal=of_group(EQUAL),
            group=tuple(number for number, size in enumerate(counts) for _ in range(size)),
            lengths=each(st.integers(1, MAX_TOKENS)),
            noise=draw(st.integers(0, 9)),
            pick=draw(st.integers(0, rows - 1)),
            amount=draw(st.sampled_from(AMOUNTS)),
        )

    return drawn()
