"""Completions drawn k steps ahead are those of the policy of k steps before, with its logprobs, also after a kill."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

import training.loop
from algorithms import GRPO, PPO, Algorithm, OnlineRFT
from analysis.records.schema import TIME_COLUMNS
from sampling.rollout import Rollout
from sampling.transformers_engine import TransformersSampler
from tests.training.small_run import SAMPLING, TRAINING, Rows, make_trainer, prompts_of, run, save_start
from training.loop import Row, take_step
from training.models.policy import Policy, load_policy, named_weights
from training.sources.online import OnlineSource
from training.staleness.ahead import AheadSource
from training.trainer import Trainer

AHEAD = replace(TRAINING, steps=6, iteration_steps=None, max_staleness=2)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return save_start(tmp_path / "start")


class Watched:
    """A run with what each step trained on, and the weights before each step."""

    def __init__(self, trainer: Trainer, folder: Path) -> None:
        self.batches: list[list[Rollout]] = []
        self.weights = [copy_of(trainer.policy)]
        self.rows = Rows()
        source, draw = trainer.source, trainer.source.rollouts

        def rollouts(step: int) -> list[Rollout]:
            self.batches.append(draw(step))
            return self.batches[-1]

        source.rollouts = rollouts  # type: ignore[method-assign]
        run(trainer, folder, self.rows, watch=lambda: self.weights.append(copy_of(trainer.policy)))


def beside(trainer: Trainer) -> Trainer:
    """The same trainer, which draws while it trains."""
    assert isinstance(trainer.source, AheadSource)
    trainer.source.beside = True
    return replace(trainer)


def copy_of(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in named_weights(policy.model)}


def measured(rows: Rows) -> list[dict]:
    return [{name: value for name, value in row.items() if name not in TIME_COLUMNS} for row in rows]


@pytest.mark.parametrize("updates", [1, 2])
def test_a_step_trains_on_what_the_policy_of_k_steps_before_draws(updates: int, start: Path, tmp_path: Path) -> None:
    training = replace(AHEAD, updates_per_batch=updates)
    seen = Watched(make_trainer(start, GRPO(kl_coef=0.0), tmp_path, training), tmp_path / "run")

    policy, engine = load_policy(start), TransformersSampler(start, eos_token_ids=(2,))
    for step, batch in enumerate(seen.batches):
        version = max(0, step - 2)
        engine.load_weights(seen.weights[version].items(), version)
        online = OnlineSource(
            sampler=engine, policy=policy, prompts=prompts_of(policy), sampling=SAMPLING, group_size=4, run_seed=0
        )
        assert [replace(rollout, old_logprobs=None) for rollout in batch] == online.rollouts(step)
        assert {rollout.policy_version for rollout in batch} == {version}
        found = engine.logprobs([(rollout.prompt_ids, rollout.completion_ids) for rollout in batch])
        for rollout, logprobs in zip(batch, found, strict=True):
            assert rollout.old_logprobs == pytest.approx(logprobs, abs=1e-5)
    assert [row["staleness"] for row in seen.rows] == [0, 1, 2, 2, 2, 2]
    counted = [told(after, "seconds") - told(before, "seconds") for before, after in itertools.pairwise(seen.rows)]
    for row, seconds in zip(seen.rows[-2:], counted[-2:], strict=True):  # which draw nothing: it was drawn before
        assert told(row, "step_seconds") < seconds


def told(row: Row, name: str) -> float:
    """A column that is a number in every row."""
    value = row[name]
    assert value is not None
    return value


def test_the_ratio_is_that_to_the_policy_that_drew(start: Path, tmp_path: Path) -> None:
    seen = Watched(make_trainer(start, GRPO(kl_coef=0.0), tmp_path, AHEAD), tmp_path / "run")
    engine = TransformersSampler(start, eos_token_ids=(2,))
    for step, (batch, row) in enumerate(zip(seen.batches, seen.rows, strict=True)):
        texts = [(rollout.prompt_ids, rollout.completion_ids) for rollout in batch]
        logprobs = []
        for version in (step, max(0, step - 2)):
            engine.load_weights(seen.weights[version].items(), version)
            logprobs.append(torch.tensor([each for of in engine.logprobs(texts) for each in of], dtype=torch.float64))
        ratio = (logprobs[0] - logprobs[1]).exp()
        assert row["ratio"] == pytest.approx(float(ratio.mean()), abs=1e-5)
        assert row["effective_share"] == pytest.approx(float(ratio.mean() ** 2 / ratio.square().mean()), abs=1e-5)
        assert "ratio_square" not in row
    assert seen.rows[0]["effective_share"] == pytest.approx(1, abs=1e-6)
    assert (seen.rows[-1]["effective_share"] or 1.0) < 0.999


def test_without_staleness_nothing_is_drawn_ahead_and_a_queue_of_none_is_the_same_run(
    start: Path, tmp_path: Path
) -> None:
    """Bit for bit: drawing through the queue with k = 0 is the run that knows no queue."""
    training = replace(AHEAD, max_staleness=0)
    plain = make_trainer(start, OnlineRFT(), tmp_path, training)
    assert isinstance(plain.source, OnlineSource)
    rows = Rows()
    run(plain, tmp_path / "plain", rows)
    assert not list(tmp_path.glob("ahead-*"))
    start_row: Row = {"seconds": 0.0}
    for before, row in zip([start_row, *rows], rows, strict=False):
        assert told(row, "step_seconds") == pytest.approx(told(row, "seconds") - told(before, "seconds"))
        parts = [told(row, f"{part}_seconds") for part in ("sampling", "update", "weight_sync")]
        assert told(row, "step_seconds") > sum(parts) and min(parts) > 0
    assert not {"staleness", "effective_share", "ratio_square"} & set().union(*rows)

    queued = make_trainer(start, OnlineRFT(), tmp_path, training)
    assert isinstance(queued.source, OnlineSource)
    queued.source = AheadSource(online=queued.source, staleness=0, steps=6, folder=tmp_path / "queue")
    queued_rows = Rows()
    run(queued, tmp_path / "queued", queued_rows)
    assert measured(queued_rows) == measured(rows)
    for ours, theirs in zip(queued.policy.model.parameters(), plain.policy.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("algorithm", [GRPO(), PPO(), OnlineRFT()])
@pytest.mark.parametrize("killed_after", [0, 1, 3])
def test_a_killed_run_goes_on_bit_for_bit(algorithm: Algorithm, killed_after: int, start: Path, tmp_path: Path) -> None:
    whole, whole_rows = make_trainer(start, algorithm, tmp_path / "a", AHEAD), Rows()
    run(whole, tmp_path / "a", whole_rows)
    rows = Rows()
    run(make_trainer(start, algorithm, tmp_path / "b", AHEAD), tmp_path / "b", rows, stop_after=killed_after)
    resumed = make_trainer(start, algorithm, tmp_path / "b", AHEAD)
    assert run(resumed, tmp_path / "b", rows) == killed_after

    assert measured(rows) == measured(whole_rows)
    assert rows[-1]["completions_sampled"] == 6 * 3 * 4  # nothing is drawn that is not trained on
    for ours, theirs in zip(resumed.policy.model.parameters(), whole.policy.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for file in sorted((tmp_path / "a").glob("ahead-*.jsonl")):
        blocks = [[json.loads(line)["rollouts"] for line in path.open()] for path in (file, tmp_path / "b" / file.name)]
        assert blocks[0] == blocks[1]


@pytest.mark.parametrize("algorithm", [GRPO(), PPO(), OnlineRFT()])
def test_drawing_beside_the_update_is_the_same_run(algorithm: Algorithm, start: Path, tmp_path: Path) -> None:
    """Bit for bit, a kill and what lies on the disk included: the thread draws what would have been drawn before."""
    plain, plain_rows = make_trainer(start, algorithm, tmp_path / "a", AHEAD), Rows()
    run(plain, tmp_path / "a", plain_rows)
    rows = Rows()
    run(beside(make_trainer(start, algorithm, tmp_path / "b", AHEAD)), tmp_path / "b", rows, stop_after=3)
    resumed = beside(make_trainer(start, algorithm, tmp_path / "b", AHEAD))
    assert run(resumed, tmp_path / "b", rows) == 3

    assert measured(rows) == measured(plain_rows)
    for ours, theirs in zip(resumed.policy.model.parameters(), plain.policy.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    files = sorted((tmp_path / "a").glob("ahead-*.jsonl"))
    assert len(files) == 4
    for file in files:
        blocks = [[json.loads(line)["rollouts"] for line in path.open()] for path in (file, tmp_path / "b" / file.name)]
        assert blocks[0] == blocks[1]


class Slow:
    """An engine that answers once it is told to."""

    def __init__(self, engine: TransformersSampler) -> None:
        self.engine, self.may_answer, self.asked = engine, Event(), 0

    def generate(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        if self.asked > 3 and not self.may_answer.wait(60):  # the first three are drawn before step 0 trains
            raise TimeoutError("nothing was trained while this was drawn")
        return self.engine.generate(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


def test_a_step_trains_while_later_completions_are_drawn(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine answers only once the step's update has begun: one after the other would wait for ever."""
    trainer = beside(make_trainer(start, GRPO(), tmp_path, AHEAD))
    assert isinstance(trainer.source, AheadSource)
    slow: Any = Slow(trainer.source.online.sampler)  # type: ignore[arg-type]
    trainer.sampler, trainer.source.online = slow, replace(trainer.source.online, sampler=slow)
    update = training.loop.accumulate_gradients

    def begun(*arguments: Any, **options: Any) -> Any:
        slow.may_answer.set()
        return update(*arguments, **options)

    monkeypatch.setattr(training.loop, "accumulate_gradients", begun)
    for step in range(2):
        slow.may_answer.clear()
        take_step(trainer, step)
        assert (tmp_path / f"ahead-{step:06d}.jsonl").is_file()
    assert slow.asked == 4  # 2 + 1 blocks before the first step, one beside the second


