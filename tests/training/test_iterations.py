"""Iterations (DeepSeekMath, Algorithm 1): when π_ref and the drawn completions follow the policy, and when not."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from algorithms import DPO, GRPO, RFT, Algorithm, DataSource, Need
from sampling.rollout import Rollout
from sampling.sampler import sample_rollouts
from sampling.transformers_engine import TransformersSampler
from tests.training import small_run
from tests.training.small_run import SAMPLING, TRAINING, Rows, make_trainer, prompts_of, save_start, weights
from training.loop import take_step
from training.models.policy import load_policy, named_weights
from training.requirements import check_requirements
from training.sources.interface import Source
from training.sources.iterated import IteratedSource
from training.sources.offline import OfflineSource
from training.trainer import Trainer

ONLINE_DPO = DPO(data_source=DataSource.ONLINE, dpo_beta=5.0)
ITERATED_DPO = DPO(data_source=DataSource.ITERATED, dpo_beta=5.0)


class Recorded:
    """A source that keeps what it handed out."""

    def __init__(self, source: Source) -> None:
        self.source, self.handed_out = source, list[list[Rollout]]()

    def rollouts(self, step: int) -> list[Rollout]:
        self.handed_out.append(self.source.rollouts(step))
        return self.handed_out[-1]

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        return self.source.sampling_seconds(step, elapsed=elapsed)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"))


def run(trainer: Trainer, folder: Path, *, stop_after: int | None = None, rows: int = 0) -> tuple[list[Tensor], Rows]:
    """The policy before each step, and the rows; `rows` were written by an earlier call."""
    before, kept = [weights(trainer.policy.model)], Rows([{}] * rows)
    done = small_run.run(
        trainer, folder, kept, stop_after=stop_after, watch=lambda: before.append(weights(trainer.policy.model))
    )
    return before, Rows(kept[done:])


def test_the_reference_is_the_policy_that_each_iteration_starts_with(start: Path, tmp_path: Path) -> None:
    trainer = make_trainer(start, GRPO(kl_coef=0.5), tmp_path)
    before, references = [], []
    for step in range(5):
        before.append(weights(trainer.policy.model))
        take_step(trainer, step)
        assert trainer.reference is not None
        references.append(weights(trainer.reference))
    # Iterations of two steps start at 0, 2 and 4, counted from 0.
    for step, first in enumerate((0, 0, 2, 2, 4)):
        assert torch.equal(references[step], before[first])
    for earlier, later in itertools.pairwise(before):
        assert not torch.equal(earlier, later)


def test_without_iterations_the_reference_stays(start: Path, tmp_path: Path) -> None:
    trainer = make_trainer(start, GRPO(kl_coef=0.5), tmp_path, replace(TRAINING, iteration_steps=None))
    for step in range(3):
        take_step(trainer, step)
    assert trainer.reference is not None
    assert torch.equal(weights(trainer.reference), weights(load_policy(start).model))


@pytest.mark.parametrize("algorithm", [GRPO(kl_coef=0.5), ONLINE_DPO, ITERATED_DPO])
def test_stopped_within_an_iteration_and_resumed_is_bit_for_bit_the_whole_run(
    algorithm: Algorithm, start: Path, tmp_path: Path
) -> None:
    """Step 3 is the second of its iteration: its reference and, for iterated DPO, its completions are of step 2."""
    (tmp_path / "whole").mkdir()
    whole = make_trainer(start, algorithm, tmp_path / "whole")
    _, whole_rows = run(whole, tmp_path / "whole")
    (tmp_path / "parts").mkdir()
    _, first_rows = run(make_trainer(start, algorithm, tmp_path / "parts"), tmp_path / "parts", stop_after=3)
    resumed = make_trainer(start, algorithm, tmp_path / "parts")
    _, later_rows = run(resumed, tmp_path / "parts", rows=4)
    assert torch.equal(weights(resumed.policy.model), weights(whole.policy.model))
    assert resumed.reference is not None and whole.reference is not None
    assert torch.equal(weights(resumed.reference), weights(whole.reference))
    losses = [row["loss"] for row in whole_rows]
    assert [row["loss"] for row in first_rows[:3]] + [row["loss"] for row in later_rows] == losses
    assert [int(row["step"] or 0) for row in later_rows] == [4, 5]
    assert all(losses)


@pytest.mark.parametrize(("algorithm", "firsts"), [(ONLINE_DPO, (0, 1, 2, 3, 4)), (ITERATED_DPO, (0, 0, 2, 2, 4))])
def test_pairs_come_from_fresh_completions_of_the_policy(
    algorithm: Algorithm, firsts: tuple[int, ...], start: Path, tmp_path: Path
) -> None:
    """Every step's completions are those that an engine of its own draws with the weights of the step `firsts` says."""
    trainer = make_trainer(start, algorithm, tmp_path)
    recorded = Recorded(trainer.source)
    trainer.source = recorded
    before, rows = run(trainer, tmp_path / "checkpoints")
    policy, engine = load_policy(start), TransformersSampler(start, eos_token_ids=(2,))
    for step, first in enumerate(firsts):
        torch.nn.utils.vector_to_parameters(before[first], policy.model.parameters())
        engine.load_weights(named_weights(policy.model), first)
        expected = sample_rollouts(
            engine,
            policy.tokenizer,
            prompts_of(policy).of_step(step),
            SAMPLING,
            samples_per_problem=4,
            run_seed=0,
            step=step,
        )
        assert recorded.handed_out[step] == expected
    assert all(row["loss"] for row in rows)  # every step had pairs
    assert [row["completions_sampled"] for row in rows] == [12, 24, 36, 48, 60]


