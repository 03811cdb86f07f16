"""Our presets of TRL against TRL 1.16 itself: −∂loss/∂log π_θ of its trainers is our weight times our coefficient.

The trainers run on a tiny random model in float32 (trl_trainers.py says what is given to them). Agreement is asked to
1e-5 of the batch's largest value: float32 keeps 6e-8 and a sequence ratio or a KL rounds a few times. So that a case
cannot agree by accident, each of its settings, left out alone, must move the result by 1e-3 at least.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms import PEERS, aggregation_weights, build_algorithm, counted, surrogate_loss
from tests.peers.trl_models import disturbed, ragged_completions, tiny_model
from tests.peers.trl_trainers import Source, Step, group_trainer, pair_step_of, pair_trainer, step_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:TRL currently supports vLLM versions"),
    pytest.mark.filterwarnings("ignore:You are using 'rollout_func'"),
    pytest.mark.filterwarnings("ignore:You are importing from 'trl.experimental'"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning"),
]

AGREEMENT = 1e-5
DIFFERENCE = 1e-3
REWARDS = [[1.0, 0.0, 0.0, 0.0], [0.5, 1.5, 0.25, 2.0], [1.0, 1.0, 1.0, 1.0]]
COMPLETIONS = ragged_completions(REWARDS, seed=2, engine_noise=0.6)
START = disturbed(tiny_model(0), seed=1, scale=0.2)
POLICY = disturbed(START, seed=44, scale=0.1)
REFERENCE = disturbed(START, seed=3, scale=0.1)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Attributes set on a trainer (or on its args), and the settings of our preset that mean the same."""

    name: str
    trainer: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def importance(mode: str, lowest: float | None, highest: float) -> dict[str, Any]:
    """TRL's fields of the correction for the sampling engine."""
    return {
        "use_vllm": True,
        "vllm_importance_sampling_mode": mode,
        "vllm_importance_sampling_clip_min": lowest,
        "vllm_importance_sampling_clip_max": highest,
    }


