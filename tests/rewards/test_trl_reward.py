from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest

from rewards.checker.answers import GoldAnswerError
from rewards.combination import RewardPart, WeightedReward
from rewards.control import random_reward
from rewards.format import LengthWindow, format_reward
from rewards.length import SoftOverlongPunishment
from rewards.scoring import correctness_reward
from rewards.trl_reward import as_trl_reward

RULES = WeightedReward(
    name="rules",
    parts=(
        RewardPart(name="correct", weight=1.0, reward=correctness_reward),
        RewardPart(name="format", weight=0.5, reward=format_reward),
    ),
)


def test_texts_and_conversations() -> None:
    reward = as_trl_reward()
    texts = ["\\boxed{5}", "\\boxed{6}", "no answer"]
    assert reward(texts, solution=["5", "5", "5"]) == [1.0, 0.0, 0.0]
    spoken = [[{"role": "assistant", "content": text}] for text in texts]
    assert reward(spoken, solution=["5", "5", "5"]) == [1.0, 0.0, 0.0]
    parts = [[{"role": "assistant", "content": [{"type": "text", "text": "\\boxed{"}, {"type": "text", "text": "5}"}]}]]
    assert reward(parts, solution=["5"]) == [1.0]
    several_turns = [[{"role": "assistant", "content": "\\boxed{5}"}, {"role": "assistant", "content": "\\boxed{6}"}]]
    assert reward(several_turns, solution=["5"]) == [0.0]  # the last message counts


def test_gold_answers_in_worked_solutions_and_missing_ones() -> None:
    reward = as_trl_reward(gold_column="worked")
    golds = ["First 4, then \\boxed{5}.", "2 + 3 = 5\n#### 5", None, "\\frac{10}{2}"]
    assert reward(["\\boxed{5}"] * 4, worked=golds) == [1.0, 1.0, None, 1.0]
    with pytest.raises(ValueError, match=r"no column 'worked' \(passed: prompts, solution\)"):
        reward(["5"], solution=["5"], prompts=["q"])


def test_tokens_decide_about_length_and_truncation() -> None:
    overlong = as_trl_reward(SoftOverlongPunishment(max_tokens=4, cache_tokens=2))
    assert overlong(["a"] * 4, solution=["5"] * 4, completion_ids=[[1] * n for n in (2, 3, 4, 5)]) == [0, -0.5, -1, -1]
    window = as_trl_reward(LengthWindow(max_tokens=9), max_completion_tokens=4)
    assert window(["a"] * 2, solution=["5"] * 2, completion_ids=[[1] * 3, [1] * 4]) == [1.0, 0.0]


def test_parts_are_logged() -> None:
    logged: dict[str, float] = {}
    rewards = as_trl_reward(RULES)(
        ["\\boxed{5}", "\\boxed{6}", "The answer is 5."],
        solution=["5"] * 3,
        log_metric=lambda name, value: logged.update({name: value}),
    )
    assert rewards == [1.5, 0.5, 1.0]
    assert logged == {"reward/correct": pytest.approx(2 / 3), "reward/format": pytest.approx(2 / 3)}


def test_random_rewards_depend_on_seed_step_prompt_and_place_in_the_group() -> None:
    def draw(seed: int = 0, step: int = 0, prompt: str = "q") -> list[float | None]:
        state = SimpleNamespace(global_step=step)
        return as_trl_reward(random_reward, seed=seed)(
            ["same text"] * 48, prompts=[prompt] * 48, solution=["5"] * 48, trainer_state=state
        )

    assert draw() == draw()
    assert set(draw()) == {0.0, 1.0}
    assert len({tuple(draw()), tuple(draw(seed=1)), tuple(draw(step=1)), tuple(draw(prompt="r"))}) == 4


def test_it_pickles_as_trl_needs_for_its_worker() -> None:
    again = pickle.loads(pickle.dumps(as_trl_reward(RULES)))
    assert again.__name__ == "rules"
    assert again(["\\boxed{5}"], solution=["5"]) == [1.5]


@pytest.mark.slow
def test_one_step_of_the_real_trainer(tmp_path) -> None:
    """TRL's own logs hold our rewards: the model is random, so the rewards are those of length and of a fixed draw."""
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(["<pad>", "<eos>", *"0123456789+= "])}
    backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(words), n_positions=64, n_embd=16, n_layer=1, n_head=2))
    seen: list[tuple[list, list]] = []
    rules = as_trl_reward(
        WeightedReward(
            name="rules",
            parts=(
                RewardPart(name="correct", weight=1.0, reward=correctness_reward),
                RewardPart(name="luck", weight=1.0, reward=random_reward),
            ),
        ),
        seed=3,
    )

    def watched(completions, **kwargs):
        rewards = rules(completions, **kwargs)
        seen.append((completions, rewards))
        return rewards

    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=[watched, as_trl_reward(SoftOverlongPunishment(max_tokens=8, cache_tokens=8))],
        args=trl.GRPOConfig(
            output_dir=str(tmp_path),
            per_device_train_batch_size=8,
            num_generations=8,
            max_completion_length=8,
            max_steps=1,
            logging_steps=1,
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
        ),
        train_dataset=datasets.Dataset.from_list([{"prompt": "2+3=", "solution": "5"}] * 8),
        processing_class=tokenizer,
    )
    before = [parameter.detach().clone() for parameter in model.parameters()]
    trainer.train()
    [(completions, rewards)] = seen
    assert len(completions) == 8 and set(rewards) == {0.0, 1.0}
    [log] = [row for row in trainer.state.log_history if "reward" in row]
    assert log["rewards/watched/mean"] == pytest.approx(sum(rewards) / 8)
    assert log["reward/luck"] == pytest.approx(sum(rewards) / 8)
    assert log["reward/correct"] == 0.0
    assert -1.0 <= log["rewards/SoftOverlongPunishment/mean"] < 0.0
    assert log["reward"] == pytest.approx(log["rewards/watched/mean"] + log["rewards/SoftOverlongPunishment/mean"])
    assert any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_numbers_are_gold_answers_and_unreadable_ones_give_no_reward() -> None:
    reward = as_trl_reward()
    golds = [5, 5.0, "5", "", "\\frac{1}{2", float("nan"), None]
    assert reward(["\\boxed{5}"] * 7, solution=golds) == [1.0, 1.0, 1.0, None, None, None, None]
    assert reward(["\\boxed{6}"], solution=[5]) == [0.0]


def test_prose_without_a_marker_is_refused_at_the_start() -> None:
    prose = "First we add the two numbers and then we see that five apples are left over"
    with pytest.raises(GoldAnswerError, match=r"column 'solution': got 'First we add .*expected .*gold_column"):
        as_trl_reward()(["\\boxed{5}"], solution=[prose])
    later = as_trl_reward()(["\\boxed{5}"] * 2, solution=[prose, "5"], trainer_state=SimpleNamespace(global_step=7))
    assert later == [None, 1.0]
    assert as_trl_reward()(["\\boxed{5}"], solution=[f"{prose}. The answer is 5."]) == [1.0]