def test_an_iteration_whose_completions_are_gone_is_not_drawn_from_another_policy(start: Path, tmp_path: Path) -> None:
    run(make_trainer(start, ITERATED_DPO, tmp_path), tmp_path, stop_after=3)
    (tmp_path / "drawn-000002.jsonl").unlink()
    with pytest.raises(RuntimeError, match=r"policy of step 2, and the sampler holds that of step 3"):
        run(make_trainer(start, ITERATED_DPO, tmp_path), tmp_path, rows=4)


def test_drawn_completions_that_are_damaged_are_refused(start: Path, tmp_path: Path) -> None:
    """One other token in one completion, and a file cut short."""
    trainer = make_trainer(start, ITERATED_DPO, tmp_path)
    trainer.source.rollouts(0)
    file = tmp_path / "drawn-000000.jsonl"
    whole = file.read_text()
    place = whole.index("completion_ids") + len('completion_ids": [')
    changed = whole[:place] + ("1" if whole[place] != "1" else "2") + whole[place + 1 :]
    for damaged in (changed, whole[:-20], "\0" * len(whole)):
        file.write_text(damaged)
        with pytest.raises(ValueError, match=r"drawn-000000\.jsonl is damaged.*Remove it"):
            OfflineSource.read(file, prompts_of(trainer.policy))
    file.write_text(whole)
    assert OfflineSource.read(file, prompts_of(trainer.policy)).rollouts(0) == trainer.source.rollouts(0)


def test_completions_of_later_policies_are_forgotten_on_resume(start: Path, tmp_path: Path) -> None:
    trainer = make_trainer(start, ITERATED_DPO, tmp_path)
    run(trainer, tmp_path / "checkpoints")
    assert isinstance(trainer.source, IteratedSource)
    trainer.source.forget_after(2)
    assert sorted(path.name for path in tmp_path.glob("drawn-*")) == ["drawn-000000.jsonl", "drawn-000002.jsonl"]


def test_a_step_of_an_iteration_counts_the_seconds_of_its_own_completions(start: Path, tmp_path: Path) -> None:
    """The first step draws for the second too, and must not be charged for it."""
    _, rows = run(make_trainer(start, ITERATED_DPO, tmp_path), tmp_path / "checkpoints")
    lines = [path.read_text().splitlines() for path in sorted(tmp_path.glob("drawn-*.jsonl"))]
    assert [len(block) for block in lines] == [2, 2, 1]
    drawn = [float(line.split(",")[0].removeprefix('{"seconds": ')) for block in lines for line in block]
    assert [row["sampling_seconds"] for row in rows] == drawn


def test_what_is_done_before_a_step_counts_its_own_seconds(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock stands still but for a fit of 100 s before the step, which counts them: they are not counted twice."""
    now = [0.0]
    monkeypatch.setattr("training.loop.time", SimpleNamespace(perf_counter=lambda: now[0]))
    trainer = make_trainer(start, GRPO(), tmp_path)

    def fit(step: int) -> None:
        now[0] += 100.0
        trainer.counters.seconds += 100.0

    trainer.before_step = fit
    row = take_step(trainer, 0, 1.0)
    assert row["seconds"] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("algorithm", "change", "message"),
    [
        (ITERATED_DPO, {"iteration_steps": None}, "iteration_steps of its training is null"),
        (RFT(), {}, "data that do not change with the policy; iteration_steps is 2"),
        (replace(ITERATED_DPO), {"group_size": 1}, "group_size is 1"),
    ],
)
def test_iterations_that_cannot_be_are_refused(algorithm: Algorithm, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_requirements(algorithm, replace(TRAINING, **change), "dpo")


@pytest.mark.parametrize("source", [DataSource.ITERATED, DataSource.OFFLINE, DataSource.DEMONSTRATIONS])
@pytest.mark.parametrize("need", [Need.OLD_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT, Need.SAMPLER_LOGPROBS])
def test_a_ratio_to_completions_of_another_policy_is_refused(need: Need, source: DataSource) -> None:
    algorithm = _with_source(type("Mine", (RFT,), {"needs": frozenset({need})})(), source)
    training = replace(TRAINING, iteration_steps=2 if source is DataSource.ITERATED else None)
    with pytest.raises(ValueError, match=f"come from {source}; expected data source π_θ"):
        check_requirements(algorithm, training, "mine")


def _with_source(algorithm: Algorithm, source: DataSource) -> Algorithm:
    changed = copy.copy(algorithm)
    object.__setattr__(changed, "data_source", source)
    return changed