NO_ENGINE = {"mismatch_correction": "none"}
BOUNDS = {"mismatch_min": 0.8, "mismatch_max": 1.5}
KL = {"kl_coef": 0.04}
SEQUENCE_LEVEL = {"importance_sampling_level": "sequence"}
CISPO = {"clip_form": "weight", "clip_low": 1.0, "clip_high": 4.0}
CUT = {"mask_truncated_completions": True}
SAPO = {"clip_form": "sigmoid"}
EPS = {"std_eps": 1e-4}  # TRL's; the presets of papers have none
LEFT_BEHIND = {"off_policy_mask": "sampler", "off_policy_limit": 0.1}
GRPO_CASES = [
    Case(name="defaults", settings=NO_ENGINE),
    Case(name="defaults, one update a batch", trainer={"num_iterations": 1}, settings=NO_ENGINE),
    Case(name="defaults, vLLM", trainer={"use_vllm": True}),
    *(
        Case(name=mode, trainer=importance(mode, 0.8, 1.5), settings={**BOUNDS, "mismatch_correction": mode})
        for mode in ("token_truncate", "token_mask", "sequence_truncate")
    ),
    Case(name="sequence_mask", trainer=importance("sequence_mask", 0.8, 1.5), settings=BOUNDS),
    Case(
        name="sequence_truncate without a lower bound",
        trainer=importance("sequence_truncate", None, 1.5),
        settings={"mismatch_correction": "sequence_truncate", "mismatch_max": 1.5},
    ),
    Case(name="KL", trainer={"beta": 0.04}, settings={**NO_ENGINE, **KL}),
    Case(name="KL, vLLM", trainer={"beta": 0.04, "use_vllm": True}, settings=KL),
    Case(
        name="KL without bias correction",
        trainer={"beta": 0.04, "use_bias_correction_kl": False},
        settings={**NO_ENGINE, **KL, "kl_gradient": "direct"},
    ),
    Case(name="grpo", trainer={"loss_type": "grpo"}, settings={**NO_ENGINE, "aggregation": "sequence_mean"}),
    Case(
        name="dr_grpo",
        trainer={"loss_type": "dr_grpo", "scale_rewards": "none"},
        settings={**NO_ENGINE, "aggregation": "constant", "scale": "none"},
    ),
    Case(name="bnpo", trainer={"loss_type": "bnpo"}, settings=NO_ENGINE),
    Case(name="scale_rewards none", trainer={"scale_rewards": "none"}, settings={**NO_ENGINE, "scale": "none"}),
    Case(name="cispo", trainer={"loss_type": "cispo", "epsilon_high": 5}, settings={**NO_ENGINE, **CISPO}),
    Case(
        name="cispo, KL, vLLM",
        trainer={"loss_type": "cispo", "epsilon_high": 5, "beta": 0.04, "use_vllm": True},
        settings={**CISPO, **KL},
    ),
    Case(name="delta", trainer={"delta": 1.5}, settings={**NO_ENGINE, "dual_clip": 1.5}),
    Case(
        name="epsilon",
        trainer={"epsilon_low": 0.1, "epsilon_high": 0.28},
        settings={**NO_ENGINE, "clip_low": 0.1, "clip_high": 0.28},
    ),
    Case(name="sequence ratio", trainer=SEQUENCE_LEVEL, settings={**NO_ENGINE, "ratio_level": "sequence"}),
    Case(
        name="sequence ratio, KL",
        trainer={**SEQUENCE_LEVEL, "beta": 0.04},
        settings={**NO_ENGINE, **KL, "ratio_level": "sequence"},
    ),
    Case(
        name="sequence ratio, KL, grpo",
        trainer={**SEQUENCE_LEVEL, "beta": 0.04, "loss_type": "grpo"},
        settings={**NO_ENGINE, **KL, "ratio_level": "sequence", "aggregation": "sequence_mean"},
    ),
    Case(
        name="luspo",
        trainer={**SEQUENCE_LEVEL, "loss_type": "luspo"},
        settings={**NO_ENGINE, "ratio_level": "sequence", "aggregation": "sequence_sum"},
    ),
    Case(name="sapo", trainer={"loss_type": "sapo"}, settings={**NO_ENGINE, **SAPO, "aggregation": "sequence_mean"}),
    Case(
        name="sapo, KL, vLLM",
        trainer={"loss_type": "sapo", "beta": 0.04, "use_vllm": True},
        settings={**SAPO, **KL, "aggregation": "sequence_mean"},
    ),
    Case(
        name="sapo, temperatures",
        trainer={"loss_type": "sapo", "sapo_temperature_pos": 3.0, "sapo_temperature_neg": 7.0},
        settings={
            **NO_ENGINE,
            **SAPO,
            "aggregation": "sequence_mean",
            "gate_temperature_pos": 3.0,
            "gate_temperature_neg": 7.0,
        },
    ),
    Case(
        name="sapo, sequence ratio",
        trainer={**SEQUENCE_LEVEL, "loss_type": "sapo"},
        settings={**NO_ENGINE, **SAPO, "ratio_level": "sequence", "aggregation": "sequence_mean"},
    ),
    Case(name="scale_rewards batch", trainer={"scale_rewards": "batch"}, settings={**NO_ENGINE, "scale": "std_batch"}),
    Case(name="top_entropy", trainer={"top_entropy_quantile": 0.3}, settings={**NO_ENGINE, "top_entropy": 0.3}),
    Case(
        name="top_entropy, KL, mask_truncated",
        trainer={**CUT, "top_entropy_quantile": 0.3, "beta": 0.04},
        settings={**NO_ENGINE, **KL, "top_entropy": 0.3, "exclude_truncated": True},
    ),
    Case(name="off_policy", trainer={"off_policy_mask_threshold": 0.1}, settings={**NO_ENGINE, **LEFT_BEHIND}),
    Case(
        name="off_policy, KL, vLLM",
        trainer={"off_policy_mask_threshold": 0.1, "beta": 0.04, "use_vllm": True},
        settings={**LEFT_BEHIND, **KL},
    ),
    Case(name="mask_truncated", trainer=CUT, settings={**NO_ENGINE, "exclude_truncated": True}),
    Case(
        name="mask_truncated, KL, grpo",
        trainer={**CUT, "beta": 0.04, "loss_type": "grpo"},
        settings={**NO_ENGINE, **KL, "exclude_truncated": True, "aggregation": "sequence_mean"},
    ),
    Case(
        name="mask_truncated, dr_grpo",
        trainer={**CUT, "loss_type": "dr_grpo"},
        settings={**NO_ENGINE, "exclude_truncated": True, "aggregation": "constant"},
    ),
]
VESPO_CASES = [
    Case(name="defaults", trainer={"loss_type": "vespo"}),
    Case(name="KL", trainer={"loss_type": "vespo", "beta": 0.04, "use_bias_correction_kl": False}, settings=KL),
    Case(
        name="powers and rates",
        trainer={"loss_type": "vespo", "vespo_k_pos": 1.0, "vespo_lambda_pos": 0.5, "vespo_k_neg": 1.5},
        settings={"gate_power_pos": 1.0, "gate_rate_pos": 0.5, "gate_power_neg": 1.5},
    ),
]
GMPO_CASES = [
    Case(name="defaults"),
    Case(
        name="bounds", trainer={"epsilon_low": 0.1, "epsilon_high": 0.2}, settings={"clip_low": 0.1, "clip_high": 0.2}
    ),
    Case(name="KL", trainer={"beta": 0.04}, settings=KL),
]
RLOO_CASES = [
    Case(name="defaults"),
    Case(name="no KL", trainer={"beta": 0.0}, settings={"kl_coef": 0.0}),
    Case(name="epsilon_high", trainer={"epsilon_high": 3.0}, settings={"clip_high": 3.0}),
    Case(name="mask_truncated", trainer={**CUT, "beta": 0.0}, settings={"kl_coef": 0.0, "exclude_truncated": True}),
]
DPO_CASES = [
    Case(name="defaults"),
    Case(name="sigmoid", trainer={"beta": 0.7}, settings={"dpo_beta": 0.7}),
    Case(name="sigmoid_norm", trainer={"loss_types": ["sigmoid_norm"]}, settings={"length_normalized": True}),
]
IPO = Case(name="ipo", trainer={"loss_types": ["ipo"], "beta": 0.2}, settings={"ipo_tau": 0.2})


