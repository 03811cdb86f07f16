"""Paired differences, Holm's correction, detectable effects, crossings: by hand, by brute force, by simulation."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from analysis import Resampling, compare_arms, crossing_of, difference_table
from analysis.report.sentences import crossing_sentence
from analysis.statistics.crossings import dense_ks
from analysis.statistics.differences import (
    compare_with_controls,
    detectable_difference,
    holm,
    p_value,
    probability_of_improvement,
)
from analysis.statistics.scores import ArmScores, VoteTable, score_votes
from analysis.statistics.seeds import Noise, difference_noise, total_noise

FEW = Resampling(num_resamples=200)


def arm_of(name: str, correct_SP: list[list[int]], *, num_samples: int = 8, seeds: tuple[int, ...] = ()) -> ArmScores:
    """Scores of an arm whose problems have these many right samples, all wrong ones of one class."""
    problem_ids = tuple(f"p{place}" for place in range(len(correct_SP[0])))
    votes = [
        VoteTable(
            problem_ids=problem_ids,
            num_samples_P=np.full(len(row), num_samples),
            num_correct_P=np.array(row),
            num_abstaining_P=np.zeros(len(row), dtype=int),
            wrong_votes_P=tuple((num_samples - count,) if count < num_samples else () for count in row),
        )
        for row in correct_SP
    ]
    ks = [2**power for power in range(num_samples.bit_length()) if 2**power <= num_samples]
    return score_votes(votes, ks, arm=name, benchmark="sums", seeds=seeds or tuple(range(len(votes))))


def test_holm_is_the_closed_test_with_bonferroni():
    """A hypothesis is rejected when every set of hypotheses that holds it is, each at its smallest p times its size."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 5):
        p_values = rng.random(size) ** 3
        closed = [
            max(
                min(1.0, len(subset) * min(p_values[i] for i in subset))
                for length in range(1, size + 1)
                for subset in combinations(range(size), length)
                if member in subset
            )
            for member in range(size)
        ]
        assert holm(p_values).tolist() == pytest.approx(closed)


def test_the_p_value_is_that_of_a_t_test_where_there_is_one_part():
    values_P = np.random.default_rng(1).normal(0.1, 1, 40)
    assert p_value(total_noise(values_P[None, :, None])) == pytest.approx(stats.ttest_1samp(values_P, 0)[1])


def test_the_interval_excludes_zero_exactly_where_p_is_below_the_level():
    rng = np.random.default_rng(2)
    for _ in range(30):
        few = rng.integers(0, 2, (2, 2, 12, 1)).astype(float)  # both parts of the variance are often 0
        equal = np.full((1, int(rng.integers(2, 12)), 1), rng.random())
        for arms in (rng.normal(0, 1, (2, 3, 20, 1)), few, (equal, equal * rng.random())):
            noise = difference_noise(*arms, paired=True)
            band = noise.band(0.95)
            assert (band.low[0] > 0 or band.high[0] < 0) == (p_value(noise) < 0.05)


@pytest.mark.parametrize("num_problems", [2, 3, 6, 20])
def test_equal_differences_are_no_surer_than_the_sign_test(num_problems):
    """All solved against none is the two-sided sign test, scipy's binomial test of all heads; less is less sure."""
    sign_test = stats.binomtest(num_problems, num_problems).pvalue
    none, some, every = (arm_of(name, [[n] * num_problems]) for name, n in (("none", 0), ("some", 1), ("every", 8)))
    most, least = compare_arms([none, some, every], resampling=FEW, baseline="none")[::-1]
    assert most.p_value == pytest.approx(sign_test)
    assert least.p_value == pytest.approx(min(1, 2 * (1 + 1 / 8) ** -num_problems))
    assert least.total.low < least.point < least.total.high
    assert np.isnan(least.detectable)


@pytest.mark.parametrize("ours", [[[3]], [[3], [4]]])
def test_one_problem_makes_no_claim(ours):
    theirs = [[2]] * len(ours)
    (found,) = compare_arms([arm_of("base", theirs), arm_of("new", ours)], resampling=FEW)
    assert (found.p_value, found.verdict) == (1.0, "undecided")
    assert np.isnan([found.total.low, found.total.high, found.problem.low, found.detectable]).all()
    sentence = difference_table([found]).iloc[0]["sentence"]
    assert sentence.startswith("new and base cannot be told apart on Pass@1: +1")
    assert "(one problem gives no interval, " in sentence


def test_all_methods_and_controls_of_a_benchmark_are_one_family():
    rng = np.random.default_rng(6)
    names = ("start", "rft", "grpo", "random", "shuffled")
    arms = [arm_of(name, rng.integers(0, 9, (2, 20)).tolist()) for name in names]
    groups = compare_with_controls(arms, methods=["rft", "grpo"], controls=["random", "shuffled"], resampling=FEW)
    assert [[(each.arm, each.baseline) for each in group] for group in groups] == [
        [("rft", "random"), ("grpo", "random")],
        [("rft", "shuffled"), ("grpo", "shuffled")],
    ]
    found = [each for group in groups for each in group]
    assert [each.p_holm for each in found] == holm(np.array([each.p_value for each in found])).tolist()
    assert {each.num_comparisons for each in found} == {4}
    pairs = {(each.arm, each.baseline): each for each in compare_arms(arms, resampling=FEW)}
    assert found[0].p_value == pytest.approx(pairs["random", "rft"].p_value)  # noise pooled over the same arms


