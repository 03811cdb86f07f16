"""Scores and curves against hand computations on the small comparison of `conftest.py`."""

import numpy as np
import pandas as pd
import pytest

from analysis import (
    Resampling,
    compare_arms,
    count_votes,
    difference_curves,
    learning_curves,
    load_comparison,
    load_run,
    majority_curves,
    pass_curves,
    score_comparison,
)
from analysis.records.evaluations import spent_by_step
from analysis.records.reading import RecordError
from analysis.records.schema import START_KL_COLUMNS, START_KL_FILE
from analysis.statistics.curves import diagnostic_traces
from analysis.statistics.scores import powers_of_two

FEW = Resampling(num_resamples=50)


def test_votes_are_counted_by_class_and_the_unanswered_abstain(make_run):
    votes = count_votes(load_run(make_run("grpo", 0, {0: ["CCabbN", "NNUTTN", "CbbbaC"]})).samples)
    assert votes.problem_ids == ("sums-0", "sums-1", "sums-2")
    assert votes.num_samples_P.tolist() == [6, 6, 6]
    assert votes.num_correct_P.tolist() == [2, 0, 2]
    assert votes.num_abstaining_P.tolist() == [1, 6, 0]
    assert votes.wrong_votes_P == ((2, 1), (), (3, 1))


def test_a_wrong_answer_named_correct_does_not_count_as_right(make_run):
    """The class is model text at bottom; only the verdict says what is right."""
    run = load_run(make_run("grpo", 0, {0: ["aaC"]}))
    renamed = run.samples.assign(answer_class="correct")
    votes = count_votes(renamed)
    assert (votes.num_correct_P.tolist(), votes.wrong_votes_P) == ([1], ((2,),))


def test_scores_by_hand(comparison_dir):
    """sft_start: problem 0 is CabN and aabN, problem 1 is CCaT and CCTU.

    Pass@2: CabN 1 - C(3,2)/C(4,2) = 1/2; CCa· 1 - C(2,2)/C(4,2) = 5/6.
    Maj@2: CabN: of 6 pairs Ca, Cb tie (1/2 each), CN wins: 2/6. CCaT: CC 1, Ca Ca 1/2 each, CT CT 1 each, aT 0: 4/6.
    CCTU: any pair with a C wins, TU does not: 5/6.
    """
    start, grpo = score_comparison(load_comparison(comparison_dir))
    assert (start.arm, start.seeds, start.ks, start.num_samples) == ("sft_start", (0, 1), (1, 2, 4), 4)
    np.testing.assert_allclose(start.pass_SPK[:, :, 0], [[1 / 4, 1 / 2], [0, 1 / 2]])
    np.testing.assert_allclose(start.pass_SPK[:, :, 1], [[1 / 2, 5 / 6], [0, 5 / 6]])
    np.testing.assert_allclose(start.majority_SPK[:, :, 1], [[2 / 6, 4 / 6], [0, 5 / 6]])
    np.testing.assert_allclose(start.majority_SPK[:, :, 2], [[1 / 3, 1], [0, 1]])
    np.testing.assert_allclose(grpo.pass_SPK[:, :, 0], [[3 / 4, 1 / 2], [1 / 2, 3 / 4]])


def test_k_beyond_the_samples_is_refused_with_the_arm(comparison_dir):
    with pytest.raises(ValueError, match=r"sft_start on sums: K=8 exceeds the 4 samples.*evaluate with more"):
        score_comparison(load_comparison(comparison_dir), ks=[1, 8])


def test_powers_of_two():
    assert [powers_of_two(n) for n in (1, 16, 63, 64)] == [
        (1,),
        (1, 2, 4, 8, 16),
        (1, 2, 4, 8, 16, 32),
        (1, 2, 4, 8, 16, 32, 64),
    ]


def test_curves_are_means_with_one_line_a_seed(comparison_dir):
    scores = score_comparison(load_comparison(comparison_dir))
    start, grpo = pass_curves(scores, FEW)
    assert start.x_X.tolist() == [1, 2, 4]
    np.testing.assert_allclose(start.seed_y_SX[:, 0], [0.375, 0.25])
    assert start.band.point[0] == pytest.approx(0.3125)
    assert grpo.band.point[0] == pytest.approx(0.625)
    majority = majority_curves(scores, FEW)[0]
    assert majority.band.point.tolist() == pytest.approx(
        [0.3125, (2 / 6 + 4 / 6 + 0 + 5 / 6) / 4, (1 / 3 + 1 + 0 + 1) / 4]
    )


