"""Two processes take the steps of an SFT and of a reward model's fit, whole and sharded: the weights of one."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing

from algorithms import SFT
from algorithms.interface import Aggregation
from tests.training.reward_models.small_model import planted, scalar_model
from tests.training.small_run import Rows, demonstrations_of, save_start
from training.checkpoints import checkpoints_in, read_weights
from training.config import SupervisedConfig
from training.loop import train
from training.models.logprobs import ForwardOptions
from training.models.policy import load_policy
from training.models.shards import shard, whole
from training.optimizers import muon_and_adamw, named_adamw
from training.parallel.ranks import Ranks
from training.restore import restore
from training.reward_models.config import RewardModelConfig
from training.reward_models.fit import fit_trainer, held_out
from training.stopping import AtStep, StopRule
from training.trainer import Trainer

pytestmark = pytest.mark.timeout(900)  # two processes, each of which imports everything

SUPERVISED = SupervisedConfig(
    batch_size=3, learning_rate=3e-3, max_steps=5, target_pass_at_1=None, microbatch_tokens=40
)
REWARDS = RewardModelConfig(
    supervision="process", batch_size=7, epochs=2, learning_rate=3e-3, warmup_steps=2, microbatch_tokens=40
)
FITS = ("sft muon", "sft adamw", "reward model")
SHARDS = ("none", "full")


def prepared(fit: str, start: Path, ranks: Ranks, parts: str) -> tuple[Trainer, StopRule]:
    """Trainer and rule at the start, in float64."""
    if fit == "reward model":
        model = scalar_model(start)
        examples = planted(model, 21, seed=0)
        model.model.double()
        trainer, _ = fit_trainer(model, examples, REWARDS, seed="0", ranks=ranks, shard=parts)  # type: ignore[arg-type]
    else:
        policy = load_policy(start)
        source = demonstrations_of(policy)
        policy.model.double()
        trainer = Trainer(
            policy=policy,
            algorithm=SFT(aggregation=Aggregation.TOKEN_MEAN),
            config=replace(SUPERVISED.as_training(), shard=parts),
            source=source,
            sampler=None,
            reward=None,
            make_optimizers=muon_and_adamw if fit == "sft muon" else named_adamw,
            ranks=ranks,
        )
    return trainer, AtStep(trainer.config, checkpoint_every=2)


class Killed(Exception):
    """All processes die."""


class DyingRows(Rows):
    """A log in whose third row every process dies."""

    def append(self, row: dict) -> None:  # type: ignore[override]
        super().append(row)
        if len(self) == 3:
            raise Killed


def fitted(fit: str, start: Path, folder: Path, ranks: Ranks, *trainings: tuple[str, bool]) -> Tensor:
    """All weights after the last step, and loss and norm of every one.

    Args:
        fit: of `FITS`.
        start: folder of the model.
        folder: of the checkpoints.
        ranks: the processes.
        trainings: one after the other, how it is sharded and whether it is killed in its third step.
    """
    held = Rows()
    for parts, killed in trainings:
        trainer, rule = prepared(fit, start, ranks, parts)
        rows = DyingRows(held) if killed else Rows(held)
        done = restore(trainer, rule, folder, agreed=len(rows)).step
        assert done == (2 if held else 0)
        rows.drop_after(done)
        with suppress(Killed):
            train(trainer, rule, done=done, checkpoints=folder, log=rows)
        held = Rows(rows)
    steps = trainer.config.steps
    assert [row["step"] for row in held] == [*range(1, steps + 1)] and steps >= 5
    numbers = [float(row[name] or 0.0) for row in held for name in ("loss", "grad_norm")]
    flat = [whole(each.detach()).flatten() for each in trainer.policy.model.parameters()]
    return torch.cat([*flat, torch.tensor(numbers, dtype=torch.float64)])


def measured(start: Path, *, sharded: bool) -> Tensor:
    """Temperature and probabilities of a model with a random head on what it was not fitted to."""
    model = scalar_model(start, head_seed=1)
    examples = planted(model, 9, seed=1)
    if sharded:
        shard(model.model, torch.device("cpu"))
    found = held_out(model, examples, ForwardOptions(microbatch_tokens=40))
    return torch.tensor([found.temperature, *found.probabilities])


def process(rank: int, folder: Path, start: Path) -> None:
    """One of two."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)  # type: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    ranks = Ranks(rank=rank, world=2)
    found = {"measured": measured(start, sharded=True)}
    for fit in FITS:
        for parts in SHARDS:
            at = folder / f"{fit}-{parts}"
            found[f"{fit} {parts}"] = fitted(fit, start, at, ranks, (parts, False))
            found[f"{fit} {parts} killed"] = fitted(
                fit, start, at.with_suffix(".killed"), ranks, (parts, True), (parts, False)
            )
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


