"""TRL's RewardTrainer fits our model on our pairs, and its loss is ours: the Bradley–Terry loss of the scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.reward_models.small_model import rollout_of, scalar_model
from training.models.logprobs import ForwardOptions
from training.models.policy import load_policy
from training.reward_models.config import RewardModelConfig
from training.reward_models.examples import LabelError, labelled
from training.reward_models.model import load_reward_model
from training.reward_models.objective import ranking_loss
from training.reward_models.ranking import fit_by_ranking, ranked_pairs
from training.reward_models.serving import RewardModel

pytestmark = pytest.mark.filterwarnings("ignore")


def examples() -> list:
    """Two problems with right and wrong completions, and one with right ones only."""
    texts = [("2+3=", "\\boxed{5}", 1), ("2+3=", "2+3=6\n\\boxed{6}", 0), ("2+3=", "\\boxed{7}", 0)]
    texts += [("4+4=", "4+4=8\n\\boxed{8}", 1), ("4+4=", "\\boxed{9}", 0), ("1=", "\\boxed{1}", 1)]
    result = []
    for index, (question, text, right) in enumerate(texts):
        rollout = rollout_of(question, text, index=index)
        last = len(rollout.completion_ids) - 1
        result.append(labelled(rollout, [float(right)], [last], correct=bool(right)))
    return result


def test_pairs_are_a_right_and_a_wrong_completion_of_one_problem() -> None:
    pairs = ranked_pairs(examples())
    assert [(better.rollout.sample_index, worse.rollout.sample_index) for better, worse in pairs] == [(0, 1), (3, 4)]
    with pytest.raises(LabelError, match=r"no problem has a right and a wrong completion; expected both .* Solve more"):
        ranked_pairs([item for item in examples() if item.verdict.correct])


def test_trls_loss_on_our_pairs_is_ours(tmp_path: Path) -> None:
    """One batch holds all pairs, so the loss that TRL logs at its first step is that of the model before it."""
    start = tmp_path / "start"
    model = scalar_model(start, head_seed=1)
    pairs = ranked_pairs(examples())
    scorer = RewardModel(members=[model], temperatures=[1.0], options=ForwardOptions())

    def scores(which: int) -> torch.Tensor:
        rollouts = [pair[which].rollout for pair in pairs]
        found = scorer.scores(model, rollouts, [(len(rollout.completion_ids) - 1,) for rollout in rollouts])
        return torch.tensor([row[0] for row in found])

    ours = float(ranking_loss(scores(0), scores(1)))
    fitted = fit_by_ranking(model, pairs, tmp_path / "fit", learning_rate=1e-2, epochs=20, batch_size=2, seed=0)
    logged = json.loads((fitted / "ranking.json").read_text())
    assert logged[0]["loss"] == pytest.approx(ours, abs=1e-4)
    assert ours > 0.05
    again = load_reward_model(fitted, like=load_policy(start), fresh=False)
    scorer.members[0] = model = again
    assert float(ranking_loss(scores(0), scores(1))) < ours / 2  # what was saved is what was fitted


def test_pairs_follow_the_labels_that_a_control_shuffled() -> None:
    flipped = [replace(item, step_rewards=(1.0 - item.step_rewards[0],)) for item in examples()]
    pairs = ranked_pairs(flipped)
    assert [(better.rollout.sample_index, worse.rollout.sample_index) for better, worse in pairs] == [(1, 0), (4, 3)]


def test_pairs_are_of_outcomes() -> None:
    with pytest.raises(ValueError, match="objective is 'bradley_terry' with supervision 'process'"):
        RewardModelConfig(objective="bradley_terry", supervision="process")
