"""Sharded models on two processes train as whole ones on one: gradients, norms, trajectories, checkpoints, resumes."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed, multiprocessing, nn
from torch.nn.utils import clip_grad_norm_
from transformers import AutoModelForCausalLM

from algorithms import DPO, GRPO, PPO, SFT, Algorithm, DataSource, OnlineRFT
from tests.training.parallel.test_ranks import whole_batch
from tests.training.small_run import TRAINING, Rows, make_trainer, run, save_start, weights
from tests.training.test_update_and_batches import gradient, make_model
from training.checkpoints import checkpoints_in
from training.models.batches import TrainingBatch
from training.models.logprobs import ForwardOptions, splits_at_head
from training.models.microbatches import microbatches
from training.models.scores import score_logprobs
from training.models.shards import clip_gradient, shard, whole
from training.parallel.ranks import LeaderError, Ranks
from training.pieces import PieceSize
from training.requirements import check_requirements
from training.update import accumulate_gradients

pytestmark = pytest.mark.timeout(900)  # two processes, each of which imports everything

METHODS: dict[str, Algorithm] = {
    "sft": SFT(),
    "dpo": DPO(data_source=DataSource.ONLINE),
    "ppo": PPO(normalize_advantages=True),
    "grpo": GRPO(),
    "online_rft": OnlineRFT(),
}
STALE = "grpo, one step behind"
TRAINED = ("online_rft", "ppo", "grpo", STALE)
SHARDED = replace(TRAINING, shard="full")
MOST_NORM = 0.01


def sharded_model() -> nn.Module:
    model = make_model()
    splits_at_head(model)
    shard(model, torch.device("cpu"))
    return model


def whole_gradient(model: nn.Module) -> torch.Tensor:
    return torch.cat([whole(each.grad).flatten() for each in model.parameters() if each.grad is not None])


def of_sharded_model(algorithm: Algorithm, ranks: Ranks, tokens: int) -> dict[str, torch.Tensor]:
    """Gradient, loss and norm, the gradient when it is clipped, and how many pieces were this rank's."""
    batch, model, unit = whole_batch(algorithm), sharded_model(), algorithm.batch_unit
    own = ranks.split(batch, unit, lambda share: microbatches(share, unit, tokens=tokens))
    split, credit = ranks.even(own), algorithm.credit(batch.tokens)
    total = ranks.add_up(model, accumulate_gradients(model, algorithm, batch, credit, split, ForwardOptions()))
    found = {"gradient": whole_gradient(model), "pieces": torch.tensor(len(own))}
    told = torch.tensor([total["loss"], clip_gradient(model, MOST_NORM)], dtype=torch.float64)
    return found | {"loss and norm": told, "clipped": whole_gradient(model)}


def logprobs(model: nn.Module, batch: TrainingBatch, ranks: Ranks) -> torch.Tensor:
    return ranks.by_rows(
        batch, lambda share: score_logprobs(model, share, ForwardOptions(microbatch_tokens=20, even=ranks.even))
    )


def trajectory(
    name: str, start: Path, folder: Path, ranks: Ranks | None, *trainings: tuple[bool, int | None]
) -> torch.Tensor:
    """Weights after five steps, and loss and norm of each; PPO's critic too.

    Args:
        name: of the method.
        start: folder of the policy.
        folder: of the checkpoints.
        ranks: the processes; `None` is one.
        trainings: one after the other, whether it is sharded and the step after which it is killed.
    """
    rows = Rows()
    drawn = folder / f"drawn-{0 if ranks is None else ranks.rank}"  # rank 0 alone draws
    drawn.mkdir(parents=True)
    for sharded, stop_after in trainings:
        training = SHARDED if sharded else TRAINING
        if name == STALE:
            training = replace(training, max_staleness=1, iteration_steps=None)
        trainer = make_trainer(start, METHODS[name.partition(",")[0]], drawn, training, ranks=ranks)
        with suppress(LeaderError):  # which rank 1 hears of when rank 0 stops
            run(trainer, folder, rows, stop_after=stop_after)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5][-len(rows) :]
    numbers = [float(row.get(key) or 0.0) for row in rows[-3:] for key in ("loss", "grad_norm", "critic_loss")]
    models = [trainer.policy.model] if trainer.critic is None else [trainer.policy.model, trainer.critic]
    held = [whole(each.detach()).flatten() for model in models for each in model.parameters()]
    return torch.cat([*held, torch.tensor(numbers)])


def process(rank: int, folder: Path, start: Path) -> None:
    """One of two."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)  # type: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    ranks = Ranks(rank=rank, world=2)
    found = {}
    for name, algorithm in METHODS.items():
        for tokens in (20, 1000):
            for what, tensor in of_sharded_model(algorithm, ranks, tokens).items():
                found[f"{what} {name} {tokens}"] = tensor
    batch, model = whole_batch(METHODS["grpo"]), sharded_model()
    found["numbers"] = logprobs(model, batch, ranks)
    found["of one row"] = logprobs(model, batch.rows(torch.tensor([5])), ranks)
    for name in TRAINED:
        found[f"{name} whole run"] = trajectory(name, start, folder / name, ranks, (True, None))
        found[f"{name} killed"] = trajectory(name, start, folder / f"{name}-2", ranks, (True, 2), (True, None))
    found["unsharded"] = trajectory("ppo", start, folder / "ppo-3", ranks, (True, 2), (False, None))
    found["sharded later"] = trajectory("ppo", start, folder / "ppo-4", ranks, (False, 2), (True, None))
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


Two = tuple[Path, list[dict[str, torch.Tensor]]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """The folder, and what each of two processes found."""
    folder = tmp_path_factory.mktemp("shards")
    start = save_start(folder / "start")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(process, args=(folder, start), nprocs=2)  # type: ignore[reportPrivateImportUsage]
    return folder, [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def single(two: Two, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The trajectories of one process."""
    folder = tmp_path_factory.mktemp("single")
    return {name: trajectory(name, two[0] / "start", folder / name, None, (False, None)) for name in TRAINED}


