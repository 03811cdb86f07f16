"""Pass@K and Maj@K against hand computations, all subsets, and an integer reference."""

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import maj_at_k, majority_curve, pass_at_k

ABSTAINS = -1


def pass_over_subsets(num_correct: int, num_samples: int, k: int) -> Fraction:
    """The share of all k-subsets of the samples that hold a correct one."""
    subsets = list(combinations(range(num_samples), k))
    return Fraction(sum(1 for subset in subsets if min(subset) < num_correct), len(subsets))


def majority_over_subsets(counts: list[int], correct: int, k: int, abstaining: int) -> Fraction:
    """The mean over all k-subsets of the chance that their plurality vote is the correct class."""
    samples = [i for i, count in enumerate(counts) for _ in range(count)] + [ABSTAINS] * abstaining
    won, subsets = Fraction(0), 0
    for subset in combinations(samples, k):
        subsets += 1
        votes = Counter(vote for vote in subset if vote != ABSTAINS)
        leaders = [vote for vote, count in votes.items() if count == max(votes.values())]
        if correct in leaders:
            won += Fraction(1, len(leaders))
    return won / subsets


def majority_in_integers(counts: list[int], correct: int, k: int, abstaining: int) -> Fraction:
    """Counts subsets class by class, with the number of ties as a second axis: integers, for n beyond enumeration."""
    won = Fraction(0)
    for votes in range(1, min(counts[correct], k) + 1):
        ways = {(votes, 0): comb(counts[correct], votes)}  # (drawn, ties) -> subsets
        for i, count in enumerate(counts):
            if i == correct:
                continue
            grown: Counter[tuple[int, int]] = Counter()
            for (drawn, ties), number in ways.items():
                for taken in range(min(count, votes, k - drawn) + 1):
                    grown[drawn + taken, ties + (taken == votes)] += number * comb(count, taken)
            ways = grown
        for (drawn, ties), number in ways.items():
            won += Fraction(number * comb(abstaining, k - drawn), 1 + ties)
    return won / comb(sum(counts) + abstaining, k)


@pytest.mark.parametrize(
    ("num_correct", "num_samples", "k", "expected"),
    [
        (1, 4, 2, 1 / 2),  # 3 of the 6 pairs hold the correct sample
        (2, 4, 2, 5 / 6),  # only one pair of 6 misses both
        (1, 3, 2, 2 / 3),
        (0, 5, 5, 0.0),
        (3, 5, 3, 1.0),  # two wrong samples cannot fill three draws
    ],
)
def test_pass_at_k_by_hand(num_correct, num_samples, k, expected):
    assert pass_at_k(num_correct, num_samples, k) == pytest.approx(expected, abs=1e-15)


def test_pass_at_k_takes_arrays_entry_by_entry():
    np.testing.assert_allclose(pass_at_k(np.array([[0, 1], [2, 4]]), 4, 2), [[0, 1 / 2], [5 / 6, 1]], atol=1e-15)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_pass_at_k_is_the_mean_over_all_subsets(data):
    num_samples = data.draw(st.integers(1, 9))
    num_correct = data.draw(st.integers(0, num_samples))
    values = [pass_at_k(num_correct, num_samples, k) for k in range(1, num_samples + 1)]
    exact = [pass_over_subsets(num_correct, num_samples, k) for k in range(1, num_samples + 1)]
    assert values == [float(value) for value in exact]  # correctly rounded, not only close
    assert values == sorted(values)  # more samples never hurt


def test_pass_at_k_is_exact_at_ten_thousand_samples():
    expected = 1 - Fraction(comb(10_000 - 3, 5_000), comb(10_000, 5_000))
    assert pass_at_k(3, 10_000, 5_000) == float(expected)