def ascent(name: str, settings: Mapping[str, Any], step: Step) -> Tensor:
    """Our weight times coefficient of each token. (B, T)."""
    algorithm = build_algorithm(name, settings)
    batch = step.batch
    coefficients = algorithm.coefficients(batch, algorithm.credit(batch), step.policy_logprobs)
    left = counted(algorithm, batch)
    denominator = left.denominator(algorithm.batch_unit, batch.max_length or 1)
    return aggregation_weights(left.mask, algorithm.aggregation, denominator) * coefficients.values


def deviation(mine: Tensor, step: Step) -> float:
    """Largest difference to TRL's, in units of TRL's largest value."""
    return float((mine - step.ascent).abs().max() / step.ascent.abs().max())


def assert_agrees(name: str, case: Case, step: Step, base: Mapping[str, Any] | None = None) -> None:
    """Equal to TRL's, zero on the same tokens, and in need of each setting of the case; `base` is always set."""
    settings = {**(base or {}), **case.settings}
    mine = ascent(name, settings, step)
    assert deviation(mine, step) < AGREEMENT
    assert ((mine == 0) == (step.ascent == 0))[step.batch.completion_mask].all()
    for left_out in case.settings:
        others = {key: value for key, value in settings.items() if key != left_out}
        assert deviation(ascent(name, others, step), step) > DIFFERENCE, left_out


def by_name(case: Case) -> str:
    """Identifier of a parametrised test."""
    return case.name


