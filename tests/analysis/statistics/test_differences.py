"""Paired differences, Holm's correction, detectable effects, crossings: by hand, by brute force, by simulation."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from analysis import Contrast, Resampling, compare_arms, crossing_of, difference_table, judge_contrasts
from analysis.noise.power import detectable_difference, p_value
from analysis.noise.seeds import Noise, difference_noise, total_noise
from analysis.statistics.crossings import dense_ks
from analysis.statistics.differences import holm, reverse
from analysis.statistics.scores import ArmScores, VoteTable, score_votes

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
    assert least.interval.low < least.point < least.interval.high
    assert np.isnan(least.detectable)


@pytest.mark.parametrize("ours", [[[3]], [[3], [4]]])
def test_one_problem_makes_no_claim(ours):
    theirs = [[2]] * len(ours)
    (found,) = compare_arms([arm_of("base", theirs), arm_of("new", ours)], resampling=FEW)
    assert (found.p_value, found.verdict) == (1.0, "none")
    assert np.isnan([found.interval.low, found.interval.high, found.detectable]).all()
    sentence = difference_table([found]).iloc[0]["sentence"]
    assert sentence.startswith("new minus base on Pass@1: +1")
    assert "(one problem gives no interval, " in sentence


def test_declared_contrasts_are_one_family_and_an_arm_that_failed_counts_in_it():
    rng = np.random.default_rng(6)
    arms = [arm_of(name, rng.integers(0, 9, (3, 20)).tolist()) for name in ("start", "rft", "grpo")]
    contrasts = [
        Contrast(name="grpo − rft", plus=("grpo",), minus=("rft",)),
        Contrast(name="both − start", plus=("grpo", "rft"), minus=("start",)),
        Contrast(name="ppo − grpo", plus=("ppo",), minus=("grpo",)),
    ]
    found = judge_contrasts(arms, contrasts, resampling=FEW)
    assert [(each.name, each.arm, each.baseline) for each in found] == [
        ("grpo − rft", "grpo", "rft"),
        ("both − start", "grpo and rft", "start"),
    ]
    assert [each.p_holm for each in found] == holm(np.array([*(each.p_value for each in found), 1.0]))[:2].tolist()
    assert {each.num_comparisons for each in found} == {3}
    means_AS = np.array([arm.pass_SPK[:, :, 0].mean(axis=1) for arm in arms])
    assert found[1].seed_points == pytest.approx((means_AS[1] + means_AS[2]) / 2 - means_AS[0])


def test_an_interval_does_not_depend_on_what_else_was_run():
    rng = np.random.default_rng(7)
    arms = [arm_of(name, rng.integers(0, 9, (2, 20)).tolist()) for name in ("start", "rft", "grpo", "control")]
    alone = compare_arms([arms[1], arms[2]], resampling=FEW)[0]
    among = next(each for each in compare_arms(arms, resampling=FEW) if (each.arm, each.baseline) == ("grpo", "rft"))
    declared = judge_contrasts(arms, [Contrast(name="x", plus=("grpo",), minus=("rft",))], resampling=FEW)[0]
    assert alone.interval == among.interval == declared.interval
    turned = reverse(alone)
    assert (turned.point, turned.interval.low) == (-alone.point, -alone.interval.high)


def test_one_seed_gets_no_verdict_however_clear():
    every, none = arm_of("every", [[8] * 30]), arm_of("none", [[0] * 30])
    contrast = [Contrast(name="x", plus=("every",), minus=("none",))]
    (found,) = judge_contrasts([every, none], contrast, resampling=FEW)
    assert (found.p_holm < 0.001, found.verdict) == (True, "none")
    two = [arm_of("every", [[8] * 30] * 2), arm_of("none", [[0] * 30] * 2)]
    assert judge_contrasts(two, contrast, resampling=FEW)[0].verdict == "better"


@pytest.mark.parametrize(("plus", "minus"), [((), ("a",)), (("a",), ()), (("a", "b"), ("b",))])
def test_a_contrast_needs_two_sides(plus, minus):
    with pytest.raises(ValueError, match="at least one arm on each side and none on both"):
        Contrast(name="x", plus=plus, minus=minus)


def test_pairs_and_baseline_by_hand():
    """Pass@1 of x: 6/8 and 4/8, of y 4/8 and 4/8, of z 2/8 and 6/8; y - x is -1/4 and 0, z - x -1/2 and 1/4."""
    x, y, z = arm_of("x", [[6, 4]]), arm_of("y", [[4, 4]]), arm_of("z", [[2, 6]])
    pairs = compare_arms([x, y, z], resampling=FEW)
    assert [(pair.arm, pair.baseline) for pair in pairs] == [("y", "x"), ("z", "x"), ("z", "y")]
    assert [pair.point for pair in pairs] == pytest.approx([-1 / 8, -1 / 8, 0])
    half = stats.t.ppf(0.975, 1) / 8  # s/√P = (1/4/√2)/√2
    assert (pairs[0].interval.low, pairs[0].interval.high) == (
        -1.0,
        1.0,
    )  # -1/8 ± 1.59, cut to what a difference can be
    assert compare_arms([x, y], resampling=Resampling(num_resamples=200, confidence=0.5))[
        0
    ].interval.low == pytest.approx(-1 / 8 - half * stats.t.ppf(0.75, 1) / stats.t.ppf(0.975, 1))
    to_y = compare_arms([x, y, z], resampling=FEW, baseline="y")
    assert [(pair.arm, pair.declared, pair.verdict) for pair in to_y] == [("x", False, "none"), ("z", False, "none")]
    majority = compare_arms([x, y], resampling=FEW, quantity="majority", k=8)
    assert majority[0].point == pytest.approx((0.5 + 0.5) / 2 - (1 + 0.5) / 2)


def test_a_clear_difference_is_called_and_an_equal_arm_is_not():
    rng = np.random.default_rng(4)
    base_P = rng.integers(0, 9, 300)
    better_SP = [np.minimum(base_P + rng.integers(0, 3, 300), 8).tolist() for _ in range(3)]
    base_SP = [base_P.tolist()] * 3
    arms = [arm_of("base", base_SP), arm_of("better", better_SP), arm_of("same", base_SP)]
    contrasts = [
        Contrast(name=f"{ours} − {theirs}", plus=(ours,), minus=(theirs,))
        for ours, theirs in (("better", "base"), ("same", "base"), ("same", "better"))
    ]
    better, same, worse = judge_contrasts(arms, contrasts, resampling=FEW)
    assert (better.verdict, same.verdict, worse.verdict) == ("better", "undecided", "worse")


def test_different_problems_and_missing_k_are_refused():
    with pytest.raises(ValueError, match=r"different problems \(1 and 2\).*intersect"):
        compare_arms([arm_of("x", [[1, 2]]), arm_of("y", [[1]])], resampling=FEW)
    with pytest.raises(ValueError, match=r"no score at K=3; expected one of \[1, 2, 4, 8\]"):
        compare_arms([arm_of("x", [[1]]), arm_of("y", [[1]])], resampling=FEW, k=3)
    with pytest.raises(ValueError, match="baseline 'dpo'"):
        compare_arms([arm_of("x", [[1]])], resampling=FEW, baseline="dpo")


def known_noise(problems: float, seeds: float = 0.0, seed_freedom: int = 0, problem_freedom: int = 10**6) -> Noise:
    parts = {"problems_X": problems, "seeds_X": seeds, "alone_X": problems, "rest_X": 0.0}
    arrays = {name: np.array([value]) for name, value in parts.items()}
    return Noise(point_X=np.zeros(1), problem_freedom=problem_freedom, seed_freedom=seed_freedom, **arrays)


def test_the_detectable_difference_by_hand_where_variances_are_known():
    """Many problems, one seed: normal theory. (1.96 + 0.8416) standard errors at 5 %; 2.935 + 0.8416 at 5 % / 15."""
    noise = known_noise(0.01**2)
    assert detectable_difference(noise, level=0.05) == pytest.approx(0.01 * 2.8016, rel=1e-3)
    assert detectable_difference(noise, level=0.05 / 15) == pytest.approx(0.01 * (2.9352 + 0.8416), rel=1e-3)


def test_the_power_where_only_seeds_vary_is_that_of_two_experiments():
    """Drawn directly: a first estimate with 4 degrees of freedom, then an experiment whose true variance is as likely
    as that estimate makes it; how often its t-test finds the difference."""
    effect = detectable_difference(known_noise(0.0, 0.02**2, 4), level=0.05)
    rng = np.random.default_rng(3)
    true_N = 0.02**2 * 4 / rng.chisquare(4, 40_000)
    mean_N = effect + rng.normal(0, np.sqrt(true_N))
    half_N = stats.t.ppf(0.975, 4) * np.sqrt(true_N * rng.chisquare(4, 40_000) / 4)
    assert (np.abs(mean_N) > half_N).mean() == pytest.approx(0.8, abs=0.01)


def test_curves_cross_where_they_do_by_hand():
    """`sure` solves half of the problems always and the other half never: Pass@K = 1/2. `lucky` has one right sample of
    64 on every problem: Pass@K = K/64. They are equal at K = 32; the difference's standard error is 0.05 at every K, so
    the confidence set is |1/2 - K/64| <= 1.984·0.0503."""
    sure = arm_of("sure", [[64] * 50 + [0] * 50], num_samples=64)
    lucky = arm_of("lucky", [[1] * 100], num_samples=64)
    crossing = crossing_of(sure, lucky)
    assert (crossing.leader, crossing.k, crossing.sure) == ("sure", pytest.approx(32), False)  # one seed
    half = stats.t.ppf(0.975, 99) * np.sqrt(0.25 / 99)
    assert (crossing.low, crossing.high) == (
        pytest.approx(64 * (0.5 - half), abs=1),
        pytest.approx(64 * (0.5 + half), abs=1),
    )
    mirrored = crossing_of(lucky, sure)
    assert (mirrored.leader, mirrored.k) == ("sure", pytest.approx(32))
    two = crossing_of(
        arm_of("sure", [[64] * 50 + [0] * 50] * 2, num_samples=64), arm_of("lucky", [[1] * 100] * 2, num_samples=64)
    )
    assert two.sure


def test_a_leader_that_is_not_sure_at_one_sample_may_cross_before():
    """`sure` solves 10 of 100 problems always: 0.1 at every K. `lucky` has 6 right samples of 64 everywhere: 0.094 at
    K = 1 and 0.18 at K = 2."""
    sure, lucky = arm_of("sure", [[64] * 10 + [0] * 90], num_samples=64), arm_of("lucky", [[6] * 100], num_samples=64)
    crossing = crossing_of(sure, lucky)
    assert (crossing.leader, crossing.low, crossing.sure) == ("sure", 0.0, False)
    assert 1 < crossing.k < 2


def test_the_detectable_difference_allows_for_all_contrasts():
    """Two contrasts: each is tested at 2.5 % in Holm's first step. One seed or two state nothing."""
    rows = {"x": ([6, 4, 3], [5, 4, 4], [7, 4, 3]), "y": ([4, 4, 3],) * 3, "z": ([2, 6, 3],) * 3}
    contrasts = [Contrast(name=name, plus=(name,), minus=("y",)) for name in ("x", "z")]

    def detectable(seeds: int) -> float:
        arms = [arm_of(name, [list(row) for row in by_seed[:seeds]]) for name, by_seed in rows.items()]
        return judge_contrasts(arms, contrasts, resampling=FEW)[0].detectable

    noise = total_noise(np.array([[2, 0, 0], [1, 0, 1], [3, 0, 0]])[:, :, None] / 8)
    expected = detectable_difference(noise, level=0.025)
    assert np.isfinite(expected) and detectable(3) == pytest.approx(expected)
    assert np.isnan([detectable(1), detectable(2)]).all()


def test_curves_that_do_not_cross_or_start_together():
    low, high = arm_of("low", [[1, 2, 3]]), arm_of("high", [[2, 3, 4]])
    apart = crossing_of(high, low)
    assert (apart.leader, np.isnan(apart.k), apart.sure) == ("high", True, False)
    same = crossing_of(low, low)
    assert same.leader == "" and np.isnan([same.k, same.low, same.high]).all() and not same.sure


def test_ks_between_doublings_are_whole_and_reach_the_end():
    assert dense_ks(1) == [1]
    assert dense_ks(10) == [1, 2, 3, 4, 5, 6, 7, 8, 10]
    assert max(dense_ks(10_000)) == 10_000


def test_the_table_has_a_row_a_pair_with_its_sentence():
    table = difference_table(compare_arms([arm_of("x", [[6, 4]]), arm_of("y", [[4, 4]])], resampling=FEW))
    row = table.iloc[0]
    assert (row["point"], row["low"], row["high"], row["verdict"]) == (-1 / 8, -1.0, 1.0, "none")
    assert (row["num_seeds"], row["num_baseline_seeds"], row["seed_points"]) == (1, 1, "-0.125")
    assert row["sentence"].startswith("y minus x on Pass@1: −12.5 points")
