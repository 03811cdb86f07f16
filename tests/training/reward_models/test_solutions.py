"""Steps of given solutions end where tokens end, whatever the tokenizer, and their ratings become labels there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from benchmarks.labelled_steps import RatedSteps
from benchmarks.problem import Problem
from rewards.steps.steps import split_steps, step_token_ends
from sampling.prompt import encode_prompts
from sampling.text import token_ends
from tests.training.reward_models.small_model import scalar_model
from training.models.policy import Policy
from training.reward_models.examples import LabelError
from training.reward_models.solutions import encode_solutions, rated_examples, solution_rollouts

WORDS = ["so", "x", "=", "12", "+", "3", "4/5", "hence", "\\frac{1}{2}", "ünd", "因为", "."]
PROBLEM = Problem(problem_id="p", benchmark="b", question="How many?", gold_answer="1")


def byte_tokenizer(merges: int, seed: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that learned its merges from random text, newlines inside tokens among them."""
    draw = random.Random(seed)
    text = ["".join(draw.choice([*WORDS, " ", "\n", "\n\n"]) for _ in range(200)) for _ in range(30)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=258 + merges, special_tokens=["<pad>", "<eos>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", clean_up_tokenization_spaces=False
    )


def policy_of(folder: Path, tokenizer: PreTrainedTokenizerFast) -> Policy:
    """Only its tokenizer is read."""
    return Policy(model=scalar_model(folder).model, tokenizer=tokenizer, eos_token_ids=(1,), pad_token_id=0)


@pytest.mark.parametrize("seed", range(4))
def test_step_ends_and_token_ends_agree_on_random_tokenisations(tmp_path: Path, seed: int) -> None:
    """Each step's tokens, decoded on their own, are the step's text and its newline, and nothing of the next."""
    policy = policy_of(tmp_path, byte_tokenizer(merges=40 * seed, seed=seed))
    draw = random.Random(100 + seed)
    [prompt] = encode_prompts(policy.tokenizer, ["How many?"], templated=False)
    for _ in range(25):
        steps = [" ".join(draw.choices(WORDS, k=draw.randint(1, 5))) for _ in range(draw.randint(1, 5))]
        [(ids, ends)] = encode_solutions(policy, [prompt], [steps], ended=[True], names=["x"])
        starts = (0, *(end + 1 for end in ends[:-1]))
        texts = [
            policy.tokenizer.decode(list(ids[start : end + 1]), skip_special_tokens=True)
            for start, end in zip(starts, ends, strict=True)
        ]
        assert texts == [*(f"{step}\n" for step in steps[:-1]), steps[-1]]
        assert ids[-1] == 1 and ends[-1] == len(ids) - 1
        # What a policy's own completion of the same tokens would be cut into: the same steps at the same tokens.
        spans = split_steps("\n".join(steps))
        assert step_token_ends([end for _, end in spans], token_ends(policy.tokenizer, ids)) == ends


def test_ratings_become_labels_at_their_steps_and_neither_is_none(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, byte_tokenizer(merges=0, seed=0))
    steps = ("a=1", "b=2", "c=3")
    rated = [
        RatedSteps(problem=PROBLEM, steps=steps, ratings=(1, 0, -1), ended=False),
        RatedSteps(problem=PROBLEM, steps=steps, ratings=(None, 0, None), ended=True),
    ]
    prompts = encode_prompts(policy.tokenizer, ["How many?"] * 2, templated=False)
    [example] = rated_examples(policy, rated, prompts, max_tokens=1000)
    assert example.step_rewards == (1.0, 0.0)
    assert example.step_ends == (3, 11)  # four bytes a step with its newline
    assert example.rollout.truncated and not example.verdict.correct
    assert rated_examples(policy, rated, prompts, max_tokens=20) == []  # 9 tokens of the prompt and 12


def test_a_step_without_tokens_is_refused(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, byte_tokenizer(merges=0, seed=0))
    prompts = encode_prompts(policy.tokenizer, ["How many?"], templated=False)
    _backend(policy).normalizer = None
    with pytest.raises(LabelError, match="problem 'p', solution 0: step 2 of 3 has no tokens; expected at least one"):
        solution_rollouts(_without_newlines(policy), [PROBLEM], prompts, [["a", "", "b"]], ended=[True])


@pytest.mark.parametrize("seed", range(3))
def test_solutions_that_begin_alike_have_the_tokens_that_each_has_alone(tmp_path: Path, seed: int) -> None:
    """A path, what branches off it, the same text ended and not, and two problems: in one call or one by one."""
    policy = policy_of(tmp_path, byte_tokenizer(merges=60 * seed, seed=seed))
    draw = random.Random(seed)
    two = encode_prompts(policy.tokenizer, ["How many?", "How much?"], templated=False)
    path = [" ".join(draw.choices(WORDS, k=3)) for _ in range(4)]
    solutions = [path, [*path[:2], "so 1"], [*path[:3], "so 1"], path[:2], path, path[:1]]
    prompts, ended = [two[0], two[0], two[0], two[0], two[1], two[0]], [True, False, True, True, True, False]
    names = [str(number) for number in range(6)]
    together = encode_solutions(policy, prompts, solutions, ended=ended, names=names)
    alone = [
        encode_solutions(policy, [prompt], [steps], ended=[whole], names=["x"])[0]
        for prompt, steps, whole in zip(prompts, solutions, ended, strict=True)
    ]
    assert together == alone
    assert [len(ends) for _, ends in together] == [4, 3, 4, 2, 4, 1]


def _backend(policy: Policy) -> Any:
    """The tokenizers library's own object."""
    return policy.tokenizer.backend_tokenizer


def _without_newlines(policy: Policy) -> Policy:
    """A tokenizer that throws newlines away: an empty step leaves nothing."""
    from tokenizers import normalizers

    _backend(policy).normalizer = normalizers.Replace("\n", "")
    return policy
