"""Two processes take the steps of one: same gradients, same trajectory, and the same again after a kill."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from transformers import PreTrainedModel

from algorithms import DPO, GRPO, KTO, PPO, SFT, Algorithm, BatchUnit, DataSource
from tests.training.small_run import Rows, make_trainer, run, save_start, weights
from tests.training.test_update_and_batches import eight_rollouts, gradient, make_model, with_arrays
from training.models.batches import TrainingBatch, build_batch, build_pair_batch
from training.models.logprobs import ForwardOptions
from training.models.microbatches import microbatches
from training.models.packing import pack_attention
from training.models.scores import score_logprobs
from training.parallel.ranks import LeaderError, Ranks
from training.update import accumulate_gradients

METHODS: dict[str, Algorithm] = {
    "sft": SFT(),
    "dpo": DPO(data_source=DataSource.ONLINE),
    "ppo": PPO(normalize_advantages=True),
    "grpo": GRPO(),
    "process": GRPO(supervision="process"),
}


def whole_batch(algorithm: Algorithm):
    build = build_pair_batch if algorithm.batch_unit is BatchUnit.PAIR else build_batch
    built = build(eight_rollouts(), pad_token_id=0)
    assert built is not None
    return with_arrays(built, make_model())


def share_of_gradient(algorithm: Algorithm, ranks: Ranks) -> torch.Tensor:
    """What a rank holds after the gradients are added up."""
    batch, model, unit = whole_batch(algorithm), make_model(), algorithm.batch_unit
    split = ranks.split(batch, unit, lambda share: microbatches(share, unit, tokens=40))
    sums = accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), split, ForwardOptions())
    total = ranks.add_up(model, sums)
    flat = torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])
    return torch.cat([flat, torch.tensor([total["loss"], total["tokens_trained"]], dtype=torch.float64)])


def packed_gradient(ranks: Ranks) -> torch.Tensor:
    """What a rank holds of completions that share prompts, which packed passes compute once."""
    scored = eight_rollouts()
    firsts = {item.rollout.problem.problem_id: item.rollout.prompt_ids for item in reversed(scored)}
    shared = [
        replace(item, rollout=replace(item.rollout, prompt_ids=firsts[item.rollout.problem.problem_id]))
        for item in scored
    ]
    algorithm, model = METHODS["grpo"], make_model()
    pack_attention(model)
    batch = with_arrays(build_batch(shared, pad_token_id=0), make_model())
    assert batch.prompts is not None
    unit = algorithm.batch_unit
    split = ranks.split(batch, unit, lambda share: microbatches(share, unit, tokens=40, packed=True), packed=True)
    ranks.add_up(
        model, accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), split, ForwardOptions())
    )
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


def logprobs(batch: TrainingBatch) -> torch.Tensor:
    return score_logprobs(make_model(), batch, ForwardOptions(microbatch_tokens=40))


def trajectory(name: str, start: Path, folder: Path, ranks: Ranks, *, killed: bool = False) -> torch.Tensor:
    """Weights after five steps, and loss and norm of each; PPO's critic too."""
    rows = Rows()
    for stop_after in (2, None) if killed else (None,):
        trainer = make_trainer(start, METHODS[name], folder)
        trainer.ranks = ranks
        with suppress(LeaderError):  # which rank 1 hears of when rank 0 stops
            run(trainer, folder, rows, stop_after=stop_after)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5]
    numbers = [float(row.get(key) or 0.0) for row in rows for key in ("loss", "grad_norm", "critic_loss")]
    critic = [] if trainer.critic is None else [weights(trainer.critic)]
    return torch.cat([weights(trainer.policy.model), *critic, torch.tensor(numbers)])


def point_of_kto(start: Path, folder: Path, ranks: Ranks) -> torch.Tensor:
    """KTO's KL estimate of a batch, and how many sequences this process passed through π_ref for it all."""
    trainer = make_trainer(start, KTO(), folder)
    trainer.ranks, reference, passed = ranks, trainer.reference, list[int]()
    assert isinstance(reference, PreTrainedModel)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in reference.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    reference.get_input_embeddings().register_forward_hook(lambda _, __, embedded: passed.append(len(embedded)))
    batch = trainer.batch(ranks.lead(lambda: trainer.draw(0)).kept)
    assert batch is not None and batch.tokens.kl_estimate is not None
    return torch.tensor([batch.tokens.kl_estimate, sum(passed), len(batch)])


def with_process(items: Sequence[int]) -> list[tuple[int, int]]:
    """Each item, and the process that was given it."""
    return [(item, os.getpid()) for item in items]


