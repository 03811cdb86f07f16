"""The laws find what they are for: textbook mistakes, each by its law, and none in right code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from algorithms import GRPO, METHODS, PPO, RFT, Coefficients, TokenBatch, build_algorithm
from algorithms.laws import LAWS, Law, claims_of, judge, law_tests
from algorithms.laws.judge import judge_law

ROOT = Path(__file__).resolve().parents[3]
FEW = 30  # batches a law: the mistakes here are not subtle
OF_REWARDS = [law for law in LAWS if not LAWS[law].of_tokens]
CLAIMED_BY_NORMALISATION = {
    Law.GROUP_MEAN_ZERO,
    Law.SHIFT_INVARIANT,
    Law.EQUAL_REWARDS_GIVE_ZERO,
    Law.MONOTONE,
    Law.BOUNDED,
    Law.FINITE,
    Law.OTHER_GROUPS_DO_NOT_MATTER,
    Law.PERMUTATION_EQUIVARIANT,
}


def by_group(rewards: Any, groups: Any, normalise: Callable[[Any], Any]) -> Any:
    out = np.zeros(len(rewards)) if isinstance(rewards, np.ndarray) else torch.zeros_like(rewards)
    for label in set(groups.tolist()):
        out[groups == label] = normalise(rewards[groups == label])
    return out


def grpo_torch(rewards: Tensor, groups: Tensor) -> Tensor:
    """Right: zero where all are equal, else (r − mean)/(std + eps)."""

    def normalise(own: Tensor) -> Tensor:
        if bool((own == own[0]).all()):
            return torch.zeros_like(own)
        return (own - own.mean()) / (own.std() + 1e-6)

    return by_group(rewards, groups, normalise)


def grpo_numpy(rewards: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The same, which no torch tensor gets through."""
    assert isinstance(rewards, np.ndarray)

    def normalise(own: np.ndarray) -> np.ndarray:
        return np.zeros(len(own)) if np.ptp(own) == 0 else (own - own.mean()) / (own.std(ddof=1) + 1e-6)

    return by_group(rewards, groups, normalise)


@pytest.mark.parametrize("function", [grpo_torch, grpo_numpy])
def test_group_normalisation_keeps_the_laws_that_it_should_and_not_the_unit(function: Any) -> None:
    findings = {finding.law: finding for finding in judge(function, examples=FEW)}
    assert {law for law in OF_REWARDS if findings[law].counterexample is None} == CLAIMED_BY_NORMALISATION
    assert findings[Law.SCALE_INVARIANT].mark == "✗"  # 1e-6 beside the std
    assert {law for law in LAWS if findings[law].mark == "–"} == {law for law in LAWS if LAWS[law].of_tokens}


def centred(own: Tensor) -> Tensor:
    return own - own.mean()


MISTAKES: dict[str, tuple[Callable[[Any, Any], Any], Law]] = {
    "the mean of the batch": (lambda r, g: r - r.mean(), Law.OTHER_GROUPS_DO_NOT_MATTER),
    "no baseline": (lambda r, g: r, Law.GROUP_MEAN_ZERO),
    "no baseline, shifted": (lambda r, g: r, Law.SHIFT_INVARIANT),
    "no rule for equal rewards": (
        lambda r, g: by_group(r, g, lambda own: centred(own) / (own.std(correction=0) + 1e-9)),
        Law.EQUAL_REWARDS_GIVE_ZERO,
    ),
    "a std of zero": (lambda r, g: by_group(r, g, lambda own: centred(own) / own.std(correction=0)), Law.FINITE),
    "ddof 1 and a group of one": (
        lambda r, g: by_group(r, g, lambda own: centred(own) / (own.std() + 1e-6)),
        Law.FINITE,
    ),
    "the distance from the mean": (lambda r, g: by_group(r, g, lambda own: centred(own).abs()), Law.MONOTONE),
    "only centred": (lambda r, g: by_group(r, g, centred), Law.SCALE_INVARIANT),
    "only centred, of millions": (lambda r, g: by_group(r, g, centred), Law.BOUNDED),
    "divided": (lambda r, g: grpo_torch(r, g), Law.SCALES_WITH_REWARDS),
    "groups taken for neighbours": (
        lambda r, g: torch.cat([centred(part) for part in r.split(2)]),
        Law.PERMUTATION_EQUIVARIANT,
    ),
    "the first of a group as baseline": (
        lambda r, g: by_group(r, g, lambda own: own - own[0]),
        Law.PERMUTATION_EQUIVARIANT,
    ),
    "groups of one size": (
        lambda r, g: (r.view(-1, int((g == 0).sum())) - r.view(-1, int((g == 0).sum())).mean(1, True)).view(-1),
        Law.GROUP_MEAN_ZERO,
    ),
}