def assert_alike(found: torch.Tensor, expected: torch.Tensor) -> None:
    """The same but for rounding, which AdamW makes a step of its own of where a gradient is nothing else."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert (found - expected).abs().mean() < 1e-7


@pytest.mark.parametrize("tokens", [20, 1000])
@pytest.mark.parametrize("name", METHODS)
def test_parts_have_the_gradient_the_loss_and_the_norm_of_the_whole(name: str, tokens: int, two: Two) -> None:
    algorithm = METHODS[name]
    batch, model = whole_batch(algorithm), make_model()
    expected = gradient(algorithm, batch, [torch.arange(len(batch))])
    assert expected.norm() > MOST_NORM
    for parameter, part in zip(
        model.parameters(), expected.split([p.numel() for p in model.parameters()]), strict=True
    ):
        parameter.grad = part.view_as(parameter).clone()
    norm = clip_grad_norm_(model.parameters(), MOST_NORM)
    for found in two[1]:
        torch.testing.assert_close(found[f"gradient {name} {tokens}"], expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found[f"loss and norm {name} {tokens}"][1], norm, rtol=1e-10, atol=0)
        torch.testing.assert_close(found[f"clipped {name} {tokens}"], whole_gradient(model), rtol=1e-10, atol=1e-12)


def test_ranks_had_unequally_many_pieces(two: Two) -> None:
    assert [int(found["pieces dpo 20"]) for found in two[1]] == [1, 2]


def test_all_have_the_numbers_of_every_row(two: Two) -> None:
    batch = whole_batch(METHODS["grpo"])
    expected = score_logprobs(make_model(), batch, ForwardOptions())
    assert (expected.abs().sum(dim=1) > 1).all()
    for found in two[1]:
        torch.testing.assert_close(found["numbers"], expected, rtol=1e-10, atol=1e-12)
        row = found["of one row"]
        torch.testing.assert_close(row[0], expected[5, : row.shape[1]], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", TRAINED)
def test_sharded_processes_train_as_one_does_and_resume_bit_for_bit(
    name: str, two: Two, single: dict[str, torch.Tensor]
) -> None:
    first, second = two[1]
    start = weights(AutoModelForCausalLM.from_pretrained(two[0] / "start"))
    assert (single[name][: len(start)] - start).abs().max() > 1e-3
    assert_alike(first[f"{name} whole run"], single[name])
    assert torch.equal(first[f"{name} whole run"], second[f"{name} whole run"])
    assert torch.equal(first[f"{name} whole run"], first[f"{name} killed"])


def test_a_run_goes_on_with_and_without_shards(two: Two, single: dict[str, torch.Tensor]) -> None:
    for found in two[1]:
        for way in ("unsharded", "sharded later"):
            assert_alike(found[way], single["ppo"])


def test_one_process_goes_on_with_a_sharded_run(two: Two, single: dict[str, torch.Tensor], tmp_path: Path) -> None:
    [*_, newest] = checkpoints_in(two[0] / "ppo")
    [*_, before] = [each for each in checkpoints_in(two[0] / "ppo") if each != newest]
    shutil.copytree(before, tmp_path / "ppo" / before.name)
    trainer = make_trainer(two[0] / "start", METHODS["ppo"], tmp_path / "ppo")
    rows = Rows([{"step": step} for step in (1, 2, 3, 4)])
    assert run(trainer, tmp_path / "ppo", rows) == 4
    held = torch.cat([weights(trainer.policy.model), weights(trainer.critic)])  # type: ignore[arg-type]
    assert_alike(held, single["ppo"][: len(held)])


def test_checkpoints_are_whole_and_load_anywhere(two: Two) -> None:
    folder = checkpoints_in(two[0] / "ppo")[-1]
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert type(model).__name__ == "LlamaForCausalLM" and model.config.architectures == ["LlamaForCausalLM"]
    held = weights(model)
    assert torch.equal(held, two[1][1]["ppo whole run"][: len(held)])  # rank 1's, of parts
    moments = load_file(folder / "training" / "optimizer.safetensors")
    shapes = [moments[f"{number}.exp_avg"].shape for number, _ in enumerate(model.parameters())]
    assert shapes == [parameter.shape for parameter in model.parameters()]
    assert load_file(folder / "training" / "critic.safetensors")["head.weight"].shape == (1, 32)


def test_pieces_of_a_sharded_model_are_not_halved() -> None:
    def too_large(tokens: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError, match=r"a piece of 512 tokens .* set microbatch_tokens to 256"):
        PieceSize(tokens=512, fixed=True).run(too_large)


def test_shards_are_refused_where_they_cannot_be(tmp_path: Path) -> None:
    check_requirements(GRPO(), SHARDED, "grpo", ranks=2)
    with pytest.raises(ValueError, match="grpo: shard is 'full', and one process trains the run; expected several"):
        check_requirements(GRPO(), SHARDED, "grpo")
    pytest.importorskip("torchao")
    with pytest.raises(ValueError, match="shard is 'full' and optimizer 'adamw_8bit', whose blocks of 256 numbers"):
        check_requirements(GRPO(), replace(SHARDED, optimizer="adamw_8bit"), "grpo", ranks=2)


def test_one_process_shards_nothing(tmp_path: Path) -> None:
    start = save_start(tmp_path / "start")
    with pytest.raises(ValueError, match="shard is 'full' and one process trains the run; expected several"):
        make_trainer(start, GRPO(), tmp_path, SHARDED)
