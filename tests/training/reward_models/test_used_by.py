"""Methods that ask who is right, or who is better, ask the reward model and not the gold answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from algorithms import DPO, GRPO, Algorithm, DataSource, OnlineRFT
from sampling.rollout import Rollout
from tests.training.small_run import TRAINING, make_trainer, save_start
from training.models.batches import TrainingBatch
from training.models.logprobs import ForwardOptions
from training.reward_models.serving import LearnedReward, RewardModel
from training.trainer import Trainer


class Sevens(RewardModel):
    """The more sevens, the likelier right: 0.3, 0.6, 0.9."""

    def probabilities(self, rollouts: Sequence[Rollout], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        return [(of(rollout),) for rollout in rollouts]


def of(rollout: Rollout) -> float:
    return 0.3 * (1 + min(2, rollout.completion.count("7")))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"))


def first_batch(start: Path, algorithm: Algorithm, folder: Path) -> tuple[Trainer, list[Rollout], TrainingBatch]:
    """The completions and arrays of the first step."""
    model = Sevens(members=[], temperatures=[], options=ForwardOptions())
    trainer = make_trainer(start, algorithm, folder, TRAINING, LearnedReward(name="sevens", model=model))
    drawn = trainer.draw(0)
    batch = trainer.batch(drawn.kept, drawn.greedy)
    assert batch is not None
    assert not any(item.verdict.correct for item in drawn.kept)  # the answer checker finds nothing right here
    return trainer, [item.rollout for item in drawn.kept], batch


@pytest.mark.parametrize(("threshold", "least"), [(None, 0.5), (0.7, 0.7)])
def test_rft_trains_on_whom_the_model_takes_for_right(
    start: Path, tmp_path: Path, threshold: float | None, least: float
) -> None:
    trainer, rollouts, batch = first_batch(start, OnlineRFT(correct_threshold=threshold), tmp_path)
    credit = trainer.algorithm.credit(batch.tokens)[:, 0].tolist()
    assert credit == [float(of(rollout) > least) for rollout in rollouts]
    assert 0 < sum(credit) < len(credit)


@pytest.mark.parametrize("pairing", ["correct", "reward"])
def test_pairs_are_ordered_by_the_model(start: Path, tmp_path: Path, pairing: str) -> None:
    algorithm = DPO(data_source=DataSource.ONLINE, pairing=pairing)  # type: ignore[arg-type]
    _, _, batch = first_batch(start, algorithm, tmp_path)
    rewards = batch.tokens.rewards.tolist()
    assert len(rewards) >= 2
    for better, worse in zip(rewards[::2], rewards[1::2], strict=True):
        assert better > worse
        assert pairing == "reward" or (better > 0.5 > worse)


def test_grpo_normalises_the_models_probabilities(start: Path, tmp_path: Path) -> None:
    trainer, rollouts, batch = first_batch(start, GRPO(), tmp_path)
    credit = trainer.algorithm.credit(batch.tokens)[:, 0].tolist()
    for first in range(0, 12, 4):
        rewards = [of(rollout) for rollout in rollouts[first : first + 4]]
        mean = sum(rewards) / 4
        std = (sum((reward - mean) ** 2 for reward in rewards) / 3) ** 0.5
        expected = [(reward - mean) / std if std > 1e-9 else 0.0 for reward in rewards]
        assert credit[first : first + 4] == pytest.approx(expected, abs=1e-5)
