"""The small reference engine: plain transformers, one token at a time, nothing clever.

It exists to check the vLLM engine against and to run where vLLM does not. Sampling noise is one `torch.Generator` per
request, drawn on the CPU, so a completion depends on its own seed and not on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, DynamicCache

from sampling.rollout import FinishReason
from sampling.sampler import Generation, Request, SamplingConfig
from sampling.stopping import StopTexts
from sampling.truncation import kept
from sampling.weights import load_checkpoint_weights

__all__ = ["TransformersSampler"]


class TransformersSampler:
    """A `Sampler` on transformers.

    Args:
        model: folder of the checkpoint the engine is built from.
        eos_token_ids: tokens that end a completion.
        dtype: weight and compute type.
        batch_size: most sequences decoded side by side.
        device: ``"cpu"`` or ``"cuda"``.
    """

    def __init__(
        self,
        model: Path,
        *,
        eos_token_ids: Sequence[int],
        dtype: Literal["float32", "bfloat16"] = "float32",
        batch_size: int = 64,
        device: str = "cpu",
    ) -> None:
        self.policy_version = 0
        self._eos_token_ids = frozenset(eos_token_ids)
        self._stop_texts = StopTexts(model)
        self._batch_size = batch_size
        self._device = device
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            model, dtype=getattr(torch, dtype), trust_remote_code=False, use_safetensors=True
        )
        self._model = loaded.to(device).eval()

    @torch.no_grad()
    def generate(
        self,
        requests: Sequence[Request],
        config: SamplingConfig,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """See `Sampler.generate`. Prompts of one length share a batch, so that no padding is needed."""
        order = sorted(range(len(requests)), key=lambda index: len(requests[index].prompt_ids))
        generations: dict[int, Generation] = {}
        while order:
            length = len(requests[order[0]].prompt_ids)
            batch = [index for index in order[: self._batch_size] if len(requests[index].prompt_ids) == length]
            order = order[len(batch) :]
            generated = self._generate_batch([requests[index] for index in batch], config)
            generations |= dict(zip(batch, generated, strict=True))
            if on_progress is not None:
                on_progress(len(batch))
        return [generations[index] for index in range(len(requests))]

    def _generate_batch(self, requests: Sequence[Request], config: SamplingConfig) -> list[Generation]:
        generators = [torch.Generator().manual_seed(request.seed) for request in requests]
        tokens = torch.tensor([request.prompt_ids for request in requests], device=self._device)  # (B, prompt)
        finder = self._stop_texts.finder(config.stop)
        cache = DynamicCache()
        ids: list[list[int]] = [[] for _ in requests]
        logprobs: list[list[float]] = [[] for _ in requests]
        limits = [request.limit(config) for request in requests]
        reasons = dict[int, FinishReason]()  # of the rows that have ended
        met = set[int]()
        while len(reasons) < len(requests):
            logits = self._model(tokens, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1].float()
            chosen = _draw(logits, generators, config)  # (B,)
            drawn: list[int] = chosen.tolist()  # a GPU is waited for once a token, not once a row
            of_drawn = _logprobs_of(logits, chosen).tolist() if config.with_logprobs else None
            for row in [row for row in range(len(requests)) if row not in reasons]:
                ids[row].append(drawn[row])
                if of_drawn is not None:
                    logprobs[row].append(of_drawn[row])
                ended = drawn[row] in self._eos_token_ids
                if not ended and finder is not None and finder.met(ids[row]):
                    met.add(row)
                if ended or row in met:
                    reasons[row] = "stop"
                elif len(ids[row]) == limits[row]:
                    reasons[row] = "length"
            tokens = chosen[:, None]
        return [
            Generation(
                completion_ids=tuple(ids[row]),
                finish_reason=reasons[row],
                logprobs=tuple(logprobs[row]) if config.with_logprobs else None,
                met_stop=row in met,
            )
            for row in range(len(requests))
        ]

    @torch.no_grad()
    def logprobs(self, sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[tuple[float, ...]]:
        """See `Sampler.logprobs`; one sequence at a time."""
        result = []
        for prompt_ids, completion_ids in sequences:
            tokens = torch.tensor([[*prompt_ids, *completion_ids]], device=self._device)
            logits = self._model(tokens).logits[0, len(prompt_ids) - 1 : -1].float()  # (T, V)
            result.append(tuple(_logprobs_of(logits, tokens[0, len(prompt_ids) :]).tolist()))
        return result

    @torch.no_grad()
    def load_weights(self, named_tensors: Iterable[tuple[str, torch.Tensor]], policy_version: int) -> None:
        """See `Sampler.load_weights`."""
        load_checkpoint_weights(self._model, dict(named_tensors))
        self.policy_version = policy_version


def _logprobs_of(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """log π of one token a row. (B, V), (B,) -> (B,)."""
    return torch.log_softmax(logits, dim=-1).gather(-1, tokens[:, None])[:, 0]


def _draw(logits: torch.Tensor, generators: Sequence[torch.Generator], config: SamplingConfig) -> torch.Tensor:
    """One token a row: argmax at temperature 0, else the Gumbel trick with the row's own noise. (B, V) -> (B,)."""
    if config.temperature == 0:
        return logits.argmax(dim=-1)
    logprobs = torch.log_softmax(logits / config.temperature, dim=-1)
    if not config.truncation.silent:
        logprobs = logprobs.masked_fill(~kept(logprobs, config.truncation), float("-inf"))
    uniform = torch.stack([torch.rand(logits.shape[-1], generator=generator) for generator in generators])
    gumbel = -torch.log(-torch.log(uniform.clamp_min(1e-20))).to(logits.device)
    return (logprobs + gumbel).argmax(dim=-1)
