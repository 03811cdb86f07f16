"""Ranks that the data allow, and their agreement over seeds, against hand computations and simulated comparisons."""

import numpy as np
import pytest
from scipy import stats

from analysis.noise.intervals import Resampling
from analysis.statistics.ranks import kendalls_w, rank_arms, rank_table
from analysis.statistics.scores import ArmScores
from analysis.statistics.simulation import Arm, Design, scores, simulate, truth


def arm_of(name: str, values_SP: np.ndarray) -> ArmScores:
    return ArmScores(
        arm=name,
        benchmark="sums",
        seeds=tuple(range(len(values_SP))),
        ks=(1,),
        problem_ids=tuple(range(values_SP.shape[1])),
        num_samples=8,
        votes_S=(),
        pass_SPK=values_SP[:, :, None],
        majority_SPK=values_SP[:, :, None],
    )


def test_kendalls_w_equals_friedmans_statistic_over_its_scale():
    """W = χ²_F / (S·(J − 1)), also with ties (scipy's Friedman test corrects for them alike)."""
    values_SJ = np.array([[1.0, 2, 3, 4], [2, 1, 3, 4], [1, 3, 3, 4], [4, 2, 3, 1]])
    ranks_SJ = np.array([stats.rankdata(row) for row in values_SJ])
    friedman = stats.friedmanchisquare(*values_SJ.T).statistic
    assert kendalls_w(ranks_SJ) == pytest.approx(friedman / (4 * 3))
    assert kendalls_w(np.tile([1.0, 2.0, 3.0], (5, 1))) == pytest.approx(1.0)
    assert np.isnan(kendalls_w(np.full((2, 3), 2.0)))


def test_a_clear_order_is_firm_and_two_equal_arms_share_their_ranks():
    generator = np.random.default_rng(0)
    hard_P = generator.normal(0, 0.1, 300)
    means = {"low": 0.2, "high": 0.8, "same a": 0.5, "same b": 0.5}
    arms = [
        arm_of(name, mean + hard_P + generator.normal(0, 0.05, (4, 300)) + generator.normal(0, 0.004, (4, 1)))
        for name, mean in means.items()
    ]
    [found] = rank_arms(arms, resampling=Resampling())
    ranks = dict(zip(found.arms, zip(found.best, found.worst, strict=True), strict=True))
    assert found.arms[0] == "high" and found.arms[-1] == "low"
    assert (ranks["high"], ranks["low"]) == ((1, 1), (4, 4))
    assert ranks["same a"] == ranks["same b"] == (2, 3)
    assert found.agreement > 0.7
    assert rank_table([found])["seed_ranks"].iloc[0] == "1;1;1;1"


def test_one_seed_allows_every_rank():
    arms = [
        arm_of(name, np.full((1, 50), mean) + np.linspace(-0.1, 0.1, 50)) for name, mean in (("a", 0.2), ("b", 0.8))
    ]
    [found] = rank_arms(arms, resampling=Resampling())
    assert (found.best, found.worst) == ((1, 1), (2, 2)) and np.isnan(found.agreement)


def test_the_true_ranks_are_allowed_in_95_per_cent_of_comparisons():
    """All five at once, two of them equal in truth (either rank is right)."""
    design = Design(
        arms={name: Arm(effect=effect) for name, effect in zip("abcde", (0, 0, 0.4, 0.8, 1.0), strict=True)},
        num_problems=100,
        num_samples=16,
        num_seeds=3,
    )
    generator = np.random.default_rng(1)
    true_A = truth(design, generator, draws=100_000)[:, 0].round(3)
    better_A = [(true_A > own).sum() for own in true_A]
    worse_A = [(true_A < own).sum() for own in true_A]
    held, narrow = [], []
    for values_ASPK in scores(simulate(design, 75, generator), 16):
        arms = [arm_of(name, values[:, :, 0]) for name, values in zip(design.names, values_ASPK, strict=True)]
        [found] = rank_arms(arms, resampling=Resampling())
        ends = dict(zip(found.arms, zip(found.best, found.worst, strict=True), strict=True))
        held.append(
            all(ends[n][0] <= 5 - worse_A[i] and ends[n][1] >= 1 + better_A[i] for i, n in enumerate(design.names))
        )
        narrow.append(np.mean([high - low for low, high in ends.values()]))
    assert np.mean(held) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 75)
    assert np.mean(narrow) < 3.9  # 4 says nothing
