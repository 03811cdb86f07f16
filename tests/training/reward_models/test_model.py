"""A reward model's scores are its own affair: no neighbour, padding or packing changes them, and no other tokenizer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from rewards.reward import RewardError
from rewards.scoring import score_rollouts
from sampling.text import TokenTexts, token_ends
from tests.training.reward_models.small_model import TOKENIZER, rollout_of, scalar_model
from training.models.logprobs import ForwardOptions
from training.models.packing import pack_attention
from training.models.policy import Policy, load_policy
from training.reward_models import serving
from training.reward_models.model import RewardModelError, load_reward_model, open_reward_model
from training.reward_models.serving import (
    LearnedReward,
    LearnedStepReward,
    RewardModel,
    combined,
    probabilities_of,
    step_ends_of,
)

ROLLOUTS = [
    rollout_of("(2+3)*4=", "2+3=5\n5*4=20\n\\boxed{20}"),
    rollout_of("7-1=", "\\boxed{6}", index=1),
    rollout_of("(2+3)*4=", "2+3=6\n\n6*4=24\n\\boxed{24}", index=2, ended=False),
    rollout_of("9=", "9\n", index=3),
]


def model_of(policy: Policy, **options: Any) -> RewardModel:
    return RewardModel(members=[policy], temperatures=[1.5], options=ForwardOptions(**options))


def ends_of(policy: Policy) -> list[tuple[int, ...]]:
    texts = TokenTexts(policy.tokenizer)
    return [step_ends_of(texts, rollout) for rollout in ROLLOUTS]


def test_a_score_is_the_transformers_heads_own_at_the_last_token(tmp_path: Path) -> None:
    """transformers' own forward pass of the same model on one unpadded sequence."""
    policy = scalar_model(tmp_path, head_seed=1)
    found = model_of(policy).scores(policy, ROLLOUTS, [(len(item.completion_ids) - 1,) for item in ROLLOUTS])
    for rollout, row in zip(ROLLOUTS, found, strict=True):
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]])
        with torch.no_grad():
            theirs = policy.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        assert row[0] == pytest.approx(float(theirs[0, 0]), abs=1e-5)
    assert len({round(row[0], 3) for row in found}) == len(found)


def test_scores_depend_on_no_neighbour_no_padding_and_no_packing(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path, head_seed=1)
    ends = ends_of(policy)
    alone = [model_of(policy).probabilities([rollout], [end])[0] for rollout, end in zip(ROLLOUTS, ends, strict=True)]
    together = model_of(policy).probabilities(ROLLOUTS, ends)
    small = model_of(policy, microbatch_tokens=20).probabilities(ROLLOUTS[::-1], ends[::-1])[::-1]
    other = Policy(model=policy.model, tokenizer=policy.tokenizer, eos_token_ids=(2,), pad_token_id=7)
    padded = model_of(other).probabilities(ROLLOUTS, ends)
    pack_attention(policy.model)
    packed = model_of(policy).probabilities(ROLLOUTS, ends)
    assert sum(map(len, alone)) == 3 + 1 + 3 + 1
    for found in (together, small, padded, packed):
        for row, expected in zip(found, alone, strict=True):
            assert row == pytest.approx(expected, abs=1e-6)
    assert max(max(row) for row in alone) - min(min(row) for row in alone) > 0.1


def test_a_saved_model_is_the_same_and_transformers_loads_it(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path / "start", head_seed=1)
    policy.save(tmp_path / "saved")
    loaded = load_reward_model(tmp_path / "saved", like=load_policy(tmp_path / "start"), fresh=False)
    ends = ends_of(policy)
    assert model_of(loaded).probabilities(ROLLOUTS, ends) == model_of(policy).probabilities(ROLLOUTS, ends)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert torch.equal(theirs.score.weight, policy.model.score.weight)  # type: ignore[union-attr]


def test_a_fresh_head_says_one_half_and_a_causal_model_is_no_fitted_one(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path)
    assert model_of(policy).probabilities(ROLLOUTS, [(0,)] * 4) == [(0.5,)] * 4
    with pytest.raises(RewardModelError, match=r"lacks the weights score\.weight"):
        load_reward_model(tmp_path, like=load_policy(tmp_path), fresh=False)


def test_what_opens_as_no_reward_model_is_told_what_would(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path / "start")
    policy.save(tmp_path / "endless")
    file = tmp_path / "endless" / "tokenizer_config.json"
    told = {name: value for name, value in json.loads(file.read_text()).items() if name != "eos_token"}
    file.write_text(json.dumps(told))
    with pytest.raises(
        RewardModelError, match=r"endless has a tokenizer without an .*; expected one .*: set eos_token in"
    ):
        open_reward_model(str(tmp_path / "endless"))
    sizes: dict[str, Any] = {"vocab_size": 32, "hidden_size": 8, "num_hidden_layers": 1, "num_labels": 1}
    bert_model = BertForSequenceClassification(BertConfig(**sizes, num_attention_heads=1, intermediate_size=8))
    bert_model.save_pretrained(tmp_path / "bert")
    TOKENIZER.save_pretrained(tmp_path / "bert")
    bert = r"bert loads as BertForSequenceClassification, .* no linear head called score; expected one as Llama.*: fit"
    with pytest.raises(RewardModelError, match=bert):
        open_reward_model(str(tmp_path / "bert"))
    with pytest.raises(
        RewardModelError, match=r"does not load as a reward model \(.*\); expected config\.json, safetensors"
    ):
        open_reward_model(str(tmp_path))


