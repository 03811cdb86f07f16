"""Properties of the advantage mathematics over shapes, group sizes, magnitudes and dtypes, by hypothesis.

Bounds are derived, not chosen: a reward r is known to the dtype's eps·|r|, and where every reward moves by e, an
advantage that is divided by a std s moves by at most about √G·(1 + |A|)·e/s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from algorithms import (
    GRPO,
    METHODS,
    TokenBatch,
    build_algorithm,
    generalized_advantages,
    group_advantages,
    process_advantages,
)
from algorithms.advantages import Baseline, Scale, normalize_over_tokens, suffix_sums

BASELINES: tuple[Baseline, ...] = ("mean", "leave_one_out")
SCALES: tuple[Scale, ...] = ("std", "std_leave_one_out", "none")
DTYPES = st.sampled_from([torch.float32, torch.float64])
REWARD = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.3]),
    st.floats(-1e6, 1e6, allow_subnormal=False, width=32),
    st.floats(-1, 1, allow_subnormal=False, width=32),
)
GROUP_OF_REWARDS = st.one_of(
    st.lists(REWARD, min_size=1, max_size=64),
    st.tuples(REWARD, st.integers(1, 64)).map(lambda pair: [pair[0]] * pair[1]),
)
pytestmark = pytest.mark.filterwarnings("ignore:a group of one completion")


@dataclass(frozen=True)
class Options:
    baseline: Baseline
    scale: Scale
    std_ddof: int

    def advantages(self, rewards: Tensor, group: Tensor, std_eps: float = 0.0) -> Tensor:
        return group_advantages(
            rewards, group, baseline=self.baseline, scale=self.scale, std_ddof=self.std_ddof, std_eps=std_eps
        )


OPTIONS = st.builds(Options, st.sampled_from(BASELINES), st.sampled_from(SCALES), st.sampled_from([0, 1]))
ONE_SCALE = st.builds(Options, st.sampled_from(BASELINES), st.sampled_from(["std", "none"]), st.sampled_from([0, 1]))


def one_group(values: list[float], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    return torch.tensor(values, dtype=dtype), torch.zeros(len(values), dtype=torch.int64)


def movement(rewards: Tensor, options: Options, error: float) -> float:
    """How far an advantage of the group may move if each reward moves by `error`; infinite where it may vanish."""
    if options.scale == "none" or len({*rewards.tolist()}) == 1:
        return 4 * error
    exact = rewards.double()
    samples = [exact]
    if options.scale == "std_leave_one_out":  # what is left of the spread without any one sequence
        samples = [torch.cat([exact[:i], exact[i + 1 :]]) for i in range(len(exact))]
    spread = min(float(sample.std(correction=0)) for sample in samples) if len(exact) > 1 else 0.0
    if spread < 100 * error:
        return math.inf
    largest = float(options.advantages(exact, torch.zeros(len(exact), dtype=torch.int64)).abs().max())
    return 8 * math.sqrt(len(exact)) * (1 + largest) * error / spread


@given(GROUP_OF_REWARDS, DTYPES, ONE_SCALE, st.sampled_from([0.0, 1e-4]))
def test_a_group_has_zero_mean(values: list[float], dtype: torch.dtype, options: Options, std_eps: float) -> None:
    advantages = options.advantages(*one_group(values, dtype), std_eps).double()
    rounding = torch.finfo(dtype).eps * float(advantages.abs().max())
    assert abs(float(advantages.mean())) <= 2 * rounding


@given(GROUP_OF_REWARDS, DTYPES, OPTIONS, st.floats(-1e6, 1e6, width=32))
def test_adding_a_constant_changes_nothing(
    values: list[float], dtype: torch.dtype, options: Options, constant: float
) -> None:
    rewards, group = one_group(values, dtype)
    shifted = rewards + constant
    rounding = torch.finfo(dtype).eps * float(torch.cat([rewards, shifted]).abs().max())
    bound = movement(rewards, options, rounding)
    assume(bound < 0.1 or options.scale == "none")
    before, after = options.advantages(rewards, group), options.advantages(shifted, group)
    assert float((after - before).abs().max()) <= bound + torch.finfo(dtype).eps * float(before.abs().max())


@given(GROUP_OF_REWARDS, DTYPES, OPTIONS, st.integers(-20, 20))
def test_scaling_by_a_power_of_two_changes_nothing_but_units(
    values: list[float], dtype: torch.dtype, options: Options, exponent: int
) -> None:
    """Powers of two are exact in every dtype, so with std_eps 0 the advantages must agree to the last bits."""
    rewards, group = one_group(values, dtype)
    assume(bool((rewards * 2.0**exponent / 2.0**exponent == rewards).all()))
    before, after = options.advantages(rewards, group), options.advantages(rewards * 2.0**exponent, group)
    others_are_equal = options.scale == "std_leave_one_out"  # then nothing is divided, and units remain
    assume(not others_are_equal or len({*values}) > 2)
    assume(not others_are_equal or min(values.count(value) for value in {*values}) > 1)
    expected = before * 2.0**exponent if options.scale == "none" else before
    torch.testing.assert_close(after, expected, rtol=1e-6 if dtype == torch.float32 else 1e-14, atol=0)


@given(st.lists(GROUP_OF_REWARDS, min_size=1, max_size=4), DTYPES, OPTIONS, st.data())
def test_permuting_sequences_permutes_credit(
    groups: list[list[float]], dtype: torch.dtype, options: Options, data: st.DataObject
) -> None:
    """Up to the order of summation, which is float64's rounding."""
    rewards = torch.tensor([value for values in groups for value in values], dtype=dtype)
    group = torch.tensor([number for number, values in enumerate(groups) for _ in values])
    index = torch.tensor(data.draw(st.permutations(range(len(rewards)))))
    bounds = []
    for number in range(len(groups)):
        own = rewards[group == number]
        bounds.append(movement(own, options, 1e-14 * float(own.abs().max())))
    assume(max(bounds) < 0.1 or options.scale == "none")
    advantages = options.advantages(rewards, group)
    shuffled = options.advantages(rewards[index], group[index])
    tolerance = torch.tensor(bounds)[group][index] + torch.finfo(dtype).eps * advantages[index].abs()
    assert bool(((shuffled - advantages[index]).abs() <= tolerance).all())