@pytest.mark.parametrize(("function", "law"), MISTAKES.values(), ids=MISTAKES)
def test_a_textbook_mistake_breaks_its_law(function: Callable[[Any, Any], Any], law: Law) -> None:
    [finding] = judge(function, laws=[law], claims=[law])
    assert finding.failed and finding.mark == "✗"


def test_the_counterexample_is_small() -> None:
    """Two equal completions and a constant: nothing smaller shows that a baseline is missing."""
    [finding] = judge(lambda rewards, groups: rewards, laws=["shift_invariant"])
    assert finding.counterexample == "rewards [0, 0], groups [0, 0]: credit [0, 0]; with 1 added, [1, 1]"
    [finding] = judge(MISTAKES["groups of one size"][0], laws=["group_mean_zero"])
    assert (
        finding.counterexample is not None and "groups [0, 0, 1, 1, 1]: RuntimeError: shape" in finding.counterexample
    )


def test_code_for_groups_of_one_size_is_judged_on_those() -> None:
    function, law = MISTAKES["groups of one size"]
    assert judge(function, laws=[law], group_size=4)[0].counterexample is None


@dataclass(frozen=True, kw_only=True)
class Leaks(GRPO):
    def credit(self, batch: TokenBatch) -> Tensor:
        return super().credit(batch).amax(dim=1, keepdim=True).expand(batch.completion_mask.shape)


@dataclass(frozen=True, kw_only=True)
class AveragesAMicrobatch(GRPO):
    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        found = super().coefficients(batch, credit, policy_logprobs)
        return replace(found, values=found.values / len(batch.rewards))


@dataclass(frozen=True, kw_only=True)
class ClipsBothSides(GRPO):
    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        found = super().coefficients(batch, credit, policy_logprobs)
        assert batch.old_logprobs is not None
        ratio = (policy_logprobs - batch.old_logprobs).exp()
        return replace(found, values=torch.where((ratio < 0.8) | (ratio > 1.2), 0, found.values))


@dataclass(frozen=True, kw_only=True)
class DividesByTheReference(GRPO):
    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        found = super().coefficients(batch, credit, policy_logprobs)
        return replace(found, values=torch.where(batch.completion_mask, found.values + self.kl_coef, 0))


@dataclass(frozen=True, kw_only=True)
class ReadsThePadding(GRPO):
    def credit(self, batch: TokenBatch) -> Tensor:
        assert batch.old_logprobs is not None
        return super().credit(batch) + 0 * batch.old_logprobs.sum(dim=1, keepdim=True)


@pytest.mark.parametrize(
    ("method", "law"),
    [
        (Leaks, Law.CREDIT_ONLY_ON_THE_MASK),
        (AveragesAMicrobatch, Law.MICROBATCH_SPLIT),
        (ClipsBothSides, Law.GRADIENT_OF_THE_OBJECTIVE),
        (DividesByTheReference, Law.RATIO_ONE_ON_POLICY),
        (ReadsThePadding, Law.PADDING_DOES_NOT_MATTER),
    ],
)
def test_a_method_with_a_fault_breaks_a_law_that_its_fields_claim(method: type, law: Law) -> None:
    [finding] = judge(method, laws=[law])
    assert finding.claimed and finding.failed


