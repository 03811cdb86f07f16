"""Sampling ahead is refused by name where it would mean something else than it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from algorithms import DPO, GRPO, PPO, RFT, SFT, OnlineRFT
from algorithms.interface import DataSource
from experiments.recipes.plugins import load_algorithm
from training.config import TrainingConfig
from training.peers.methods import check_trl, trl_method
from training.requirements import check_requirements

TRAINING = TrainingConfig(steps=10, problems_per_step=2, group_size=4, learning_rate=1e-3, max_staleness=2)


@pytest.mark.parametrize("method", [GRPO(), PPO(), OnlineRFT(), load_algorithm("online_dpo", {})])
def test_what_follows_the_policy_may_lag_behind_it(method):
    assert method.data_source is DataSource.ONLINE
    check_requirements(method, TRAINING, "arm")  # not refused
    with pytest.raises(ValueError, match="max_staleness is 2"):  # though the same configuration is of frozen samples
        check_requirements(RFT(), TRAINING, "arm")


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (SFT(), "do not follow the policy"),
        (RFT(), "do not follow the policy"),
        (DPO(), "do not follow the policy"),
        (load_algorithm("iterative_dpo", {}), "do not follow the policy"),
        (load_algorithm("remax", {}), "greedy completion"),
        (load_algorithm("dapo", {}), "dynamic sampling"),
    ],
)
def test_what_does_not_is_refused_by_name(method, reason):
    training = replace(TRAINING, iteration_steps=5) if method.data_source == "π_k" else TRAINING
    with pytest.raises(ValueError, match=rf"arm: max_staleness is 2.*{reason}"):
        check_requirements(method, training, "arm")
    check_requirements(method, replace(training, max_staleness=0), "arm")


def test_trl_draws_for_the_step_itself():
    pytest.importorskip("trl")
    with pytest.raises(ValueError, match="max_staleness is 2"):
        check_trl(trl_method("trl:grpo", {}), TRAINING, "trl:grpo")


@pytest.mark.parametrize("lag", [-1, 10])
def test_more_lag_than_steps_is_refused(lag):
    with pytest.raises(ValueError, match=rf"max_staleness is {lag}; expected 0 or more and fewer than the 10 steps"):
        replace(TRAINING, max_staleness=lag)