def test_probability_of_improvement_is_the_mean_mann_whitney_statistic():
    rng = np.random.default_rng(3)
    a_SP, b_SP = rng.integers(0, 4, (4, 6)) / 3, rng.integers(0, 4, (3, 6)) / 3  # with ties
    expected = [stats.mannwhitneyu(a_SP[:, p], b_SP[:, p]).statistic / 12 for p in range(6)]
    assert probability_of_improvement(a_SP, b_SP).tolist() == pytest.approx(expected)


def test_pairs_and_baseline_by_hand():
    """Pass@1 of x: 6/8 and 4/8, of y 4/8 and 4/8, of z 2/8 and 6/8; y - x is -1/4 and 0, z - x -1/2 and 1/4."""
    x, y, z = arm_of("x", [[6, 4]]), arm_of("y", [[4, 4]]), arm_of("z", [[2, 6]])
    pairs = compare_arms([x, y, z], resampling=FEW)
    assert [(pair.arm, pair.baseline) for pair in pairs] == [("y", "x"), ("z", "x"), ("z", "y")]
    assert [pair.point for pair in pairs] == pytest.approx([-1 / 8, -1 / 8, 0])
    half = stats.t.ppf(0.975, 1) / 8  # s/√P = (1/4/√2)/√2
    assert (pairs[0].total.low, pairs[0].total.high) == (-1.0, 1.0)  # -1/8 ± 1.59, cut to what a difference can be
    assert compare_arms([x, y], resampling=Resampling(num_resamples=200, confidence=0.5))[0].total.low == pytest.approx(
        -1 / 8 - half * stats.t.ppf(0.75, 1) / stats.t.ppf(0.975, 1)
    )
    to_y = compare_arms([x, y, z], resampling=FEW, baseline="y")
    assert [(pair.arm, pair.num_comparisons) for pair in to_y] == [("x", 2), ("z", 2)]
    assert to_y[0].improvement.point == pytest.approx((1 + 0.5) / 2)
    majority = compare_arms([x, y], resampling=FEW, quantity="majority", k=8)
    assert majority[0].point == pytest.approx((0.5 + 0.5) / 2 - (1 + 0.5) / 2)


def test_a_clear_difference_is_called_and_an_equal_arm_is_not():
    rng = np.random.default_rng(4)
    base_P = rng.integers(0, 9, 300)
    better_SP = [np.minimum(base_P + rng.integers(0, 3, 300), 8).tolist() for _ in range(3)]
    base_SP = [base_P.tolist()] * 3
    better, same, worse = compare_arms(
        [arm_of("base", base_SP), arm_of("better", better_SP), arm_of("same", base_SP)], resampling=FEW
    )
    assert (better.verdict, same.verdict, worse.verdict) == ("better", "undecided", "worse")
    assert better.problem.low < better.point < better.problem.high


def test_different_problems_and_missing_k_are_refused():
    with pytest.raises(ValueError, match=r"different problems \(1 and 2\).*intersect"):
        compare_arms([arm_of("x", [[1, 2]]), arm_of("y", [[1]])], resampling=FEW)
    with pytest.raises(ValueError, match=r"no score at K=3; expected one of \[1, 2, 4, 8\]"):
        compare_arms([arm_of("x", [[1]]), arm_of("y", [[1]])], resampling=FEW, k=3)
    with pytest.raises(ValueError, match="baseline 'dpo'"):
        compare_arms([arm_of("x", [[1]])], resampling=FEW, baseline="dpo")


def test_the_detectable_difference_by_hand_where_variances_are_known():
    """Many problems, one seed: normal theory. (1.96 + 0.8416) standard errors at 5 %; 2.935 + 0.8416 at 5 % / 15."""
    noise = Noise(point_X=np.zeros(1), parts=((np.array([0.01**2]), 10**6),))
    assert detectable_difference(noise, level=0.05) == pytest.approx(0.01 * 2.8016, rel=1e-3)
    assert detectable_difference(noise, level=0.05 / 15) == pytest.approx(0.01 * (2.9352 + 0.8416), rel=1e-3)


def test_the_detectable_difference_with_few_seeds_is_the_noncentral_t():
    noise = Noise(point_X=np.zeros(1), parts=((np.array([0.0]), 99), (np.array([0.02**2]), 2)))
    found = detectable_difference(noise, level=0.05)
    power = stats.nct.sf(stats.t.ppf(0.975, 2), 2, found / 0.02)
    assert power == pytest.approx(0.8, abs=0.005)


