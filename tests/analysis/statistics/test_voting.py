"""Maj@K of many problems at once, best-of-K and the weighted vote, against all subsets and other implementations."""

from collections import Counter
from fractions import Fraction
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from analysis import best_of_k, count_votes, maj_at_k, pass_at_k, weighted_maj_at_k
from analysis.statistics.scores import VoteTable, majority_scores, pass_scores
from analysis.statistics.voting import majority_matrix


def weighted_over_subsets(weights: list[list[int]], correct: int, k: int, abstaining: int) -> Fraction:
    """The mean over all k-subsets of the chance that the answer with the largest total weight is right."""
    samples = [(i, weight) for i, answer in enumerate(weights) for weight in answer] + [(-1, 0)] * abstaining
    won, subsets = Fraction(0), 0
    for subset in combinations(samples, k):
        subsets += 1
        totals: Counter[int] = Counter()
        for answer, weight in subset:
            if answer >= 0:
                totals[answer] += weight
        leaders = [answer for answer, total in totals.items() if total == max(totals.values())]
        if correct in leaders:
            won += Fraction(1, len(leaders))
    return won / subsets


def best_over_subsets(correct: list[bool], scores: list[float], k: int) -> Fraction:
    """The mean over all k-subsets of the share of right samples among those with the highest score."""
    won, subsets = Fraction(0), 0
    for subset in combinations(range(len(scores)), k):
        subsets += 1
        best = [i for i in subset if scores[i] == max(scores[j] for j in subset)]
        won += Fraction(sum(correct[i] for i in best), len(best))
    return won / subsets


def test_many_problems_at_once_are_each_the_mean_over_all_subsets():
    """Problems of different size, with ties, abstentions, nothing right and nothing wrong, in one call."""
    problems = [
        (2, 1, (2, 1, 1)),
        (2, 1, (1, 2, 1)),  # the same votes in another order
        (0, 2, (3, 2)),
        (5, 0, ()),
        (3, 0, (3, 3, 1)),
        (1, 0, (1, 1, 1, 1, 1, 1)),
        (4, 2, (1, 3)),
    ]
    ks = [1, 2, 3, 5]
    won = majority_matrix(
        np.array([correct for correct, _, _ in problems]),
        np.array([abstaining for _, abstaining, _ in problems]),
        [wrong for _, _, wrong in problems],
        ks,
    )
    for row, (correct, abstaining, wrong) in zip(won, problems, strict=True):
        weights = [[1] * count for count in (correct, *wrong)]
        exact = [float(weighted_over_subsets(weights, 0, k, abstaining)) for k in ks]
        assert row.tolist() == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("num_samples", [256, 10_000])
def test_two_classes_follow_the_hypergeometric_law(num_samples):
    """With one wrong answer the vote is won with more than K/2 right votes, and half of the time with K/2."""
    correct = num_samples * 45 // 100
    for k in (1, 2, 16, num_samples // 4, num_samples // 2, num_samples - 1):
        urn = (num_samples, correct, k)
        expected = hypergeom.sf(k // 2, *urn) + (hypergeom.pmf(k // 2, *urn) / 2 if k % 2 == 0 else 0)
        assert maj_at_k([correct, num_samples - correct], 0, k) == pytest.approx(expected, abs=1e-11)


def test_many_singletons_tie_evenly():
    """Ten thousand different answers, one of them right: by symmetry the vote is won once in ten thousand."""
    assert maj_at_k([1] * 10_000, 0, 50) == pytest.approx(50 / 10_000 / 50, rel=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=0, max_size=4), min_size=1, max_size=4),
    st.integers(0, 2),
    st.data(),
)
def test_the_weighted_vote_is_the_mean_over_all_subsets(weights, abstaining, data):
    total = sum(map(len, weights)) + abstaining
    if not 1 <= total <= 10:
        return
    correct = data.draw(st.integers(0, len(weights) - 1))
    k = data.draw(st.integers(1, total))
    exact = float(weighted_over_subsets(weights, correct, k, abstaining))
    assert weighted_maj_at_k(weights, correct, k, abstaining) == pytest.approx(exact, abs=1e-11)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(0, 5), st.integers(1, 3), st.data())
def test_equal_weights_are_one_vote_each(counts, abstaining, weight, data):
    total = sum(counts) + abstaining
    if total == 0:
        return
    k = data.draw(st.integers(1, total))
    weighted = weighted_maj_at_k([[weight] * count for count in counts], 0, k, abstaining)
    assert weighted == pytest.approx(maj_at_k(counts, 0, k, abstaining), abs=1e-11)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=9), st.data())
def test_best_of_k_is_the_mean_over_all_subsets(samples, data):
    correct, scores = [right for right, _ in samples], [float(score) for _, score in samples]
    k = data.draw(st.integers(1, len(samples)))
    exact = float(best_over_subsets(correct, scores, k))
    assert best_of_k(np.array(correct), np.array(scores), k) == pytest.approx(exact, abs=1e-14)