def test_an_own_objective_is_differentiated() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Doubled(GRPO):
        kl_coef: float = 0.0
        clip_high: float = 1e9
        clip_low: float = 1.0

        def objective(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Tensor:
            assert batch.old_logprobs is not None
            gain = torch.where(batch.completion_mask, (policy_logprobs - batch.old_logprobs).exp() * credit, 0)
            return self.factor * (gain.sum(dim=1) / batch.completion_mask.sum(dim=1)).mean()

        factor: float = 1.0

    law = [Law.GRADIENT_OF_THE_OBJECTIVE]
    assert judge(Doubled(), laws=law)[0].mark == "✓"
    assert judge(Doubled(factor=2.0), laws=law)[0].failed


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_what_its_fields_claim(name: str) -> None:
    method = build_algorithm(name)
    claims = claims_of(method)
    assert claims and claims >= {Law.FINITE, Law.PERMUTATION_EQUIVARIANT, Law.CREDIT_ONLY_ON_THE_MASK}
    broken = {str(law): judge_law(law, method, examples=10) for law in claims}
    assert {law: found for law, found in broken.items() if found is not None} == {}


@pytest.mark.parametrize(
    ("threshold", "lost"),
    [(None, set()), (0.0, {Law.SHIFT_INVARIANT}), (0.5, {Law.SHIFT_INVARIANT, Law.SCALE_INVARIANT})],
)
def test_rft_reads_rewards_only_by_a_threshold(threshold: float | None, lost: set[Law]) -> None:
    method = RFT(correct_threshold=threshold)
    findings = judge(method, laws=[Law.SHIFT_INVARIANT, Law.SCALE_INVARIANT], examples=FEW)
    assert {finding.law for finding in findings if finding.counterexample} == lost
    assert {finding.law for finding in findings if not finding.claimed} == lost


@pytest.mark.parametrize(
    ("settings", "gained", "lost"),
    [
        ({"std_eps": 1e-4}, set(), {Law.SCALE_INVARIANT}),
        ({"scale": "none"}, {Law.SCALES_WITH_REWARDS}, {Law.SCALE_INVARIANT, Law.BOUNDED}),
        ({"advantage_limit": 1.0}, set(), {Law.GROUP_MEAN_ZERO}),
        ({"kl_place": "advantage"}, set(), {Law.GROUP_MEAN_ZERO, Law.EQUAL_REWARDS_GIVE_ZERO}),
        ({"kl_form": "k1"}, set(), {Law.RATIO_ONE_ON_POLICY}),
        ({"supervision": "process"}, set(), {Law.MONOTONE}),
    ],
)
def test_a_field_gives_up_a_claim_and_the_law_is_broken_without_it(
    settings: dict[str, Any], gained: set[Law], lost: set[Law]
) -> None:
    method, before = GRPO(**settings), claims_of(GRPO())
    claims = claims_of(method)
    assert before is not None and claims is not None
    assert claims - before >= gained and before - claims >= lost
    assert [law for law in lost if judge_law(law, method, examples=200) is None] == []
    assert [law for law in gained if judge_law(law, method) is not None] == []


def test_unclaimed_laws_are_shown_both_ways() -> None:
    marks = {finding.law: finding.mark for finding in judge(PPO(normalize_advantages=True), examples=FEW)}
    assert marks[Law.OTHER_GROUPS_DO_NOT_MATTER] == "·" and marks[Law.BOUNDED] == "✓"
    [finding] = judge(grpo_torch, claims=["monotone"], laws=["finite"], examples=FEW)
    assert finding.mark == "(✓)" and not finding.failed


def test_a_function_that_is_none_is_a_finding() -> None:
    calls = [0]

    def counts(rewards: Tensor, groups: Tensor) -> Tensor:
        calls[0] += 1
        return rewards + calls[0]

    [finding] = judge(counts, laws=["scales_with_rewards"], examples=FEW)
    assert finding.counterexample is not None


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        (lambda rewards, groups: rewards[:1], "returned shape"),
        (lambda rewards: rewards, "failed with torch arrays TypeError"),
        (3, "expected a method with credit and coefficients"),
    ],
)
def test_what_cannot_be_judged_is_refused(subject: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge(subject)


def test_unknown_laws_are_refused() -> None:
    with pytest.raises(ValueError, match="no law 'mean_zero'; did you mean 'group_mean_zero'"):
        judge(GRPO, claims=["mean_zero"])


def test_without_hypothesis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=r"pip install 'coeflab\[dev\]'"):
        judge(GRPO)


THREE_LINES = """\
from algorithms.laws import law_tests
from my_trainer import advantages
test_advantages = law_tests(advantages, "group_mean_zero", "other_groups_do_not_matter")
"""


def test_three_lines_in_another_repository(tmp_path: Path) -> None:
    (tmp_path / "my_trainer.py").write_text("def advantages(rewards, groups):\n    return rewards - rewards.mean()\n")
    (tmp_path / "test_mine.py").write_text(THREE_LINES)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    environment = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "2 failed" in done.stdout, done.stdout + done.stderr
    assert "has mean 0. Smallest counterexample: rewards [0, 0, 0, 1], groups [0, 0, 1, 1]" in done.stdout
    right = "import torch\n\n\ndef advantages(rewards, groups):\n    return torch.zeros_like(rewards)\n"
    (tmp_path / "my_trainer.py").write_text(right)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_law_tests_take_the_claims_of_a_method() -> None:
    [mark] = [mark for mark in law_tests(GRPO).pytestmark if mark.name == "parametrize"]  # pyright: ignore
    assert set(mark.args[1]) == claims_of(GRPO())