@pytest.mark.parametrize("fails", ["drawing", "update"])
def test_an_error_leaves_no_engine_at_work(
    fails: str, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = beside(make_trainer(start, GRPO(), tmp_path, AHEAD))
    assert isinstance(trainer.source, AheadSource)
    source, rows = trainer.source, Rows()
    run(trainer, tmp_path, rows, stop_after=1)
    for file in tmp_path.glob("ahead-000001.jsonl"):
        file.unlink()

    def broken(*arguments: Any, **options: Any) -> Any:
        raise TimeoutError(f"the {fails} fails")  # an OSError, and no fault of the disk

    if fails == "drawing":
        monkeypatch.setattr(source.online.sampler, "generate", broken)
    else:
        monkeypatch.setattr(training.loop, "accumulate_gradients", broken)
    with pytest.raises(TimeoutError, match=f"the {fails} fails"):
        run(trainer, tmp_path, rows)
    assert source.land() == 0.0
    for thread in threading.enumerate():
        if thread.name.startswith("drawing"):
            thread.join(timeout=60)  # it has answered, and may not have ended yet
            assert not thread.is_alive()
    assert not (tmp_path / "ahead-000001.jsonl").exists()


def test_what_was_drawn_ahead_and_is_gone_is_told(start: Path, tmp_path: Path) -> None:
    run(make_trainer(start, OnlineRFT(), tmp_path, AHEAD), tmp_path / "run", rows := Rows(), stop_after=3)
    (tmp_path / "ahead-000001.jsonl").unlink()
    with pytest.raises(RuntimeError, match=r"ahead-000001\.jsonl is gone.*Remove"):
        run(make_trainer(start, OnlineRFT(), tmp_path, AHEAD), tmp_path / "run", rows)