def test_four_in_five_repetitions_find_the_detectable_difference():
    """Raw scores: 3 seeds, 200 problems, training noise 0.02 a seed and problem differences of 0.3."""
    seed_sd, problem_sd = 0.02, 0.3
    noise = Noise(point_X=np.zeros(1), parts=((np.array([problem_sd**2 / 200]), 199), (np.array([seed_sd**2 / 3]), 2)))
    effect = detectable_difference(noise, level=0.05)
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(1000):
        values_SP = effect + rng.normal(0, seed_sd, (3, 1)) + rng.normal(0, problem_sd, 200)
        band = total_noise(values_SP[:, :, None]).band(0.95)
        found += band.low[0] > 0
    assert found / 1000 == pytest.approx(0.8, abs=0.04)  # three standard errors


def test_curves_cross_where_they_do_by_hand():
    """`sure` solves half of the problems always and the other half never: Pass@K = 1/2. `lucky` has one right sample of
    64 on every problem: Pass@K = K/64. They are equal at K = 32."""
    sure = arm_of("sure", [[64] * 50 + [0] * 50], num_samples=64)
    lucky = arm_of("lucky", [[1] * 100], num_samples=64)
    crossing = crossing_of(sure, lucky, Resampling())
    assert (crossing.leader, crossing.k, crossing.share) == ("sure", pytest.approx(32), 1.0)
    low, high = 64 * stats.binom(100, 0.5).ppf([0.025, 0.975]) / 100  # a resample has Binomial(100, 1/2) sure problems
    assert (crossing.low, crossing.high) == (pytest.approx(low, abs=0.8), pytest.approx(high, abs=0.8))
    mirrored = crossing_of(lucky, sure, Resampling())
    assert (mirrored.leader, mirrored.k) == ("sure", pytest.approx(32))


def test_a_leader_that_is_not_sure_at_one_sample_may_cross_before():
    """`sure` solves 10 of 100 problems always: 0.1 at every K. `lucky` has 6 right samples of 64 everywhere: 0.094 at
    K = 1 and 0.18 at K = 2. In two resamples of five `sure` has 9 problems or fewer, and trails from the start."""
    sure, lucky = arm_of("sure", [[64] * 10 + [0] * 90], num_samples=64), arm_of("lucky", [[6] * 100], num_samples=64)
    crossing = crossing_of(sure, lucky, Resampling())
    assert (crossing.leader, crossing.low) == ("sure", 0.0)
    assert 1 < crossing.k < 2
    assert crossing.share == pytest.approx(stats.binom(100, 0.1).sf(9), abs=0.04)


def test_the_detectable_difference_allows_for_all_comparisons():
    """Two comparisons to one baseline: each is tested at 2.5 % in Holm's first step."""
    x, y, z = (arm_of(name, [[a, b, 3]]) for name, a, b in (("x", 6, 4), ("y", 4, 4), ("z", 2, 6)))
    found = compare_arms([x, y, z], resampling=FEW, baseline="y")[0]
    difference_P = np.array([2 / 8, 0, 0])
    noise = total_noise(difference_P[None, :, None])
    assert found.detectable == pytest.approx(detectable_difference(noise, level=0.025))


def test_curves_that_do_not_cross_or_start_together():
    low, high = arm_of("low", [[1, 2, 3]]), arm_of("high", [[2, 3, 4]])
    apart = crossing_of(high, low, FEW)
    assert (apart.leader, np.isnan(apart.k), apart.low, apart.high, apart.share) == ("high", True, np.inf, np.inf, 0.0)
    assert (apart.leads_to, apart.leads_surely_to, apart.largest_k) == (7, 5, 8)  # both solve all at 8; see below
    same = crossing_of(low, low, FEW)
    assert same.leader == "" and np.isnan(same.k)
    assert (same.leads_to, same.leads_surely_to) == (0, 0)


def test_curves_that_meet_are_apart_up_to_there_only():
    """`high` has 5 and 4 wrong samples of 8, so Pass@6 is 1; `low` has 6 and 5, so Pass@7 is: both are 1 from 7 on."""
    crossing = crossing_of(arm_of("high", [[3, 4]]), arm_of("low", [[2, 3]]), FEW)
    assert (crossing.leader, crossing.low, crossing.leads_to) == ("high", np.inf, 6)
    assert (
        crossing.leads_surely_to == 5
    )  # a resample may hold the second problem only: 5 wrong samples, equal from 6 on
    text = crossing_sentence(crossing)
    assert text.startswith("high leads low on Pass@K up to K = 6 and is never behind up to 8; in at least 97.5 %")


def test_ks_between_doublings_are_whole_and_reach_the_end():
    assert dense_ks(1) == [1]
    assert dense_ks(10) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert max(dense_ks(10_000)) == 10_000


def test_the_table_has_a_row_a_pair_with_its_sentence():
    table = difference_table(compare_arms([arm_of("x", [[6, 4]]), arm_of("y", [[4, 4]])], resampling=FEW))
    row = table.iloc[0]
    assert (row["point"], row["improvement"]) == pytest.approx((-1 / 8, 1 / 4))
    assert (row["total_low"], row["total_high"]) == (-1.0, 1.0)
    assert (row["num_seeds"], row["num_baseline_seeds"]) == (1, 1)
    assert row["sentence"].startswith("y and x cannot be told apart on Pass@1: −12.5 points")