@given(st.lists(GROUP_OF_REWARDS, min_size=2, max_size=4), DTYPES, OPTIONS)
def test_other_groups_change_nothing(groups: list[list[float]], dtype: torch.dtype, options: Options) -> None:
    rewards = torch.tensor([value for values in groups for value in values], dtype=dtype)
    group = torch.tensor([7 * number for number, values in enumerate(groups) for _ in values])
    together = options.advantages(rewards, group)
    alone = torch.cat([options.advantages(*one_group(values, dtype)) for values in groups])
    assert torch.equal(together, alone)


def test_a_larger_group_beside_it_does_not_change_the_last_digit() -> None:
    """A row padded from 11 to 12 was summed in another order: 5.6e-17 for rewards 0 (ten times) and 1."""
    options = Options("mean", "std_leave_one_out", 0)
    groups = [[0.0] * 12, [0.0] * 10 + [1.0]]
    rewards = torch.tensor([value for values in groups for value in values], dtype=torch.float64)
    group = torch.tensor([0] * 12 + [1] * 11)
    alone = options.advantages(*one_group(groups[1], torch.float64))
    assert torch.equal(options.advantages(rewards, group)[12:], alone)


@given(REWARD, st.integers(1, 64), DTYPES, OPTIONS, st.sampled_from([0.0, 1e-9, 1e-4]))
def test_equal_rewards_give_exactly_zero(
    reward: float, size: int, dtype: torch.dtype, options: Options, std_eps: float
) -> None:
    assert not options.advantages(*one_group([reward] * size, dtype), std_eps).any()


@given(GROUP_OF_REWARDS, DTYPES, OPTIONS)
def test_advantages_are_finite_and_bounded(values: list[float], dtype: torch.dtype, options: Options) -> None:
    """|r − mean|/std ≤ √(n − 1) with ddof 0; leaving one out stretches the numerator by n/(n − 1)."""
    advantages = options.advantages(*one_group(values, dtype))
    assert torch.isfinite(advantages).all()
    if options.scale == "std":
        size = len(values)
        bound = math.sqrt(size) * (size / max(1, size - 1) if options.baseline == "leave_one_out" else 1)
        assert float(advantages.abs().max()) <= bound * (1 + 1e-6)


@given(st.lists(REWARD, min_size=1, max_size=64), DTYPES, OPTIONS, st.data())
def test_one_step_at_the_last_token_is_outcome_supervision(
    values: list[float], dtype: torch.dtype, options: Options, data: st.DataObject
) -> None:
    rewards, group = one_group(values, dtype)
    lengths = torch.tensor(data.draw(st.lists(st.integers(1, 12), min_size=len(values), max_size=len(values))))
    process = process_advantages(
        rewards[:, None], lengths[:, None] - 1, group, num_tokens=12,
        baseline=options.baseline, scale=options.scale, std_ddof=options.std_ddof,
    )  # fmt: skip
    outcome = options.advantages(rewards, group)
    inside = torch.arange(12) < lengths[:, None]
    assert torch.equal(process, torch.where(inside, outcome[:, None], 0))


