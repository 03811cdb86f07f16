"""Equal budgets: interpolation by hand, no extrapolation, and the bias of the best checkpoint."""

import json

import numpy as np
import pytest
from scipy import stats

from analysis import (
    Resampling,
    at_equal_budget,
    best_checkpoints,
    budget_table,
    equal_budget,
    load_comparison,
    sample_summaries,
)
from analysis.records.evaluations import spent_by_step
from analysis.statistics.budget import Training, left_out, values_at

FEW = Resampling(num_resamples=50)


def training_of(spent_SX: list[list[float]], accuracy_SPX: np.ndarray) -> Training:
    return Training(
        arm="grpo",
        benchmark="sums",
        seeds=tuple(range(len(spent_SX))),
        steps_X=np.arange(accuracy_SPX.shape[2]),
        problem_ids=tuple(range(accuracy_SPX.shape[1])),
        spent_SX=np.array(spent_SX, dtype=float),
        accuracy_SPX=accuracy_SPX,
    )


def test_values_are_linear_between_evaluations_seed_by_seed():
    """One problem. Seed 0 spends 0, 10, 20 with accuracies 0, 1/2, 1; seed 1 spends 0, 40, 80 with 0, 0, 1. At 20: 1
    and 0; at 15: 3/4 and 0; both have passed 0 to 20 only."""
    training = training_of([[0, 10, 20], [0, 40, 80]], np.array([[[0, 0.5, 1]], [[0, 0, 1]]]))
    assert training.reach == (0, 20)
    assert [values_at(training, level)[0].tolist() for level in (20, 15, 0)] == [
        [[1.0], [0.0]],
        [[0.75], [0.0]],
        [[0.0], [0.0]],
    ]
    # seed 0 rises by 1/2 between 10 and 20: at 15 off by 1/4 at most; seed 1 does not rise between 0 and 40
    assert [values_at(training, level)[1] for level in (20, 15, 0)] == [0.0, pytest.approx((0.25 + 0) / 2), 0.0]
    with pytest.raises(ValueError, match=r"level 21 lies outside 0 to 20.*nothing is extrapolated"):
        values_at(training, 21)


def test_a_distance_that_falls_again_counts_at_its_first_passage():
    """KL 0, 0.2, 0.1, 0.4 with accuracies 0, 0.4, 0.6, 1: at 0.15 the first passage is between the first two, 0.3."""
    training = training_of([[0, 0.2, 0.1, 0.4]], np.array([[[0, 0.4, 0.6, 1.0]]]))
    assert values_at(training, 0.15)[0][0, 0] == pytest.approx(0.3)
    assert values_at(training, 0.3)[0][0, 0] == pytest.approx(0.6 + 0.4 * 2 / 3)


def test_arms_are_compared_at_the_largest_budget_that_all_have_spent(make_run):
    """Two samples a problem; 8 completions a step. `grpo` is evaluated at steps 0, 2 and 4, `rft` at 0 and 2: the
    common level is 16 completions, where grpo has 1/2 and rft 1, although grpo reaches 1 in the end."""
    make_run("grpo", 0, {0: ["aa", "aa"], 2: ["Ca", "Ca"], 4: ["CC", "CC"]}, steps=4)
    make_run("rft", 0, {0: ["aa", "aa"], 2: ["CC", "CC"]}, steps=2)
    comparison = load_comparison(make_run("sft_start", 0, {0: ["aa", "aa"]}).parent.parent)
    found = at_equal_budget(comparison, "completions_sampled", resampling=FEW)
    assert {(arm.arm, arm.level, float(arm.band.point[0])) for arm in found} == {("grpo", 16, 0.5), ("rft", 16, 1.0)}
    assert left_out(comparison, "completions_sampled") == ("sft_start",)
    (pair,) = equal_budget(comparison, "tokens_trained", resampling=FEW)
    assert (pair.level, pair.difference.arm, pair.difference.point) == (300, "grpo", -0.5)
    table = budget_table(comparison, ["step", "seconds"], resampling=FEW)
    assert table[["x", "level", "arm", "point"]].to_numpy().tolist() == [
        ["step", 2, "rft", 1.0],
        ["step", 2, "grpo", 0.5],
        ["seconds", 4, "rft", 1.0],
        ["seconds", 4, "grpo", 0.5],
    ]
    assert at_equal_budget(comparison, "flops", resampling=FEW) == ()  # nobody recorded it
    lone = at_equal_budget(comparison, "step", resampling=FEW, among=["grpo"])
    assert [(arm.arm, arm.level) for arm in lone] == [("grpo", 4)]
    with pytest.raises(ValueError, match="level 17 lies outside"):
        at_equal_budget(comparison, "completions_sampled", resampling=FEW, level=17)