Two = tuple[Path, list[dict[str, Tensor]]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """The folder, and what each of two processes found."""
    folder = tmp_path_factory.mktemp("fits")
    start = save_start(folder / "start")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(process, args=(folder, start), nprocs=2)  # type: ignore[reportPrivateImportUsage]
    return folder, [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def single(two: Two, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """What one process gets."""
    folder = tmp_path_factory.mktemp("single")
    return {fit: fitted(fit, two[0] / "start", folder / fit, Ranks(), ("none", False)) for fit in FITS}


@pytest.mark.parametrize("parts", SHARDS)
@pytest.mark.parametrize("fit", FITS)
def test_two_processes_fit_as_one_does_and_resume_bit_for_bit(
    fit: str, parts: str, two: Two, single: dict[str, Tensor]
) -> None:
    trainer, _ = prepared(fit, two[0] / "start", Ranks(), "none")
    before = torch.cat([each.detach().flatten() for each in trainer.policy.model.parameters()])
    assert (single[fit][: len(before)] - before).abs().max() > 1e-3
    first, second = two[1]
    torch.testing.assert_close(first[f"{fit} {parts}"], single[fit], rtol=1e-10, atol=1e-10)
    assert torch.equal(first[f"{fit} {parts}"], second[f"{fit} {parts}"])
    assert torch.equal(first[f"{fit} {parts}"], first[f"{fit} {parts} killed"])


@pytest.mark.parametrize("fit", FITS)
def test_what_parts_leave_is_whole(fit: str, two: Two) -> None:
    folder, (first, _) = two
    held = read_weights(checkpoints_in(folder / f"{fit}-full")[-1])
    trainer, _ = prepared(fit, folder / "start", Ranks(), "none")
    own = dict(trainer.policy.model.named_parameters())
    assert held.keys() == own.keys()
    flat = torch.cat([held[name].flatten() for name in own])
    assert torch.equal(flat, first[f"{fit} full"][: len(flat)])


@pytest.mark.parametrize("fit", FITS)
def test_one_process_goes_on_with_a_fit_of_parts(fit: str, two: Two, single: dict[str, Tensor], tmp_path: Path) -> None:
    """Moments too: without them the next step would be another."""
    before = checkpoints_in(two[0] / f"{fit}-full")[-2]
    shutil.copytree(before, tmp_path / before.name)
    trainer, rule = prepared(fit, two[0] / "start", Ranks(), "none")
    rows = Rows({"step": step} for step in range(1, trainer.config.steps))
    done = restore(trainer, rule, tmp_path, agreed=len(rows)).step
    assert 0 < done < trainer.config.steps
    train(trainer, rule, done=done, checkpoints=tmp_path, log=rows)
    flat = torch.cat([each.detach().flatten() for each in trainer.policy.model.parameters()])
    torch.testing.assert_close(flat, single[fit][: len(flat)], rtol=1e-10, atol=1e-10)


def test_held_out_problems_are_scored_the_same_by_parts(two: Two) -> None:
    expected = measured(two[0] / "start", sharded=False)
    assert abs(expected[0] - 1) > 0.05 and expected[1:].std() > 0.01
    for found in two[1]:
        torch.testing.assert_close(found["measured"], expected, rtol=1e-4, atol=1e-5)