def adjust(trainer: Any, changes: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Set fields on the trainer, those that it does not copy on its args, until the test ends."""
    for name, value in changes.items():
        monkeypatch.setattr(trainer if hasattr(trainer, name) else trainer.args, name, value)


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(COMPLETIONS)


@pytest.fixture(scope="module")
def grpo(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return group_trainer("GRPO", tmp_path_factory.mktemp("grpo"), source, REFERENCE)


@pytest.fixture(scope="module")
def gmpo(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return group_trainer("GMPO", tmp_path_factory.mktemp("gmpo"), source, REFERENCE)


@pytest.fixture(scope="module")
def rloo(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return group_trainer("RLOO", tmp_path_factory.mktemp("rloo"), source, REFERENCE)


@pytest.fixture(scope="module")
def dpo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    texts = [
        ("1 + 2 =", "3", "4 b b 1"),
        ("a", "1 + 1 = 2", "9 9"),
        ("4 + 4 =", "8 a", "7"),
        ("b =", "a b a b", "a b a"),
    ]
    return pair_trainer(tmp_path_factory.mktemp("dpo"), texts, POLICY, REFERENCE)


def grpo_step(grpo: Any, source: Source, case: Case, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Two updates a batch, so that the old policy is another than the policy, and the fields of the case."""
    adjust(grpo, {"num_iterations": 2, **case.trainer}, monkeypatch)
    return step_of(grpo, source, START, POLICY)


def class_default(preset: str, name: str) -> Any:
    """The value of a preset's field if the preset did not set it."""
    return next(item.default for item in fields(PEERS[preset].build) if item.name == name)


def test_the_version_is_the_one_that_the_presets_name() -> None:
    assert importlib.metadata.version("trl").startswith("1.16.")


def test_the_arrays_are_those_of_the_tokens(grpo: Any, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    step = grpo_step(grpo, source, Case(name="", trainer={"beta": 0.04}), monkeypatch)
    batch, mask = step.batch, step.batch.completion_mask
    arrays = {POLICY: step.policy_logprobs, START: batch.old_logprobs, REFERENCE: batch.reference_logprobs}
    for model, array in arrays.items():
        assert array is not None
        torch.testing.assert_close(array[mask], COMPLETIONS.padded(COMPLETIONS.logprobs(model))[mask])


def test_the_clip_acts_on_a_fair_share_of_the_tokens(
    grpo: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = grpo_step(grpo, source, GRPO_CASES[0], monkeypatch)
    credited = build_algorithm("grpo@trl-1.16", NO_ENGINE).credit(step.batch) != 0
    assert 0.2 < float((step.ascent[credited] == 0).float().mean()) < 0.6


@pytest.mark.parametrize("case", GRPO_CASES, ids=by_name)
def test_grpo(case: Case, grpo: Any, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_agrees("grpo@trl-1.16", case, grpo_step(grpo, source, case, monkeypatch))


@pytest.mark.parametrize("case", VESPO_CASES, ids=by_name)
def test_vespo(case: Case, grpo: Any, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_agrees("vespo", case, grpo_step(grpo, source, case, monkeypatch), EPS)


@pytest.mark.parametrize("case", GMPO_CASES, ids=by_name)
def test_gmpo(case: Case, gmpo: Any, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_agrees("gmpo", case, grpo_step(gmpo, source, case, monkeypatch), EPS)


@pytest.mark.parametrize("name", PEERS["grpo@trl-1.16"].settings)
def test_every_field_of_the_grpo_preset_is_needed(
    name: str, grpo: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(name="", trainer={"beta": 0.1, "use_vllm": True}, settings={"kl_coef": 0.1})
    step = grpo_step(grpo, source, case, monkeypatch)
    assert deviation(ascent("grpo@trl-1.16", case.settings, step), step) < AGREEMENT
    changed = {**case.settings, name: class_default("grpo@trl-1.16", name)}
    assert deviation(ascent("grpo@trl-1.16", changed, step), step) > DIFFERENCE / 10  # std_eps 1e-4 is the smallest


def test_trl_has_no_other_way_to_the_weights(grpo: Any, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    # The logprobs are all that the loss depends on: its gradient in the weights is that of our surrogate.
    case = Case(name="", trainer={"beta": 0.04, "use_vllm": True}, settings=KL)
    step = grpo_step(grpo, source, case, monkeypatch)
    algorithm, batch = build_algorithm("grpo@trl-1.16", case.settings), step.batch
    values = algorithm.coefficients(batch, algorithm.credit(batch), step.policy_logprobs).values
    denominator = counted(algorithm, batch).denominator(algorithm.batch_unit, grpo.max_completion_length)
    surrogate = surrogate_loss(values, step.policy_logprobs, batch.completion_mask, algorithm.aggregation, denominator)
    weights = [weight for weight in grpo.model.parameters() if weight.requires_grad]
    theirs = torch.autograd.grad(step.loss, weights, retain_graph=True)
    for mine, peer in zip(torch.autograd.grad(surrogate, weights), theirs, strict=True):
        torch.testing.assert_close(mine, peer, rtol=AGREEMENT, atol=AGREEMENT * float(peer.abs().max()))


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_equal_rewards_deviate_by_rule_and_by_rounding_only(
    kind: str, request: pytest.FixtureRequest, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The mean of seven times 0.3 in float32 is one last place off, 2^-25; GRPO divides that by 1e-4. Ours is 0.
    trainer = request.getfixturevalue(kind)
    monkeypatch.setattr(source, "completions", ragged_completions([[0.3] * 7], seed=1, engine_noise=0.0))
    adjust(trainer, {"num_generations": 7, "beta": 0.0}, monkeypatch)
    step = step_of(trainer, source, START, POLICY)
    rounding = {"grpo": 2.0**-25 / 1e-4, "rloo": 2.0**-25}[kind]
    assert step.inputs["advantages"].abs().tolist() == pytest.approx([rounding] * 7, rel=1e-2)
    assert not ascent(f"{kind}@trl-1.16", {"kl_coef": 0.0}, step).any()


@pytest.mark.parametrize("case", RLOO_CASES, ids=by_name)
def test_rloo(case: Case, rloo: Any, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(rloo, case.trainer, monkeypatch)
    step = step_of(rloo, source, START, POLICY)
    assert_agrees("rloo@trl-1.16", case, step)
    clipped = (step.ascent == 0).all(dim=-1) & (step.inputs["advantages"] != 0)
    assert 1 < int(clipped.sum()) < len(clipped) - 1


@pytest.mark.parametrize("name", PEERS["rloo@trl-1.16"].settings)
def test_every_field_of_the_rloo_preset_is_needed(name: str, rloo: Any, source: Source) -> None:
    step = step_of(rloo, source, START, POLICY)
    changed = {name: class_default("rloo@trl-1.16", name)}
    assert deviation(ascent("rloo@trl-1.16", changed, step), step) > DIFFERENCE


@pytest.mark.parametrize("case", DPO_CASES, ids=by_name)
def test_dpo(case: Case, dpo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(dpo, case.trainer, monkeypatch)
    assert_agrees("dpo@trl-1.16", case, pair_step_of(dpo))


def test_ipo(dpo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(dpo, IPO.trainer, monkeypatch)
    assert_agrees("ipo", IPO, pair_step_of(dpo))