def process(rank: int, folder: Path, start: Path) -> None:
    """One of two."""
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)  # type: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=60))
    ranks = Ranks(rank=rank, world=2)
    found = {f"gradient {name}": share_of_gradient(algorithm, ranks) for name, algorithm in METHODS.items()}
    found["packed"] = packed_gradient(ranks)
    batch = whole_batch(METHODS["grpo"])
    found["numbers"] = ranks.by_rows(batch, logprobs)
    found["of one row"] = ranks.by_rows(batch.rows(torch.tensor([5])), logprobs)
    found["led"] = torch.tensor(ranks.lead(lambda: [10.0 + rank]))
    found["spread"] = torch.tensor(ranks.lead(lambda: ranks.spread(with_process, range(5))))
    found["spread of one"] = torch.tensor(ranks.lead(lambda: ranks.spread(with_process, [7])))
    found["kto"] = point_of_kto(start, folder / "kto", ranks)
    for name in ("dpo", "ppo", "grpo"):
        for killed in (False, True):
            shared = folder / f"{name}-{killed}"
            found[f"{name} {killed}"] = trajectory(name, start, shared, ranks, killed=killed)
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, torch.Tensor]]]:
    """The start, and what each of two processes found."""
    folder = tmp_path_factory.mktemp("ranks")
    start = save_start(folder / "start")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(process, args=(folder, start), nprocs=2)  # type: ignore[reportPrivateImportUsage]
    return start, [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_have_the_gradient_of_one(name: str, two: tuple[Path, list[dict[str, torch.Tensor]]]) -> None:
    algorithm = METHODS[name]
    batch = whole_batch(algorithm)
    whole = gradient(algorithm, batch, [torch.arange(len(batch))])
    assert whole.abs().max() > 1e-4
    for found in two[1]:
        torch.testing.assert_close(found[f"gradient {name}"][:-2], whole, rtol=1e-10, atol=1e-12)


def test_two_processes_have_the_gradient_of_one_of_packed_rows(
    two: tuple[Path, list[dict[str, torch.Tensor]]],
) -> None:
    whole = packed_gradient(Ranks())
    assert whole.abs().max() > 1e-4
    for found in two[1]:
        torch.testing.assert_close(found["packed"], whole, rtol=1e-10, atol=1e-12)


def test_both_have_the_numbers_of_every_row_and_what_rank_0_found(
    two: tuple[Path, list[dict[str, torch.Tensor]]],
) -> None:
    batch = whole_batch(METHODS["grpo"])
    whole, single = logprobs(batch), logprobs(batch.rows(torch.tensor([5])))
    assert (whole.abs().sum(dim=1) > 1).all()  # no row is empty
    for found in two[1]:
        torch.testing.assert_close(found["numbers"], whole, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found["of one row"], single, rtol=1e-10, atol=1e-12)
        assert found["led"].tolist() == [10.0]


def test_work_that_rank_0_spreads_is_done_by_both_and_comes_back_in_order(
    two: tuple[Path, list[dict[str, torch.Tensor]]],
) -> None:
    for found in two[1]:
        items, by = found["spread"].T.tolist()
        assert items == [0, 1, 2, 3, 4]
        assert by[0] == by[1] != by[2] == by[3] == by[4]
        assert found["spread of one"][:, 0].tolist() == [7]
    assert Ranks().spread(with_process, [3]) == [(3, os.getpid())]


def test_the_passes_of_ktos_kl_are_shared_and_its_estimate_is_that_of_one(
    two: tuple[Path, list[dict[str, torch.Tensor]]], tmp_path: Path
) -> None:
    estimate, passed, size = point_of_kto(two[0], tmp_path, Ranks()).tolist()
    assert estimate > 0.01 and passed == 2 * size  # of each completion, and of the one in its place
    for found in two[1]:
        assert found["kto"][0].item() == pytest.approx(estimate, rel=1e-5)
    assert sum(found["kto"][1].item() for found in two[1]) == passed


@pytest.mark.parametrize("name", ["dpo", "ppo", "grpo"])
def test_two_processes_train_as_one_does_and_resume_bit_for_bit(
    name: str, two: tuple[Path, list[dict[str, torch.Tensor]]], tmp_path: Path
) -> None:
    start, (first, second) = two
    single = trajectory(name, start, tmp_path, Ranks())
    at_start = weights(make_trainer(start, METHODS[name], tmp_path / "start").policy.model)
    assert (single[: len(at_start)] - at_start).abs().max() > 1e-3
    torch.testing.assert_close(first[f"{name} False"], single, rtol=1e-5, atol=5e-6)  # of steps of 3e-3, by processor
    assert torch.equal(first[f"{name} False"], second[f"{name} False"])
    assert torch.equal(first[f"{name} False"], first[f"{name} True"])


def test_shares_are_disjoint_whole_and_even() -> None:
    batch = whole_batch(GRPO())
    lengths = batch.lengths
    shares = [
        torch.cat(Ranks(rank=rank, world=3).split(batch, BatchUnit.SEQUENCE, lambda share: [torch.arange(len(share))]))
        for rank in range(3)
    ]
    assert sorted(torch.cat(shares).tolist()) == list(range(8))
    tokens = [int(lengths[share].sum()) for share in shares]
    assert max(tokens) - min(tokens) <= int(lengths.max())


def test_pairs_stay_together_and_a_rank_may_have_none() -> None:
    batch = whole_batch(DPO())
    pair = batch.tokens.require("pair", "the test")
    everything = lambda share: [torch.arange(len(share))]  # noqa: E731
    shares = [Ranks(rank=rank, world=5).split(batch, BatchUnit.PAIR, everything) for rank in range(5)]
    assert [len(share) for share in shares] == [1, 1, 1, 0, 0]
    for (rows,) in shares[:3]:
        assert len(rows) == 2 and len(pair[rows].unique()) == 1


def test_a_rank_beyond_the_world_is_refused() -> None:
    with pytest.raises(ValueError, match="rank 2 of 2 processes; expected 0 to 1"):
        Ranks(rank=2, world=2)


def test_rank_0_asks_only_while_it_leads() -> None:
    with pytest.raises(RuntimeError, match="generate is asked of the other ranks, which do not listen now"):
        Ranks(rank=0, world=2).ask("generate")
    assert Ranks().lead(lambda: 7) == 7