def test_totals_stay_within_what_a_share_can_be_and_allow_for_problems_not_seen(make_run):
    """One seed of grpo ends at 1, the other at 0: t at one degree of freedom reaches ±6. rft solves both problems under
    both seeds: with Wilson's score interval and t at one degree of freedom, 1 / (1 + t²/2) at least."""
    for seed, end in ((0, "CC"), (1, "aa")):
        make_run("grpo", seed, {0: ["aa", "aa"], 2: [end, end]}, steps=2)
        make_run("rft", seed, {0: ["aa", "aa"], 2: ["CC", "CC"]}, steps=2)
    comparison = load_comparison(make_run("sft_start", 0, {0: ["aa", "aa"]}).parent.parent)
    ends = budget_table(comparison, ["step"], resampling=FEW).set_index("arm")[["low", "high"]]
    assert ends.loc["grpo"].tolist() == [pytest.approx(0, abs=0.02), pytest.approx(1, abs=0.02)]
    least = 1 / (1 + stats.t.ppf(0.975, 1) ** 2 / 2)
    assert ends.loc["rft"].tolist() == [pytest.approx(least), 1]
    (pair,) = equal_budget(comparison, "step", resampling=FEW)
    assert (pair.difference.interval.low, pair.difference.interval.high) == (-1, 1)
    shares = sample_summaries(comparison, resampling=FEW).set_index(["arm", "quantity"])
    right = shares.loc[("rft", "CORRECT")]
    assert (right["low"], right["high"]) == (pytest.approx(least), 1)
    wrong = shares.loc[("rft", "INCORRECT")]
    assert (wrong["low"], wrong["high"]) == (0, pytest.approx(1 - least))
    assert shares.loc[("rft", "num_tokens"), "high"] == pytest.approx(10.5)


def test_the_distance_of_a_step_is_measured_by_the_row_after_it(make_run):
    """Row t is measured before update t. Rows 1 to 3 hold 0, 0.1 and 0.4: policies of steps 0, 1, 2 are at 0, 0.1, 0.4;
    step 3 has no row after it and takes its own."""
    path = make_run("grpo", 0, {0: ["Ca"], 3: ["Ca"]}, steps=3)
    rows = [{"step": step, "kl": kl} for step, kl in ((1, 0.0), (2, 0.1), (3, 0.4))]
    (path / "metrics.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    run = load_comparison(path).runs[0]
    assert spent_by_step(run, "kl", np.array([0, 1, 2, 3])).tolist() == [0, 0.1, 0.4, 0.4]
    with pytest.raises(ValueError, match="budget 'hours'; expected one of"):
        spent_by_step(run, "hours", np.array([0]))


def test_the_best_checkpoint_is_corrected_for_having_been_chosen(make_run):
    """Twelve evaluations of a policy that stays at 1/2: their maximum lies above it, by about 1.6 standard errors of
    0.5/√(40·4); chosen on one half of the problems and scored on the other, it does not."""
    rng = np.random.default_rng(0)
    naive, corrected = [], []
    for seed in range(40):
        votes = {step: ["".join(rng.choice(["C", "a"], 4)) for _ in range(40)] for step in range(12)}
        row = best_checkpoints(load_comparison(make_run(f"arm{seed}", seed, votes)), resampling=FEW).iloc[0]
        naive.append(row["naive"] - 0.5)
        corrected.append(row["corrected"] - 0.5)
    error = 0.5 / np.sqrt(40 * 4)
    assert np.mean(naive) == pytest.approx(1.63 * error, abs=0.4 * error)  # E max of 12 normals is 1.63
    assert abs(np.mean(corrected)) < 3 * error / np.sqrt(40)
