"""Top-k, nucleus and min-p in training: what is kept, how often it is drawn, and the logprob and gradient of that."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algorithms import DPO, GRPO, SFT, Algorithm, OnlineRFT
from sampling.sampler import Request, SamplingConfig
from sampling.transformers_engine import TransformersSampler, _draw
from sampling.truncation import Truncation, kept
from tests.training.reward_models.small_model import EOS
from tests.training.small_run import TRAINING, make_trainer, save_start
from training.requirements import check_requirements

P = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).log()


@pytest.mark.parametrize(
    ("truncation", "left"),
    [
        (Truncation(), [0, 1, 2, 3, 4]),
        (Truncation(top_k=2), [0, 1]),
        (Truncation(min_p=0.3), [0, 1, 2]),  # 0.12 and more
        (Truncation(top_p=0.7), [0, 1]),  # 0.4 + 0.3 reach it
        (Truncation(top_p=0.75), [0, 1, 2]),
        (Truncation(top_p=0.1), [0]),
        (Truncation(min_p=0.3, top_p=0.8), [0, 1]),  # of what is left, 0.4/0.85 + 0.3/0.85 = 0.82
        (Truncation(top_k=3, top_p=0.83), [0, 1, 2]),
        (Truncation(top_k=99), [0, 1, 2, 3, 4]),
    ],
)
def test_what_is_kept_by_hand(truncation: Truncation, left: list[int]) -> None:
    shuffled = torch.tensor([3, 0, 4, 2, 1])
    for order in (torch.arange(5), shuffled):
        found = torch.nonzero(kept(P[order][None], truncation)[0])[:, 0]
        assert sorted(order[found].tolist()) == left


def test_ties_with_the_last_of_k_are_kept() -> None:
    assert kept(torch.tensor([0.4, 0.3, 0.3]).log(), Truncation(top_k=2)).tolist() == [True, True, True]


def test_the_engine_draws_what_is_left_in_proportion() -> None:
    """Of 0.4, 0.3 and 0.15: shares 0.47, 0.35, 0.18; 20,000 draws, five standard errors."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(20000)]
    drawn = Counter(_draw(P.expand(20000, 5), generators, SamplingConfig(min_p=0.3)).tolist())
    assert sorted(drawn) == [0, 1, 2]
    for token, share in zip((0, 1, 2), (0.4 / 0.85, 0.3 / 0.85, 0.15 / 0.85), strict=True):
        assert drawn[token] / 20000 == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 20000))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"))


CUT = Truncation(top_k=6, min_p=0.05)


def test_coefficients_multiply_the_gradient_of_the_logprob_of_what_was_sampled(start: Path, tmp_path: Path) -> None:
    """Against autograd of p(o) / Σ_kept p, the kept tokens found by sorting; float64."""
    from training.models.logprobs import token_logprobs

    training = replace(TRAINING, top_k=6, min_p=0.05, iteration_steps=None)
    trainer = make_trainer(start, GRPO(kl_coef=0.0), tmp_path, training)
    model = trainer.policy.model.double()
    drawn = trainer.draw(0).kept
    batch = trainer.batch(drawn)
    assert batch is not None
    assert trainer.forward(1024).truncation == CUT
    found = token_logprobs(model, batch, truncation=CUT)
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(0)).double()
    gradients = torch.autograd.grad((weights * found).sum(), list(model.parameters()))
    rows = []
    for row, item in enumerate(drawn):
        prompt, written = list(item.rollout.prompt_ids), list(item.rollout.completion_ids)
        logits = model(torch.tensor([[*prompt, *written]])).logits[0, len(prompt) - 1 : -1]
        for place, token in enumerate(written):
            probabilities = torch.softmax(logits[place], dim=-1)
            order = probabilities.detach().argsort(descending=True).tolist()
            left = [v for v in order if float(probabilities[v]) >= 0.05 * float(probabilities[order[0]])][:6]
            left = sorted({*left, token})
            logprob = torch.log(probabilities[token] / probabilities[left].sum())
            assert float(found[row, place]) == pytest.approx(float(logprob), abs=1e-9)
            rows.append(weights[row, place] * logprob)
    expected = torch.autograd.grad(torch.stack(rows).sum(), list(model.parameters()))
    for mine, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-9)


def test_a_run_draws_from_what_is_left_at_every_step(start: Path) -> None:
    """With one token left every draw is the greedy one, whatever its seed."""
    engine = TransformersSampler(start, eos_token_ids=[EOS])
    asked = [Request(prompt_ids=(5, 6, 7), seed=seed) for seed in range(4)]
    alone = engine.generate(asked, SamplingConfig(top_k=1, max_tokens=8))
    greedy = engine.generate(asked[:1], SamplingConfig(temperature=0.0, max_tokens=8))
    assert {each.completion_ids for each in alone} == {greedy[0].completion_ids}


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        (GRPO(kl_coef=0.04), "log π_ref of each token, of whole distributions"),
        (SFT(), "its completions are not drawn from"),
        (DPO(), "its completions are not drawn from"),
    ],
)
def test_what_reads_another_distribution_is_refused_by_name(algorithm: Algorithm, message: str) -> None:
    training = replace(TRAINING, top_p=0.9, iteration_steps=None)
    with pytest.raises(ValueError, match=message):
        check_requirements(algorithm, training, "it")
    check_requirements(OnlineRFT(), training, "it")
    check_requirements(GRPO(kl_coef=0.0), training, "it")


def test_values_that_cannot_be() -> None:
    for field, value in (("top_k", 0), ("top_p", 0.0), ("top_p", 1.5), ("min_p", 1.0), ("min_p", -0.1)):
        with pytest.raises(ValueError, match=f"{field} is"):
            replace(TRAINING, **{field: value})
    with pytest.raises(ValueError, match="with_logprobs needs the whole distribution"):
        SamplingConfig(with_logprobs=True, top_k=5)
