"""Packed rows give what padded batches give, whatever the architecture and however the head is cut."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from algorithms import GRPO
from algorithms.interface import BatchUnit, TokenBatch
from training.models import logprobs as logprobs_module
from training.models.attention import share_keys
from training.models.batches import TrainingBatch
from training.models.logprobs import ForwardOptions, splits_at_head, token_logprobs, token_values
from training.models.microbatches import microbatches
from training.models.packing import can_pack, is_packed, pack_attention, pack_batch
from training.models.scores import score_logprobs
from training.update import accumulate_gradients

SIZE: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "head_dim": 8,
    "dtype": "float64",
}
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZE)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZE)),
    "sliding window": lambda: MistralForCausalLM(MistralConfig(**SIZE, sliding_window=4)),
    "scaled logits": lambda: GraniteForCausalLM(GraniteConfig(**SIZE, logits_scaling=3.0)),
}


def make(name: str) -> Any:
    torch.manual_seed(0)
    model: Any = MODELS[name]()
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):  # transformers takes the norm in float32, which 1e-9 would see
            module.forward = partial(_norm, module)
    return model.double().eval()


def _norm(module: Any, hidden: torch.Tensor) -> torch.Tensor:
    return module.weight * hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + module.variance_epsilon)


def batch_of(lengths: Sequence[tuple[int, int]] = ((3, 5), (7, 1), (2, 9), (5, 4), (3, 12))) -> TrainingBatch:
    generator = torch.Generator().manual_seed(1)
    prompts, completions = torch.tensor(lengths).T
    total = prompts + completions
    ids = torch.randint(1, 40, (len(lengths), int(total.max())), generator=generator)
    tokens = TokenBatch(
        completion_mask=torch.arange(int(completions.max())) < completions[:, None],
        rewards=(torch.arange(len(lengths)) % 2 == 0).double(),
        group=torch.zeros(len(lengths), dtype=torch.int64),
    )
    return TrainingBatch(input_ids=ids, prompt_lengths=prompts, lengths=total, tokens=tokens)


def sharing_batch() -> TrainingBatch:
    """Three prompts, of which two are shared, by three and by two sequences, not side by side."""
    batch = batch_of(((3, 5), (7, 1), (3, 9), (5, 4), (7, 6), (3, 2)))
    prompts = torch.tensor([0, 1, 0, 2, 1, 0])
    for row, like in ((2, 0), (5, 0), (4, 1)):
        length = int(batch.prompt_lengths[row])
        batch.input_ids[row, :length] = batch.input_ids[like, :length]
    return replace(batch, prompts=prompts)


BATCHES = {"no prompt twice": batch_of, "shared prompts": sharing_batch}


def by_hand(model: Any, batch: TrainingBatch) -> torch.Tensor:
    """Each sequence alone, through nothing of ours."""
    result = torch.zeros(batch.tokens.completion_mask.shape, dtype=torch.float64)
    for row in range(len(batch)):
        ids = batch.input_ids[row : row + 1, : int(batch.lengths[row])]
        table = torch.log_softmax(model(input_ids=ids).logits[0], -1)
        first, last = int(batch.prompt_lengths[row]), int(batch.lengths[row])
        for position in range(first, last):
            result[row, position - first] = table[position - 1, ids[0, position]]
    return result


@pytest.mark.parametrize("make_batch", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("name", MODELS)
def test_packed_logprobs_are_those_of_each_sequence_alone(name: str, make_batch: Callable[[], TrainingBatch]) -> None:
    model, batch = make(name), make_batch()
    expected = by_hand(model, batch)
    padded = token_logprobs(model, batch)
    pack_attention(model)
    packed = token_logprobs(model, batch)
    torch.testing.assert_close(padded, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(packed, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make_batch", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("name", MODELS)
def test_packed_gradients_are_the_padded_ones_however_the_row_is_cut(
    name: str, make_batch: Callable[[], TrainingBatch]
) -> None:
    batch, algorithm = make_batch(), GRPO(kl_coef=0.0)
    gradients = []
    for packed, tokens in ((False, 1000), (True, 1000), (True, 13), (True, 1)):
        model = make(name)
        if packed:
            pack_attention(model)
        split = microbatches(batch, BatchUnit.SEQUENCE, tokens=tokens, packed=packed)
        accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), split, ForwardOptions())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert gradients[0].abs().max() > 1e-3
    for other in gradients[1:]:
        torch.testing.assert_close(other, gradients[0], rtol=0, atol=1e-9)


def test_the_head_in_chunks_gives_the_same_logprobs_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for numbers in (2**28, 40 * 7):  # all 31 completion tokens at once, or 7 at a time, recomputed
        monkeypatch.setattr(logprobs_module, "LOGITS_AT_A_TIME", numbers)
        for packed in (False, True):
            model, batch = make("llama"), batch_of()
            if packed:
                pack_attention(model)
            logprobs = token_logprobs(model, batch, temperature=0.7)
            logprobs.square().sum().backward()
            results.append((logprobs.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])))
    for logprobs, gradient in results[1:]:
        torch.testing.assert_close(logprobs, results[0][0], rtol=0, atol=1e-9)
        torch.testing.assert_close(gradient, results[0][1], rtol=0, atol=1e-9)


def test_no_more_logits_exist_at_a_time_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logprobs_module, "LOGITS_AT_A_TIME", 40 * 7)
    model, batch, seen = make("llama"), batch_of(), []
    splits_at_head(model)  # tries the head on a few tokens
    pack_attention(model)
    model.lm_head.register_forward_hook(lambda _, __, out: seen.append(out.numel()))
    token_logprobs(model, batch).sum().backward()
    forward = [280, 280, 280, 280, 120]  # 31 completion tokens, and the prompts' never
    assert seen == [*forward, *reversed(forward)], "once forward and once more, from the end, in the backward pass"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("make_batch", BATCHES.values(), ids=BATCHES)
def test_values_of_a_packed_row_are_those_of_the_padded_batch(
    make_batch: Callable[[], TrainingBatch], after: bool
) -> None:
    batch = make_batch()
    body, head = make("llama").base_model, torch.nn.Linear(32, 1).double()
    padded = token_values(body, head, batch, after=after)
    packed_body = copy.deepcopy(body)
    pack_attention(packed_body)
    assert is_packed(packed_body)
    torch.testing.assert_close(token_values(packed_body, head, batch, after=after), padded, rtol=0, atol=1e-9)
    assert (padded[~batch.tokens.completion_mask] == 0).all()


def test_bfloat16_packed_and_padded_agree_within_rounding() -> None:
    model, batch = make("llama").float(), batch_of()
    exact = token_logprobs(model, batch).detach()
    padded = token_logprobs(model, batch, use_autocast=True).detach()
    pack_attention(model)
    packed = token_logprobs(model, batch, use_autocast=True).detach()
    scale = float((padded - exact).abs().max())  # what bfloat16 itself costs here
    assert 0 < scale < 0.05
    assert float((packed - padded).abs().max()) <= 2 * scale


def test_scoring_in_pieces_is_scoring_at_once() -> None:
    model, batch = make("qwen3"), batch_of()
    whole = score_logprobs(model, batch, ForwardOptions())
    pack_attention(model)
    for tokens in (1, 9, 30):
        pieces = score_logprobs(model, batch, ForwardOptions(microbatch_tokens=tokens))
        torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-9)


def test_a_packed_row_has_no_padding_and_restarts_positions() -> None:
    packed = pack_batch(batch_of([(2, 1), (1, 3)]))
    assert packed.inputs["position_ids"].tolist() == [[0, 1, 2, 0, 1, 2, 3]]
    assert packed.inputs["cu_seq_lens_q"].tolist() == [0, 3, 7]
    assert packed.predicting.tolist() == [1, 3, 4, 5]  # before the one completion token, and before the three
    assert packed.places.tolist() == [0, 3, 4, 5]  # of a (2, 3) array


def test_a_shared_prompt_is_computed_once_and_seen_by_all_its_completions() -> None:
    packed = pack_batch(sharing_batch())
    assert packed.inputs["input_ids"].shape == (1, 3 + 7 + 5 + 5 + 1 + 9 + 4 + 6 + 2)
    assert packed.inputs["cu_seq_lens_q"].diff().tolist() == [3, 7, 5, 5, 1, 9, 4, 6, 2]
    assert packed.inputs["cu_seq_lens_k"].diff().tolist() == [3, 7, 5, 8, 8, 12, 9, 13, 5]
    assert packed.inputs["position_ids"][0, 15:21].tolist() == [3, 4, 5, 6, 7, 7]  # of the first two completions
    assert packed.predicting[[0, 1, 5]].tolist() == [2, 15, 9]  # the last token of a prompt speaks for each of its own
    assert packed.inputs["key_rows"][15:23].tolist() == [0, 1, 2, 15, 16, 17, 18, 19]


def test_shared_keys_get_the_gradient_that_gathering_them_would_give() -> None:
    packed = pack_batch(sharing_batch()).inputs
    rows, own, copies = (packed[name] for name in ("key_rows", "own_keys", "copies"))
    given = torch.randn(packed["input_ids"].shape[1], 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda row: share_keys(row, rows, own, copies), given)
    torch.testing.assert_close(share_keys(given, rows, own, copies), given[rows], rtol=0, atol=0)


def test_a_piece_counts_a_shared_prompt_once_and_keeps_its_completions_together() -> None:
    batch = sharing_batch()  # prompts of 3, 7 and 5 tokens with completions of 5, 9, 2; 1, 6; 4
    split = microbatches(batch, BatchUnit.SEQUENCE, tokens=19, packed=True)
    assert [rows.tolist() for rows in split] == [[0, 2, 5], [1, 4], [3]]  # 19; 14; 9 tokens
    assert [len(pack_batch(batch.rows(rows)).inputs["input_ids"][0]) for rows in split] == [19, 14, 9]
    split = microbatches(batch, BatchUnit.SEQUENCE, tokens=13, packed=True)
    assert [rows.tolist() for rows in split] == [[0], [2], [5, 1], [4], [3]]


def test_long_prompts_of_short_completions_are_split_by_the_keys_they_are_seen_as() -> None:
    batch = replace(batch_of([(20, 1)] * 10), prompts=torch.zeros(10, dtype=torch.int64))
    split = microbatches(batch, BatchUnit.SEQUENCE, tokens=60, packed=True)
    assert [len(rows) for rows in split] == [4, 4, 2]  # 24 tokens, and 104 keys where 120 are allowed


def test_pieces_are_counted_in_tokens_with_padding_only_where_there_is_padding() -> None:
    batch = batch_of()  # 8, 8, 11, 9, 15 tokens
    padded = microbatches(batch, BatchUnit.SEQUENCE, tokens=26)
    packed = microbatches(batch, BatchUnit.SEQUENCE, tokens=26, packed=True)
    assert [rows.tolist() for rows in padded] == [[4], [2, 3], [0, 1]]
    assert [rows.tolist() for rows in packed] == [[4, 2], [3, 0, 1]]


def test_rows_without_gradient_are_twice_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch, widths = make("llama"), sharing_batch(), list[int]()
    pack_attention(model)
    monkeypatch.setattr(logprobs_module, "pack_batch", _counting(widths))
    whole = score_logprobs(model, batch, ForwardOptions(microbatch_tokens=100))
    pieces = score_logprobs(model, batch, ForwardOptions(microbatch_tokens=10))  # 20 tokens: as `tokens=19` above
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-9)
    assert widths == [42, 19, 14, 9]


def _counting(widths: list[int]) -> Callable[[TrainingBatch], Any]:
    def pack(batch: TrainingBatch) -> Any:
        packed = pack_batch(batch)
        widths.append(packed.inputs["input_ids"].shape[1])
        return packed

    return pack


def test_what_is_fused_behind_the_head_gets_views_whatever_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code is made anew where a tensor is a view in one call and its own in the next."""
    views = list[bool]()

    def number(logits: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
        views.append(targets._is_view())
        return logits.sum(dim=-1) * temperature

    head = torch.nn.Linear(4, 8)
    for rows in (2, 100):
        monkeypatch.setattr(logprobs_module, "LOGITS_AT_A_TIME", rows * 8)
        logprobs_module._at_head(number, head, torch.ones(5, 4), torch.arange(5), 1.0)
    assert len(views) == 4 and all(views)


def test_attention_with_a_soft_cap_is_refused_before_training() -> None:
    config = Gemma2Config(**SIZE, attn_logit_softcapping=50.0)
    model: Any = Gemma2ForCausalLM(config)
    assert not can_pack(model)
    with pytest.raises(ValueError, match="packed = false"):
        pack_attention(model)


def test_an_architecture_that_scales_its_logits_is_not_cut_at_the_head() -> None:
    assert splits_at_head(make("llama"))
    assert not splits_at_head(make("scaled logits"))