def test_difference_curves_subtract_the_baseline(comparison_dir):
    scores = score_comparison(load_comparison(comparison_dir))
    curves = difference_curves(scores, "sft_start", FEW)
    assert [(curve.arm, curve.quantity) for curve in curves] == [
        ("grpo", "pass_difference"),
        ("grpo", "majority_difference"),
    ]
    assert curves[0].band.point[0] == pytest.approx(0.3125)
    (pair,) = compare_arms(scores, resampling=FEW, baseline="sft_start")  # one interval, in curves and tables
    assert (curves[0].band.low[0], curves[0].band.high[0]) == (pair.interval.low, pair.interval.high)
    with pytest.raises(ValueError, match=r"baseline 'dpo'.*Known: grpo, sft_start; name an arm that finished"):
        difference_curves(scores, "dpo", FEW)


def test_learning_curves_against_steps_and_completions(comparison_dir):
    comparison = load_comparison(comparison_dir)
    start, grpo = learning_curves(comparison, "step", FEW)
    assert (start.x_X.tolist(), grpo.x_X.tolist()) == ([0], [0, 2, 4])
    np.testing.assert_allclose(grpo.seed_y_SX, [[0.5, 0.5, 0.625], [0.25, 0.75, 0.625]])
    sampled = learning_curves(comparison, "completions_sampled", FEW)[1]
    assert sampled.x_X.tolist() == [0, 16, 32]
    np.testing.assert_allclose(sampled.band.point, [0.375, 0.625, 0.625])
    assert [curve.arm for curve in learning_curves(comparison, "flops", FEW)] == ["sft_start"]  # grpo did not record it


def test_spent_takes_the_last_row_not_after_the_step(make_run):
    run = load_run(make_run("grpo", 0, {0: ["Ca"], 9: ["Ca"]}, steps=3))
    assert spent_by_step(run, "seconds", np.array([0, 1, 3, 9])).tolist() == [0, 2, 6, 6]


def test_diagnostics_hold_tokens_a_completion(comparison_dir):
    traces = {trace.quantity: trace for trace in diagnostic_traces(load_comparison(comparison_dir))}
    assert sorted(traces) == ["loss", "reward_mean", "tokens_per_completion"]  # no kl recorded, nothing for sft_start
    assert traces["tokens_per_completion"].mean_X.tolist() == [20, 20, 20, 20]
    assert traces["reward_mean"].mean_X.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def start_kl_of(run, by_step):
    rows = [(step, "sums", f"sums-{i}", 0, kl) for step, values in by_step.items() for i, kl in enumerate(values)]
    pd.DataFrame(rows, columns=list(START_KL_COLUMNS)).to_parquet(run / START_KL_FILE)


def test_the_kl_from_the_start_is_the_mean_of_an_evaluation_and_0_at_its_start(comparison_dir):
    """Step 0 is the start policy, evaluated or not; a completion without a number is left out."""
    start_kl_of(comparison_dir / "runs" / "grpo-seed0", {0: [0.0, 0.0], 2: [1.0, 2.0], 4: [3.0, np.nan, 6.0]})
    start_kl_of(comparison_dir / "runs" / "grpo-seed1", {2: [0.5, 0.5], 4: [0.5, 1.5]})
    [trace] = [each for each in diagnostic_traces(load_comparison(comparison_dir)) if each.quantity == "start_kl"]
    assert (trace.arm, trace.step_X.tolist()) == ("grpo", [0, 2, 4])
    assert trace.seed_y_SX.tolist() == [[0, 1.5, 4.5], [0, 0.5, 1]]
    assert trace.mean_X.tolist() == [0, 1, 2.75]


def test_an_arm_of_which_a_seed_has_no_kl_from_the_start_has_no_trace(comparison_dir):
    start_kl_of(comparison_dir / "runs" / "grpo-seed0", {0: [0.0], 2: [1.0], 4: [3.0]})
    assert "start_kl" not in {trace.quantity for trace in diagnostic_traces(load_comparison(comparison_dir))}


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"step": [1], "start_kl": [0.5]}, r"lacks the column\(s\) \['benchmark', 'problem_id', 'sample_index'\]"),
        ({name: ["far"] for name in START_KL_COLUMNS}, "the column step holds .*; expected numbers"),
        (None, "cannot be read"),
    ],
)
def test_a_kl_file_of_another_kind_is_named(comparison_dir, frame, said):
    path = comparison_dir / "runs" / "grpo-seed0" / START_KL_FILE
    path.write_bytes(b"no table") if frame is None else pd.DataFrame(frame).to_parquet(path)
    with pytest.raises(RecordError, match=rf"{START_KL_FILE}.*{said}"):
        diagnostic_traces(load_comparison(comparison_dir))


def test_smoothing_is_a_centred_mean_over_a_twentieth(make_run):
    run = make_run("grpo", 0, {60: ["Ca"]}, steps=60)
    reward = next(trace for trace in diagnostic_traces(load_comparison(run)) if trace.quantity == "reward_mean")
    assert reward.mean_X[0] == pytest.approx(0.15)  # two neighbours at the end: 0.1 and 0.2
    assert reward.mean_X[30] == pytest.approx(3.1)  # 3.0, 3.1, 3.2
