"""Out of memory: half the piece, the same gradient, said once; nothing lost."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import pytest
import torch

import training.pieces
import training.update
from algorithms import GRPO
from tests.training.small_run import TRAINING, make_trainer, save_start, weights
from training.loop import take_step
from training.pieces import PATIENCE, PieceSize, allocator_retries, is_device_error


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *, room: int | None) -> tuple[torch.Tensor, int, list[str]]:
    """Two steps with room for `room` tokens a pass: the weights, the piece's size and what was said."""
    whole = training.update.token_logprobs

    def limited(model, batch, **options):  # type: ignore[no-untyped-def]
        if room is not None and batch.input_ids.numel() > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")
        return whole(model, batch, **options)

    training_config = dataclasses.replace(TRAINING, microbatch_tokens=1024)
    trainer = make_trainer(save_start(folder / "start"), GRPO(kl_coef=0.1), folder, training_config)
    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        patched.setattr(training.update, "token_logprobs", limited)
        for step in range(2):
            take_step(trainer, step)
    spoken = [str(item.message) for item in said if "out of memory" in str(item.message)]
    return weights(trainer.policy.model), trainer.pieces.tokens, spoken


def test_an_update_without_room_is_repeated_in_halves_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, size, said = run(tmp_path / "a", monkeypatch, room=None)
    assert (size, said) == (1024, [])
    halved, size, said = run(tmp_path / "b", monkeypatch, room=150)
    assert size == 128
    assert len(said) == 3, "once for each halving, and not again at the second step"
    assert "microbatch_tokens = 128" in said[-1]
    torch.testing.assert_close(halved, expected, rtol=1e-4, atol=1e-6)


def test_a_model_that_does_not_fit_at_all_says_what_to_lower() -> None:
    def work(tokens: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.warns(RuntimeWarning), pytest.raises(torch.OutOfMemoryError, match="kv_cache_gib"):
        PieceSize(tokens=512).run(work)


def test_pieces_grow_again_where_the_room_comes_back() -> None:
    """Full at the first pass, then room for 300 tokens, then for all: 1024 → 256, 512 tried in vain once, then 1024."""
    room, sizes = 256, []

    def work(tokens: int) -> int:
        sizes.append(tokens)
        if tokens > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return tokens

    pieces = PieceSize(tokens=1024)
    with pytest.warns(RuntimeWarning) as said:
        assert pieces.run(work) == 256
    assert len(said) == 2
    room = 300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [pieces.run(work) for _ in range(PATIENCE)] == [256] * PATIENCE
        assert sizes[-2:] == [512, 256], "tried once, in vain, and not told of again"
        room = 1024
        assert [pieces.run(work) for _ in range(2 * PATIENCE - 1)] == [256] * (2 * PATIENCE - 1), "more patient now"
        assert pieces.run(work) == 512
        assert [pieces.run(work) for _ in range(2 * PATIENCE)][-1] == 1024
        assert pieces.run(work) == 1024
    assert len(sizes) == 3 + PATIENCE + 1 + 2 * PATIENCE + 2 * PATIENCE + 1


def test_a_card_that_is_nearly_full_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three retries in a pass are a larger batch's; four are said, with the fields to lower, and not again."""
    retries = 0
    monkeypatch.setattr(training.pieces, "allocator_retries", lambda: retries)

    def passes(count: int) -> int:
        def work(tokens: int) -> int:
            nonlocal retries
            retries += count
            return tokens

        return pieces.run(work)

    pieces = PieceSize(tokens=1024)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [passes(3) for _ in range(5)] == [1024] * 5
    with pytest.warns(
        RuntimeWarning, match=r"nearly full: 40 times .* microbatch_tokens \(1024\), engine\.vllm\.kv_cache_gib"
    ):
        assert passes(40) == 1024, "pieces stay as they are: they fit"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert passes(40) == 1024


def test_retries_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "memory_stats_as_nested_dict", lambda: {"num_alloc_retries": 7})
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert allocator_retries() == 0, "never asked where there is no GPU"
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert allocator_retries() == 7


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (torch.AcceleratorError("CUDA error: an illegal memory access was encountered"), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("The size of tensor a (2) must match the size of tensor b (3)"), False),
        (ValueError("CUDA error: device-side assert triggered"), False),
    ],
)
def test_errors_of_a_device_that_is_lost(error: Exception, lost: bool) -> None:
    assert is_device_error(error) is lost
    outer = ValueError("the reward failed")
    outer.__cause__ = error
    assert is_device_error(outer) is lost
