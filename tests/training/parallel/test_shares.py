"""Each sequence is passed by one rank; ranks have equally many tokens, a shared prompt is computed by few of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from algorithms import BatchUnit
from algorithms.token_batch import TokenBatch
from training.models.batches import TrainingBatch
from training.parallel.shares import share_of


def batch_of(prompts: list[int], completions: list[list[int]], *, shared: bool = True) -> TrainingBatch:
    """Sequences of these lengths: prompt p has the completions p; pairs lie side by side."""
    rows = [(number, prompts[number], length) for number, of_prompt in enumerate(completions) for length in of_prompt]
    number, prompt, completion = (torch.tensor(column) for column in zip(*rows, strict=True))
    mask = torch.arange(int(completion.max())) < completion[:, None]
    tokens = TokenBatch(completion_mask=mask, rewards=torch.zeros(len(rows)), group=number)
    return TrainingBatch(
        input_ids=torch.zeros(len(rows), int((prompt + completion).max()), dtype=torch.int64),
        prompt_lengths=prompt,
        lengths=prompt + completion,
        tokens=replace(tokens, pair=torch.arange(len(rows)) // 2),
        prompts=number if shared else None,
    )


def passed(batch: TrainingBatch, rows: list[int]) -> int:
    """Tokens of these sequences, each prompt once."""
    numbers = torch.arange(len(batch)) if batch.prompts is None else batch.prompts
    prompts = {int(numbers[row]): int(batch.prompt_lengths[row]) for row in rows}
    return sum(prompts.values()) + int((batch.lengths - batch.prompt_lengths)[rows].sum())


groups = st.lists(
    st.tuples(st.integers(1, 200), st.lists(st.integers(1, 60), min_size=1, max_size=6)), min_size=1, max_size=8
)


@given(groups=groups, world=st.integers(2, 5), pairs=st.booleans(), shared=st.booleans())
def test_every_sequence_is_one_ranks_and_units_stay_whole(
    groups: list[tuple[int, list[int]]], world: int, pairs: bool, shared: bool
) -> None:
    completions = [lengths * (1 + pairs) for _, lengths in groups]
    batch = batch_of([prompt for prompt, _ in groups], completions, shared=shared)
    unit = BatchUnit.PAIR if pairs else BatchUnit.SEQUENCE
    shares = [share_of(batch, unit, rank, world, packed=True) for rank in range(world)]
    assert sorted(row for share in shares for row in share) == list(range(len(batch)))
    if pairs:
        assert all(len(share) % 2 == 0 and {row ^ 1 for row in share} == set(share) for share in shares)


@given(groups=groups, world=st.integers(2, 5))
def test_at_most_one_prompt_less_than_ranks_is_computed_twice(groups: list[tuple[int, list[int]]], world: int) -> None:
    batch = batch_of([prompt for prompt, _ in groups], [lengths for _, lengths in groups])
    assert batch.prompts is not None
    shares = [share_of(batch, BatchUnit.SEQUENCE, rank, world, packed=True) for rank in range(world)]
    computed = sum(len(set(batch.prompts[share].tolist())) for share in shares)
    assert computed <= len(groups) + world - 1


def test_two_ranks_pass_half_as_much_each_where_prompts_are_long() -> None:
    """Dealt by length alone each rank would compute all prompts: 0.70 of one process's tokens in place of a half."""
    generator = torch.Generator().manual_seed(0)
    completions = [torch.randint(5, 256, (16,), generator=generator).tolist() for _ in range(32)]
    batch = batch_of([1000] * 32, completions)
    whole = passed(batch, list(range(len(batch))))
    for packed, low, high in ((True, 0.49, 0.52), (False, 0.65, 0.75)):
        most = max(passed(batch, share_of(batch, BatchUnit.SEQUENCE, rank, 2, packed=packed)) for rank in range(2))
        assert low < most / whole < high
