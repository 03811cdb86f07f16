"""The speed measurement: both starts do the same work on the same votes."""

import numpy as np

from analysis import load_comparison, score_comparison
from analysis.statistics.scores import count_votes
from experiments.speed.analysis import AnalysisSize, generated_votes, write_comparison

SMALL = AnalysisSize(problems=7, samples=16, arms=2, seeds=2, characters=20)


def test_files_hold_the_votes_that_are_timed_without_them(tmp_path):
    write_comparison(tmp_path, SMALL)
    comparison = load_comparison(tmp_path)
    assert [arm.seeds for arm in score_comparison(comparison)] == [(0, 1), (0, 1)]
    for run in comparison.runs:
        counted = count_votes(run.judgements)
        expected = generated_votes(SMALL, int(run.arm.removeprefix("arm")), run.seed)
        assert counted.wrong_votes_P == expected.wrong_votes_P
        np.testing.assert_array_equal(counted.num_correct_P, expected.num_correct_P)
        np.testing.assert_array_equal(counted.num_abstaining_P, expected.num_abstaining_P)