def test_a_reward_model_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    scalar_model(tmp_path / "start")
    policy = load_policy(tmp_path / "start")
    scalar_model(tmp_path / "other").save(tmp_path / "other model")
    file = tmp_path / "other model" / "tokenizer.json"
    held = json.loads(file.read_text())
    vocabulary = held["model"]["vocab"]
    vocabulary["3"], vocabulary["4"] = vocabulary["4"], vocabulary["3"]
    file.write_text(json.dumps(held))
    with pytest.raises(RewardModelError, match=r"another vocabulary than the policy: '3' is token 7 there and 6"):
        load_reward_model(tmp_path / "other model", like=policy, fresh=False)


def test_as_a_reward_it_reads_no_gold_answer_and_scores_steps_at_their_last_tokens(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path, head_seed=1)
    model = model_of(policy)
    scored = score_rollouts(
        ROLLOUTS,
        reward=LearnedReward(name="orm", model=model),
        step_reward=LearnedStepReward(name="prm", model=model),
        token_ends=lambda ids: token_ends(TOKENIZER, ids),
    )
    ends = ends_of(policy)
    for item, of_steps, row in zip(scored, model.probabilities(ROLLOUTS, ends), ends, strict=True):
        assert item.step_ends == row
        assert item.step_rewards == pytest.approx(of_steps, abs=1e-6)
        assert item.reward == pytest.approx(of_steps[-1], abs=1e-6)  # the last step ends with the completion
        assert item.correct == (item.reward > 0.5)
    # Every newline of the first completion ends a step: "2+3=5\n" has 6 tokens, "5*4=20\n" 7, the box and the end 5.
    assert ends[0] == (5, 12, 17)


def test_an_empty_completion_has_no_step_and_no_reward(tmp_path: Path) -> None:
    model = model_of(scalar_model(tmp_path, head_seed=1))
    empty = rollout_of("1=", "", ended=False)
    assert LearnedReward(name="orm", model=model)([empty], []).total == (0.0,)
    assert LearnedStepReward(name="prm", model=model)([empty]) == [()]


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_names_its_problem(tmp_path: Path, broken: float) -> None:
    policy = scalar_model(tmp_path, head_seed=1)
    with torch.no_grad():
        policy.model.score.weight[0, 0] = broken  # type: ignore[union-attr,index]
    with pytest.raises(RewardError, match=r"score of problem 'p:\(2\+3\)\*4=', sample 0 is (nan|inf|-inf)"):
        score_rollouts(ROLLOUTS, reward=LearnedReward(name="orm", model=model_of(policy)))


def test_an_ensemble_by_hand() -> None:
    """0.2 and 0.6: mean 0.4, population std 0.2."""
    assert combined([0.2, 0.6], "mean", 1.0) == pytest.approx(0.4)
    assert combined([0.2, 0.6], "minimum", 1.0) == 0.2
    assert combined([0.2, 0.6], "mean_minus_std", 2.0) == pytest.approx(0.0)


def test_an_ensemble_scores_with_all_its_members(tmp_path: Path) -> None:
    first, second = scalar_model(tmp_path, head_seed=1), scalar_model(tmp_path, head_seed=2)
    ends = [(0,)] * 4
    options = ForwardOptions()
    both = RewardModel(members=[first, second], temperatures=[1.0, 2.0], options=options, combine="minimum")
    alone = [
        RewardModel(members=[policy], temperatures=[temperature], options=options).probabilities(ROLLOUTS, ends)
        for policy, temperature in ((first, 1.0), (second, 2.0))
    ]
    expected = [(min(one[0], other[0]),) for one, other in zip(*alone, strict=True)]
    assert both.probabilities(ROLLOUTS, ends) == expected


def test_probabilities_are_the_logistic_function_of_the_tempered_scores() -> None:
    """σ(ln 3) = 3/4, σ(0) = 1/2, σ(−ln 9 / 2) = 1/4, by hand; rows keep their lengths."""
    found = probabilities_of([(2 * math.log(3), 0.0), (), (-math.log(9),)], 2.0)
    assert [len(row) for row in found] == [2, 0, 1]
    assert [number for row in found for number in row] == pytest.approx([0.75, 0.5, 0.25])


def test_equal_completions_are_read_once_and_each_has_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same text of another problem, or asked at another token, is another one."""
    model = RewardModel(members=[scalar_model(tmp_path, head_seed=1)], temperatures=[1.0], options=ForwardOptions())
    rollouts = [rollout_of("1+1=", "1+1=2"), rollout_of("1+2=", "1+1=2"), rollout_of("1+1=", "1+1=2", index=3)]
    rollouts.append(rollouts[0])
    last = len(rollouts[0].completion_ids) - 1
    ends = [(last,), (last,), (last,), (1, last)]
    alone = [model.probabilities([rollout], [of_row])[0] for rollout, of_row in zip(rollouts, ends, strict=True)]
    read = []
    build = serving.unjudged_batch
    monkeypatch.setattr(serving, "unjudged_batch", lambda items, **k: read.append(len(items)) or build(items, **k))
    together = model.probabilities(rollouts, ends)
    assert read == [3]
    for mine, own in zip(together, alone, strict=True):
        assert mine == pytest.approx(own, abs=1e-6)
    assert together[0] == together[2] and len(together[3]) == 2
