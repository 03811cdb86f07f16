"""Methods of somebody's own: text in place of a member and numbers of another shape are refused, never broadcast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from algorithms import GRPO, Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch
from algorithms.checks import check_members
from tests.training.small_run import TRAINING, Rows, make_trainer, run, save_start, weights
from training.finite import NotFiniteError

ONE_ITERATION = replace(TRAINING, steps=1, iteration_steps=None)


@dataclass(frozen=True, kw_only=True)
class Own:
    """Online RFT, whose coefficients a test may change."""

    changed: Callable[[torch.Tensor], Any] = lambda credit: Coefficients(values=credit)
    credit_changed: Callable[[torch.Tensor], Any] = lambda credit: credit

    data_source: ClassVar[Any] = DataSource.ONLINE
    batch_unit: ClassVar[Any] = BatchUnit.SEQUENCE
    aggregation: ClassVar[Any] = Aggregation.SEQUENCE_MEAN
    needs: ClassVar[Any] = frozenset({Need.CORRECT})
    exclude: ClassVar[Any] = frozenset[Exclusion]()

    def credit(self, batch: TokenBatch) -> torch.Tensor:
        return self.credit_changed(batch.right(None, "Own").float()[:, None] * batch.completion_mask)

    def coefficients(self, batch: TokenBatch, credit: torch.Tensor, policy_logprobs: torch.Tensor) -> Coefficients:
        return self.changed(credit)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"))


def trained(start: Path, algorithm: Any, folder: Path) -> Rows:
    rows = Rows()
    run(make_trainer(start, algorithm, folder / "drawn", ONE_ITERATION), folder / "checkpoints", rows)
    return rows


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("data_source", "π_θ", "data_source of Own is 'π_θ', a str; expected DataSource.ONLINE"),
        ("batch_unit", "pair", "batch_unit of Own is 'pair', a str; expected BatchUnit.PAIR"),
        ("aggregation", "constant", "aggregation of Own is 'constant', a str; expected Aggregation.CONSTANT"),
        ("aggregation", "tokens", "expected one of Aggregation.SEQUENCE_MEAN, Aggregation.TOKEN_MEAN"),
        ("needs", frozenset({"old logprobs"}), "needs of Own is 'old logprobs', a str; expected one of Need.GROUPS"),
        ("needs", "correct", "needs of Own is 'correct'; expected a frozenset of members of Need"),
        ("exclude", None, "exclude of Own is None; expected a frozenset of members of Exclusion"),
    ],
)
def test_text_in_place_of_a_member_is_refused(
    part: str, value: Any, message: str, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text equals the member that it names and is not it: the engine kept the start policy's weights."""
    monkeypatch.setattr(Own, part, value)
    with pytest.raises(ValueError, match=message):
        trained(start, Own(), tmp_path)


def test_members_pass() -> None:
    check_members(Own(), "Own")
    check_members(GRPO(), "GRPO")
    with pytest.raises(ValueError, match=r"expected Aggregation\.CONSTANT"):
        check_members(GRPO(aggregation="constant"), "GRPO")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Own(changed=lambda credit: Coefficients(values=credit[:1])), r"coefficients of Own has shape \(1, \d+\)"),
        (Own(changed=lambda credit: Coefficients(values=credit.mean(0))), r"coefficients of Own has shape \(\d+,\)"),
        (Own(changed=lambda credit: credit), r"coefficients of Own returned a Tensor; expected algorithms.Coeff"),
        (Own(credit_changed=lambda credit: credit[:, 0]), r"credit of Own has shape \(12,\); expected \(12, \d+\)"),
        (Own(credit_changed=lambda credit: 1.0), r"credit of Own has a float; expected \(12, \d+\)"),
    ],
)
def test_numbers_of_another_shape_are_refused(method: Own, message: str, start: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        trained(start, method, tmp_path)


def test_one_number_a_sequence_is_that_of_each_token(start: Path, tmp_path: Path) -> None:
    of_tokens = trained(start, Own(), tmp_path / "tokens")
    of_rows = trained(start, Own(credit_changed=lambda credit: credit[:, :1]), tmp_path / "rows")
    assert of_rows[0]["loss"] == of_tokens[0]["loss"] != 0


def test_a_run_that_stops_at_a_later_update_does_not_say_that_none_was_made(start: Path, tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    def changed(credit: torch.Tensor) -> Coefficients:
        seen.append(credit)
        return Coefficients(values=credit * (1.0 if len(seen) == 1 else float("nan")))

    training = replace(ONE_ITERATION, updates_per_batch=2)
    trainer = make_trainer(start, Own(changed=changed), tmp_path / "drawn", training)  # type: ignore[arg-type]
    before = weights(trainer.policy.model)
    with pytest.raises(NotFiniteError, match="stopped before it reached a weight, and the last checkpoint is from bef"):
        run(trainer, tmp_path / "checkpoints", Rows())
    after = weights(trainer.policy.model)
    assert len(seen) == 2 and torch.isfinite(after).all() and not torch.equal(before, after)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000000"]