def test_what_no_vote_is_counted_from_is_refused():
    """Names of verdicts were all taken for right ones, and a negative count for fewer samples than there are."""
    with pytest.raises(ValueError, match=r"verdicts \['INCORRECT', 'CORRECT'\] …; expected True or False"):
        best_of_k(np.array(["INCORRECT", "CORRECT"]), np.array([1.0, 2.0]), 1)
    assert best_of_k(np.array([0, 1]), np.array([1.0, 2.0]), 2) == 1
    with pytest.raises(ValueError, match="num_abstaining=-1; expected a count >= 0"):
        weighted_maj_at_k([[1, 1, 1], [2]], 0, 3, -1)


def test_best_of_k_with_a_perfect_and_a_blind_score():
    """A score that knows the verdict gives Pass@K; one that is the same for all gives Pass@1; one that is wrong, what
    only wrong samples leave: the chance that all K are right."""
    correct = np.array([True] * 3 + [False] * 5)
    assert best_of_k(correct, correct.astype(float), 4) == pytest.approx(pass_at_k(3, 8, 4))
    assert best_of_k(correct, np.ones(8), 4) == pytest.approx(3 / 8)
    assert best_of_k(correct, -correct.astype(float), 3) == pytest.approx(1 - pass_at_k(5, 8, 3))


def test_selection_refuses_bad_input():
    with pytest.raises(ValueError, match=r"integers >= 0; round scores"):
        weighted_maj_at_k([[1, -1]], 0, 1)
    with pytest.raises(ValueError, match=r"integers >= 0; round scores"):
        weighted_maj_at_k([[0.5]], 0, 1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="correct_index=3"):
        weighted_maj_at_k([[1]], 3, 1)
    with pytest.raises(ValueError, match="k=3 samples cannot be drawn from 2"):
        best_of_k(np.array([True, False]), np.array([1.0, 0.0]), 3)
    with pytest.raises(ValueError, match="not finite"):
        best_of_k(np.array([True]), np.array([np.nan]), 1)
    with pytest.raises(ValueError, match=r"\(2,\) verdicts and \(1,\) scores"):
        best_of_k(np.array([True, False]), np.array([1.0]), 1)


def sample_frame(letters: dict[str, str]) -> pd.DataFrame:
    """C right, N no answer, other letters wrong answers; a string a problem."""
    rows = [
        {
            "problem_id": problem,
            "answer_class": "" if letter == "N" else letter,
            "verdict": {"C": "CORRECT", "N": "NO_ANSWER"}.get(letter, "INCORRECT"),
        }
        for problem, string in letters.items()
        for letter in string
    ]
    return pd.DataFrame(rows)


def test_unparsed_answers_abstain_or_vote_together():
    """NNNCCa at K = 6: abstaining, C wins with 2 of 3 votes; voting, the three N win. At K = 2, of 15 pairs:
    abstaining, CC 1, CN 6 won and Ca 2 tied give 8/15; voting, CC 1 won, CN 6 and Ca 2 tied give 5/15."""
    samples = sample_frame({"p": "NNNCCa"})
    abstaining, voting = count_votes(samples), count_votes(samples, unparsed="vote")
    assert majority_scores(abstaining, [2, 6])[0] == pytest.approx([8 / 15, 1.0])
    assert majority_scores(voting, [2, 6])[0] == pytest.approx([5 / 15, 0.0])
    assert voting.wrong_votes_P == ((3, 1),)
    assert voting.num_abstaining_P.tolist() == [0]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text("CNab", min_size=6, max_size=6), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_samples_and_problems_is_free(strings, random):
    frame = sample_frame({f"p{place}": string for place, string in enumerate(strings)})
    order = list(range(len(frame)))
    random.shuffle(order)
    ks = [1, 2, 4, 6]
    tables: list[VoteTable] = [count_votes(frame), count_votes(frame.iloc[order])]
    straight, shuffled = ((pass_scores(table, ks), majority_scores(table, ks)) for table in tables)
    np.testing.assert_allclose(shuffled[0], straight[0])
    np.testing.assert_allclose(shuffled[1], straight[1], atol=1e-12)
    np.testing.assert_allclose(straight[0][:, 0], straight[1][:, 0], atol=1e-12)  # Maj@1 is Pass@1
    assert (np.diff(straight[0], axis=1) >= 0).all()  # Pass@K grows with K


def test_categorical_columns_count_as_their_texts():
    frame = sample_frame({"b": "CCab", "a": "NaaC"})
    plain, categorical = count_votes(frame), count_votes(frame.astype("category"))
    assert categorical.problem_ids == plain.problem_ids == ("a", "b")
    assert categorical.wrong_votes_P == plain.wrong_votes_P == ((2,), (1, 1))
    assert categorical.num_correct_P.tolist() == plain.num_correct_P.tolist() == [1, 2]