@pytest.mark.parametrize(
    ("counts", "correct", "k", "abstaining", "expected"),
    [
        ([2, 1], 0, 3, 0, 1.0),
        ([1, 1], 0, 2, 0, 1 / 2),  # a tie of two
        ([1, 1, 1], 2, 3, 0, 1 / 3),  # a tie of three
        ([2, 2], 0, 2, 0, 1 / 2),  # CC wins 1/6, Cw ties 4/6, ww loses 1/6
        ([2, 1, 1], 0, 2, 0, 1 / 2),  # CC 1/6, Cw 4/6 tied, ww 1/6
        ([1], 0, 1, 1, 1 / 2),  # drawn, the abstaining sample loses the vote
        ([1], 0, 2, 1, 1.0),  # drawn beside the correct one, it does not vote
        ([1, 1], 1, 2, 1, (1 / 2 + 1 + 0) / 3),  # wC tied, CN won, wN lost
        ([1, 3], 0, 4, 0, 0.0),
        ([0, 3, 0, 2], 1, 5, 0, 1.0),  # zeros are allowed
        ([0, 3], 0, 2, 0, 0.0),  # a correct class without votes
        ([5], None, 2, 0, 0.0),
        ([], None, 3, 4, 0.0),  # all abstain
    ],
)
def test_maj_at_k_by_hand(counts, correct, k, abstaining, expected):
    assert maj_at_k(counts, correct, k, abstaining) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=120)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(0, 3), st.data())
def test_maj_at_k_is_the_mean_over_all_subsets(counts, abstaining, data):
    total = sum(counts) + abstaining
    if not 1 <= total <= 11:
        return
    correct = data.draw(st.integers(0, len(counts) - 1))
    k = data.draw(st.integers(1, total))
    exact = majority_over_subsets(counts, correct, k, abstaining)
    assert maj_at_k(counts, correct, k, abstaining) == pytest.approx(float(exact), abs=1e-10)


@pytest.mark.parametrize(
    ("counts", "abstaining"),
    [
        ([9, 9, 9, 8, 8, 7, 4, 3, 2, 1, 1, 1], 2),
        ([4] + [1] * 39, 21),
        ([20, 30, 10], 4),
        ([2] * 20, 24),
    ],
)
def test_majority_curve_matches_integers_at_sixty_four_samples(counts, abstaining):
    ks = [1, 2, 4, 8, 16, 32, 64]
    exact = [float(majority_in_integers(counts, 0, k, abstaining)) for k in ks]
    np.testing.assert_allclose(majority_curve(counts, 0, ks, abstaining), exact, atol=1e-11)
    np.testing.assert_allclose([maj_at_k(counts, 0, k, abstaining) for k in ks], exact, atol=1e-11)


def test_maj_at_k_stays_exact_where_one_half_would_underflow():
    counts, abstaining = [1200, 800, 60, 12], 300
    for k in (1, 6, 14):
        exact = majority_in_integers(counts, 1, k, abstaining)
        assert maj_at_k(counts, 1, k, abstaining) == pytest.approx(float(exact), abs=1e-10)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=12), st.integers(0, 10), st.randoms(use_true_random=False))
def test_one_vote_is_one_try_and_the_order_of_wrong_answers_is_free(counts, abstaining, random):
    total = sum(counts) + abstaining
    if total == 0:
        return
    assert maj_at_k(counts, 0, 1, abstaining) == pytest.approx(pass_at_k(counts[0], total, 1), abs=1e-12)
    k = random.randint(1, total)
    shuffled = counts[1:]
    random.shuffle(shuffled)
    again = maj_at_k([*shuffled, counts[0]], len(shuffled), k, abstaining)
    assert again == pytest.approx(maj_at_k(counts, 0, k, abstaining), abs=1e-12)


def test_bad_input_names_what_was_got_and_the_remedy():
    with pytest.raises(ValueError, match=r"k=65 samples cannot be drawn from 64.*sample more"):
        pass_at_k(3, 64, 65)
    with pytest.raises(ValueError, match=r"maj_at_k: k=5 .* from 4"):
        maj_at_k([2, 1], 0, 5, num_abstaining=1)
    with pytest.raises(ValueError, match="k=0"):
        maj_at_k([2, 1], 0, 0)
    with pytest.raises(ValueError, match=r"expected 0..num_samples=4"):
        pass_at_k(np.array([1, 5]), 4, 2)
    with pytest.raises(ValueError, match="counts, not rates"):
        pass_at_k(np.array([0.5]), 4, 2)
    with pytest.raises(ValueError, match="negative"):
        maj_at_k([2, -1], 0, 1)
    with pytest.raises(ValueError, match="correct_index=2"):
        maj_at_k([2, 1], 2, 1)
    with pytest.raises(ValueError, match="counts, not rates"):
        maj_at_k([2.5, 1.5], 0, 2)  # type: ignore[list-item]
