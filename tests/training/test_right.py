"""Who is right reaches the update: by the verdict, by a reward that says so, or by the order of rewards."""

from __future__ import annotations

from pathlib import Path

import pytest

from algorithms import DPO, Algorithm, OnlineRFT
from algorithms.interface import DataSource
from rewards.reward import EachCompletion, Reward, as_reward
from rewards.verdict import Verdict
from sampling.rollout import Rollout
from tests.training.small_run import make_trainer, save_start
from training.loop import take_step
from training.requirements import check_requirements
from training.trainer import TrainingConfig


def sevens(rollout: Rollout, verdict: Verdict) -> float:
    """1 for some of an untrained model's completions, none of which is right."""
    return float("7" in rollout.completion)


BY_VERDICT, BY_ITSELF = as_reward(sevens), EachCompletion(name="sevens", function=sevens, right_above=0.0)


ONLINE = DataSource.ONLINE


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"))


@pytest.mark.parametrize(
    ("algorithm", "reward", "learns"),
    [
        (OnlineRFT(), BY_VERDICT, False),
        (OnlineRFT(), BY_ITSELF, True),
        (OnlineRFT(correct_threshold=0.5), BY_VERDICT, True),
        (OnlineRFT(correct_threshold=1.0), BY_ITSELF, False),
        (DPO(data_source=ONLINE), BY_VERDICT, False),
        (DPO(data_source=ONLINE), BY_ITSELF, True),
        (DPO(data_source=ONLINE, pairing="reward"), BY_VERDICT, True),
    ],
)
def test_wrong_answers_with_a_reward_are_trained_on_only_where_that_was_asked_for(
    algorithm: Algorithm, reward: Reward, learns: bool, start: Path, tmp_path: Path
) -> None:
    trainer = make_trainer(start, algorithm, tmp_path, reward=reward)
    row = take_step(trainer, 0)
    assert row["accuracy"] == 0.0 < row["reward_mean"] < 1.0  # type: ignore[operator]
    assert (row["tokens_trained"] > 0) == learns  # type: ignore[operator]


def test_pairs_of_any_kind_need_two_completions_a_problem() -> None:
    training = TrainingConfig(steps=1, problems_per_step=1, group_size=1, learning_rate=1e-3)
    for pairing in ("correct", "reward"):
        with pytest.raises(ValueError, match="dpo compares completions of a problem; group_size is 1"):
            check_requirements(DPO(pairing=pairing), training, "dpo")