@st.composite
def ragged(draw: st.DrawFn, holes: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards, values and mask of up to four completions of up to forty tokens, float64, garbage outside the mask."""
    rows, tokens = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    mask = torch.arange(tokens) < torch.randint(0, tokens + 1, (rows, 1), generator=generator)
    if holes:
        mask = mask & (torch.rand(rows, tokens, generator=generator) < 0.7)
    arrays = [10 * torch.randn(rows, tokens, generator=generator, dtype=torch.float64) for _ in range(2)]
    rewards, values = (torch.where(mask, array, torch.nan) for array in arrays)
    return rewards, values, mask


def tokens_of(values: Tensor, mask: Tensor, row: int) -> list[float]:
    return values[row][mask[row]].tolist()


@given(ragged(holes=True), st.floats(0, 1), st.floats(0, 1))
def test_gae_is_its_definition(arrays: tuple[Tensor, Tensor, Tensor], discount: float, gae_lambda: float) -> None:
    """Σ_l (γλ)^l (r_{t+l} + γ V_{t+l+1} − V_{t+l}), written out over the tokens inside the mask."""
    rewards, values, mask = arrays
    found = generalized_advantages(rewards, values, mask, discount=discount, gae_lambda=gae_lambda)
    assert not found[~mask].any()
    for row in range(len(mask)):
        r, v = tokens_of(rewards, mask, row), [*tokens_of(values, mask, row), 0.0]
        deltas = [r[t] + discount * v[t + 1] - v[t] for t in range(len(r))]
        expected = [
            sum((discount * gae_lambda) ** (later - t) * deltas[later] for later in range(t, len(r)))
            for t in range(len(r))
        ]
        assert tokens_of(found, mask, row) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(ragged(holes=True))
def test_gae_with_lambda_1_and_no_values_is_the_return(arrays: tuple[Tensor, Tensor, Tensor]) -> None:
    rewards, values, mask = arrays
    found = generalized_advantages(rewards, torch.zeros_like(values), mask, discount=1.0, gae_lambda=1.0)
    for row in range(len(mask)):
        r = tokens_of(rewards, mask, row)
        assert tokens_of(found, mask, row) == pytest.approx([sum(r[t:]) for t in range(len(r))], abs=1e-9)


@given(ragged(holes=True), st.floats(0, 1))
def test_gae_with_lambda_0_is_the_td_error(arrays: tuple[Tensor, Tensor, Tensor], discount: float) -> None:
    rewards, values, mask = arrays
    found = generalized_advantages(rewards, values, mask, discount=discount, gae_lambda=0.0)
    for row in range(len(mask)):
        r, v = tokens_of(rewards, mask, row), [*tokens_of(values, mask, row), 0.0]
        assert tokens_of(found, mask, row) == pytest.approx(
            [r[t] + discount * v[t + 1] - v[t] for t in range(len(r))], abs=1e-12
        )


@given(ragged(holes=False))
def test_suffix_sums_are_sums_of_what_follows(arrays: tuple[Tensor, Tensor, Tensor]) -> None:
    values = arrays[0].nan_to_num(0.5)
    expected = torch.stack([values[:, t:].sum(dim=1) for t in range(values.shape[1])], dim=1)
    torch.testing.assert_close(suffix_sums(values), expected, rtol=1e-12, atol=1e-12)


@given(ragged(holes=True), st.sampled_from([0, 1]))
def test_batch_normalisation_has_mean_0_and_variance_1(arrays: tuple[Tensor, Tensor, Tensor], std_ddof: int) -> None:
    values, _, mask = arrays
    assume(int(mask.sum()) >= 2)
    found = normalize_over_tokens(values, mask, std_ddof=std_ddof)
    inside = found[mask]
    assert not found[~mask].any()
    assert float(inside.mean()) == pytest.approx(0, abs=1e-12)
    assert float(inside.var(correction=std_ddof)) == pytest.approx(1, rel=1e-9)


# Every method, on batches with extreme numbers.


@st.composite
def batches(draw: st.DrawFn, dtype: torch.dtype) -> tuple[TokenBatch, Tensor]:
    """Pairs of up to four problems with rewards up to 1e6 and log-ratios up to ±50, completions up to nine tokens."""
    pairs = draw(st.integers(1, 4))
    rows, tokens = 2 * pairs, draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    size, extreme = draw(st.sampled_from([1.0, 1e6])), draw(st.sampled_from([0.5, 50.0]))

    def uniform(limit: float) -> Tensor:
        return (limit * (2 * torch.rand(rows, tokens, generator=generator, dtype=torch.float64) - 1)).to(dtype)

    lengths = torch.randint(1, tokens + 1, (rows,), generator=generator)
    policy = uniform(extreme) - extreme
    ends = torch.stack([torch.where(lengths > 1, lengths // 2 - 1, -1), lengths - 1], dim=1)
    # The log-ratio of a whole completion is kept within ±50 too: the product of ratios is a ratio.
    batch = TokenBatch(
        completion_mask=torch.arange(tokens) < lengths[:, None],
        rewards=uniform(size)[:, 0],
        correct=torch.arange(rows) % 3 == 0,
        group=torch.arange(rows) // draw(st.integers(1, rows)),
        old_logprobs=policy - uniform(extreme) / tokens,
        reference_logprobs=policy + uniform(extreme),
        sampler_logprobs=policy + uniform(extreme) / tokens,
        values=uniform(size),
        step_rewards=uniform(size)[:, :1].expand(rows, 2).contiguous(),
        step_ends=ends,
        pair=torch.arange(rows) // 2,
        chosen=torch.arange(rows) % 2 == 0,
        truncated=lengths == tokens,
        greedy_rewards=uniform(size)[:, 0],
        max_length=tokens,
        entropies=uniform(extreme).abs(),
        kl_estimate=extreme,
    )
    return batch, policy


def credit_and_values(name: str, batch: TokenBatch, policy: Tensor) -> tuple[Tensor, Tensor]:
    algorithm = build_algorithm(name)
    credit = algorithm.credit(batch)
    return credit, algorithm.coefficients(batch, credit, policy).values


BOTH_DTYPES = st.one_of(batches(torch.float32), batches(torch.float64))


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=25)
@given(BOTH_DTYPES)
def test_every_coefficient_is_finite(name: str, drawn: tuple[TokenBatch, Tensor]) -> None:
    credit, values = credit_and_values(name, *drawn)
    assert torch.isfinite(credit).all() and torch.isfinite(values).all()


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=25)
@given(BOTH_DTYPES, st.integers(1, 5))
def test_padding_changes_nothing_and_nothing_leaks_from_it(
    name: str, drawn: tuple[TokenBatch, Tensor], more: int
) -> None:
    batch, policy = drawn
    names = ("old_logprobs", "reference_logprobs", "sampler_logprobs", "values", "entropies")
    wide = torch.nn.functional.pad(batch.completion_mask, (0, more))

    def poisoned(array: Tensor) -> Tensor:
        return torch.where(wide, torch.nn.functional.pad(array, (0, more)), torch.nan)

    arrays = batch.arrays()
    padded = replace(batch, completion_mask=wide, **{key: poisoned(arrays[key]) for key in names})
    for clean, dirty in zip(
        credit_and_values(name, batch, policy), credit_and_values(name, padded, poisoned(policy)), strict=True
    ):
        assert not dirty[~wide].any()
        # Sums over a wider row are taken in another order: the last bits may differ.
        rtol = 1e-5 if clean.dtype == torch.float32 else 1e-12
        scale = float(clean.abs().max())
        torch.testing.assert_close(dirty[:, :-more], clean, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=10)
@given(batches(torch.float64))
def test_a_coefficient_is_credit_times_its_factors_plus_its_terms(name: str, drawn: tuple[TokenBatch, Tensor]) -> None:
    batch, policy = drawn
    algorithm = build_algorithm(name)
    credit = algorithm.credit(batch)
    found = algorithm.coefficients(batch, credit, policy)
    product = credit
    for factor in found.factors.values():
        product = product * factor
    expected = torch.where(batch.completion_mask, product + sum(found.terms.values()), 0)
    torch.testing.assert_close(found.values, expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=50)
@given(batches(torch.float64), st.sampled_from(["outcome", "process"]))
def test_groups_are_credited_apart_whatever_the_supervision(drawn: tuple[TokenBatch, Tensor], supervision: str) -> None:
    batch, _ = drawn
    algorithm = GRPO(supervision=supervision)  # type: ignore[arg-type]
    whole = algorithm.credit(batch)
    for group in batch.group.unique():
        rows = (batch.group == group).nonzero()[:, 0]
        torch.testing.assert_close(algorithm.credit(batch.rows(rows)), whole[rows], rtol=1e-12, atol=1e-12)
