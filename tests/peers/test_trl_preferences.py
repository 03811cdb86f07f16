"""SimPO, ORPO and KTO against TRL 1.16's own functions: −∂loss/∂log π_θ is our weight times our coefficient.

KTOTrainer runs whole, on a tiny model in float32 (to 1e-5, see test_trl.py). Of CPOTrainer and ORPOTrainer the loss
functions are called, on the mean log-probabilities that they take, in float64; ORPO's in float32, which it casts to.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms import TokenBatch, aggregation_weights, build_algorithm, counted
from tests.algorithms.batches import LENGTHS, make_batch
from tests.peers.test_trl import AGREEMENT, DIFFERENCE, POLICY, REFERENCE, ascent, deviation
from tests.peers.trl_trainers import kto_step_of, kto_trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:You are importing from 'trl.experimental'"),
]
TEXTS = [
    ("1 + 2 =", "3", True),
    ("a", "9 9 b a 1", False),
    ("4 + 4 =", "8 a", True),
    ("b =", "a b a b", False),
    ("b 7 =", "a b 2", False),
]


@pytest.fixture(scope="module")
def kto(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return kto_trainer(tmp_path_factory.mktemp("kto"), TEXTS, POLICY, REFERENCE)


@pytest.mark.parametrize(
    ("trainer", "settings"),
    [
        ({}, {}),
        ({"beta": 0.7}, {"kto_beta": 0.7}),
        ({"desirable_weight": 2.0, "undesirable_weight": 0.5}, {"desirable_weight": 2.0, "undesirable_weight": 0.5}),
        (
            {"loss_type": "apo_zero_unpaired", "calculate_KL": False, "beta": 0.7},
            {"reference_point": "zero", "kto_beta": 0.7},
        ),
    ],
)
def test_kto(trainer: dict[str, Any], settings: dict[str, Any], kto: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in trainer.items():
        assert hasattr(kto, name)
        monkeypatch.setattr(kto, name, value)
    step = kto_step_of(kto)
    assert step.batch.kl_estimate is not None and (step.batch.kl_estimate > 0.1) == ("loss_type" not in trainer)
    assert deviation(ascent("kto", settings, step), step) < AGREEMENT
    for left_out in settings:
        others = {name: value for name, value in settings.items() if name != left_out}
        if left_out != "reference_point":  # TRL's estimate of the KL is 0 where it is not taken
            assert deviation(ascent("kto", others, step), step) > DIFFERENCE


def pairwise_ascent(name: str, settings: dict[str, Any], batch: TokenBatch, logprobs: Tensor) -> Tensor:
    algorithm = build_algorithm(name, settings)
    left = counted(algorithm, batch)
    weights = aggregation_weights(left.mask, algorithm.aggregation, left.denominator(algorithm.batch_unit, 1))
    return weights * algorithm.coefficients(batch, algorithm.credit(batch), logprobs).values


def mean_logprobs(logprobs: Tensor) -> tuple[Any, Any]:
    """Those of the chosen and of the rejected completions of the pairs."""
    means = torch.stack([logprobs[i, :n].mean() for i, n in enumerate(LENGTHS)])
    return means[0::2], means[1::2]


@pytest.mark.parametrize(("beta", "gamma"), [(2.0, 1.0), (0.1, 0.5)])
def test_simpo(beta: float, gamma: float) -> None:
    from trl.experimental.cpo import CPOTrainer

    batch, logprobs = make_batch()
    fields = {"beta": beta, "simpo_gamma": gamma, "loss_type": "simpo", "label_smoothing": 0.0, "alpha": 0.0}
    trainer: Any = SimpleNamespace(**fields, accelerator=SimpleNamespace(device="cpu"))
    losses, _, _ = CPOTrainer.cpo_loss(trainer, *mean_logprobs(logprobs))
    [gradient] = torch.autograd.grad(losses.mean(), logprobs)
    mine = pairwise_ascent("simpo", {"simpo_beta": beta, "simpo_margin": gamma}, batch, logprobs)
    torch.testing.assert_close(mine, -gradient, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("weight", [0.1, 2.0])
def test_orpo(weight: float) -> None:
    """TRL's likelihood is over the prompt too, as a mean of all tokens; ours, the paper's, is put in its place."""
    from trl.experimental.orpo import ORPOTrainer

    batch, logprobs = make_batch()
    trainer: Any = SimpleNamespace(beta=weight, accelerator=SimpleNamespace(device="cpu"))
    chosen, rejected = mean_logprobs(logprobs)
    gains, *_ = ORPOTrainer.odds_ratio_loss(trainer, chosen, rejected)
    [gradient] = torch.autograd.grad(gains.mean() + chosen.mean(), logprobs)
    torch.testing.assert_close(
        pairwise_ascent("orpo", {"orpo_weight": weight}, batch, logprobs), gradient, rtol=1e-5, atol=1e-8
    )


def test_the_estimate_of_the_kl_is_trl_s(kto: Any) -> None:
    """Each prompt with the completion of the row before (TRL) or after (ours): reversed rows make the two the same."""
    from training.models.batches import TrainingBatch
    from training.models.logprobs import ForwardOptions
    from training.models.scores import score_kl, score_log_ratios

    step = kto_step_of(kto)
    rows = list(reversed(list(kto.train_dataset)))
    prompts = [row["prompt_ids"] for row in rows]
    completions = [row["completion_ids"] for row in rows]
    lengths = torch.tensor([len(p) + len(c) for p, c in zip(prompts, completions, strict=True)])
    ids = torch.zeros(len(rows), int(lengths.max()), dtype=torch.int64)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        ids[row, : len(prompt) + len(completion)] = torch.tensor([*prompt, *completion])
    counts = torch.tensor([len(ids) for ids in completions])
    batch = TrainingBatch(
        input_ids=ids,
        prompt_lengths=lengths - counts,
        lengths=lengths,
        tokens=TokenBatch(
            completion_mask=torch.arange(int(counts.max())) < counts[:, None],
            rewards=torch.zeros(len(rows)),
            group=torch.arange(len(rows)),
        ),
    )
    found = score_kl(batch, partial(score_log_ratios, POLICY, REFERENCE, options=ForwardOptions(temperature=1.0)))
    assert found == pytest.approx(step.batch.kl_estimate, rel=1e-5)
