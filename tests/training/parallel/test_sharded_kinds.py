"""Architectures, adapters, precision and layers that are computed again, each sharded over two processes."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing, nn

from tests.training.models.test_packing import batch_of
from tests.training.models.tiny import save_tiny
from tests.training.reward_models.small_model import scalar_model
from tests.training.reward_models.test_model import ROLLOUTS
from tests.training.small_run import save_start
from training.models.logprobs import ForwardOptions, splits_at_head, token_logprobs
from training.models.lora import add_adapters, frozen_copy
from training.models.packing import checkpoint_layers, pack_attention
from training.models.policy import learnt_weights, load_learnt_weights, load_policy, named_weights
from training.models.shards import shard, whole
from training.parallel.ranks import Ranks
from training.reward_models.serving import LearnedReward, RewardModel

pytestmark = pytest.mark.timeout(900)  # see test_shards

CASES = {
    "llama": (),
    "llama, all options": ("packed", "again", "autocast"),
    "llama with adapters": ("adapters", "again"),
    "llama with adapters in bfloat16": ("adapters", "autocast", "packed"),
    "qwen2": (),
    "qwen3_moe": (),
    "gpt_neox": (),
}


def kind_of(case: str) -> str:
    return case.partition(",")[0].partition(" ")[0]


def model_of(case: str, folder: Path) -> nn.Module:
    model, options = load_policy(folder / kind_of(case)).model, CASES[case]
    if "adapters" in options:
        add_adapters(model, rank=2, alpha=8.0, seed=0, under_autocast="autocast" in options)
        for number, (name, parameter) in enumerate(model.named_parameters()):
            if "lora_B" in name:  # which starts at zero
                nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(number))
    splits_at_head(model, use_autocast="autocast" in options)
    return model


def prepared(model: nn.Module, case: str) -> nn.Module:
    if "packed" in CASES[case]:
        pack_attention(model)
    if "again" in CASES[case]:
        checkpoint_layers(model)
    return model


def results(model: nn.Module, case: str) -> dict[str, Tensor]:
    """Logprobs, the gradient of their sum, and the weights as engines get them."""
    logprobs = token_logprobs(model, batch_of(), use_autocast="autocast" in CASES[case])
    logprobs.sum().backward()
    parts = [whole(each.grad).flatten() for each in model.parameters() if each.grad is not None]
    return {"logprobs": logprobs.detach(), "gradient": torch.cat(parts)} | dict(named_weights(model))


def of_case(case: str, folder: Path) -> dict[str, float]:
    """Largest differences between a whole and a sharded model, relative to the largest number."""
    one, two = model_of(case, folder), model_of(case, folder)
    reference = frozen_copy(two)
    splits_at_head(reference, use_autocast="autocast" in CASES[case])
    for model in (two, reference):
        shard(model, torch.device("cpu"))
    expected, found = results(prepared(one, case), case), results(prepared(two, case), case)
    found["gradient"] = found["gradient"] / 2  # both ranks passed the same
    assert found.keys() == expected.keys()
    told = {name: difference(found[name], expected[name]) for name in ("logprobs", "gradient")}
    told["weights"] = max(difference(found[name], expected[name]) for name in dict(named_weights(one)))
    with torch.no_grad():
        of_reference = token_logprobs(prepared(reference, case), batch_of(), use_autocast="autocast" in CASES[case])
    told["reference"] = difference(of_reference, expected["logprobs"])
    held = learnt_weights(one)
    written = learnt_weights(two)
    assert written.keys() == held.keys()
    if distributed.get_rank() == 0:
        told["written"] = max(difference(written[name], held[name]) for name in held)
    load_learnt_weights(two, {name: 2 * tensor for name, tensor in held.items()})
    again = results(two, case)
    load_learnt_weights(one, {name: 2 * tensor for name, tensor in held.items()})
    told["loaded"] = difference(again["logprobs"], results(one, case)["logprobs"])
    told["moved"] = -difference(again["logprobs"], expected["logprobs"])
    return told


def probabilities(folder: Path, *, sharded: bool, ranks: Ranks) -> Tensor:
    """What a reward model says of completions, of which two have one prompt; asked by rank 0 where it is sharded."""
    policy = scalar_model(folder / "scalar", head_seed=1)
    model = RewardModel(members=[policy], temperatures=[1.5], options=ForwardOptions(microbatch_tokens=20))
    if sharded:
        shard(policy.model, torch.device("cpu"))
        ranks.tasks["score"] = model.probabilities
        model.together = partial(ranks.together, "score")
    found = ranks.lead(lambda: LearnedReward(name="model", model=model)(ROLLOUTS, ()).total)
    return torch.tensor(found)


def difference(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max() / other.double().abs().max())


def process(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), 2)  # type: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=300))
    found = {case: of_case(case, folder) for case in CASES}
    one, two = (probabilities(folder, sharded=each, ranks=Ranks(rank=rank, world=2)) for each in (False, True))
    assert len(set(one.tolist())) == len(ROLLOUTS)
    found["reward model"] = {"probabilities": difference(two, one)}
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, float]]]:
    """What each of two processes found."""
    pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("kinds")
    for kind in {kind_of(case) for case in CASES}:
        save_tiny(kind, folder / kind)
    save_start(folder / "scalar")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(process, args=(folder,), nprocs=2)  # type: ignore[reportPrivateImportUsage]
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_a_sharded_model_is_the_whole_one(case: str, two: list[dict[str, dict[str, float]]]) -> None:
    for found in two:
        assert found[case].pop("moved") < -1e-2  # the weights that were loaded are others
        assert {name: value for name, value in found[case].items() if not value <= 1e-5} == {}
    assert "written" in two[0][case]


def test_a_sharded_reward_model_says_what_the_whole_one_says(two: list[dict[str, dict[str, float]]]) -> None:
    assert [found["reward model"]["probabilities"] <= 1e-6 for found in two] == [True, True]
