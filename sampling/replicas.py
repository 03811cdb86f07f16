"""Several engines that share the work, each in a process of its own; one card holds two as well as one.

A vLLM engine is bound by its host: a decode step of a small model keeps the GPU busy for a fraction of its time. Two
engines in two processes fill it better (docs/performance.md has the numbers). A request's seed decides its sample, so
which engine draws it does not matter.

Weights go through one block of memory that all processes see, on the card itself where they lie there: the caller
writes it once, in the engines' number type, and every engine reads it at the same time.
"""

from __future__ import annotations

import math
import multiprocessing
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Literal

from sampling.sampler import Generation, Request, Sampler, SamplingConfig, stretches

if TYPE_CHECKING:
    import torch

__all__ = ["EngineProcessError", "ReplicatedSampler"]

Sequences = Sequence[tuple[tuple[int, ...], tuple[int, ...]]]


class EngineProcessError(RuntimeError):
    """An engine's process failed or ended."""


class ReplicatedSampler:
    """A `Sampler` that spreads requests over engines in processes of their own.

    Args:
        build: makes one engine; called in each process, so it must be picklable.
        count: engines.
        dtype: type of the engines' weights; they are handed over in it.

    Raises:
        EngineProcessError: an engine could not be built.
    """

    def __init__(
        self, build: Callable[[], Sampler], *, count: int, dtype: Literal["float32", "bfloat16"] = "float32"
    ) -> None:
        self.policy_version = 0
        self._dtype = dtype
        self._block: torch.Tensor | None = None
        self._layout = list[_Place]()
        self.engines = tuple(_RemoteEngine(build, number) for number in range(count))
        for engine in self.engines:
            engine.answer()  # all are built side by side

    def generate(
        self,
        requests: Sequence[Request],
        config: SamplingConfig,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """See `Sampler.generate`. Neighbours stay together, so that the samples of a prompt share its cache."""
        for engine, share in zip(self.engines, stretches(requests, len(self.engines)), strict=True):
            engine.ask("generate", (list(share), config))
        self._follow(on_progress)
        return [generation for engine in self.engines for generation in engine.answer()]

    def _follow(self, on_progress: Callable[[int], None] | None) -> None:
        """Hand on progress until every engine has answered."""
        pipes = {engine.pipe: engine for engine in self.engines}
        while pipes:
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Connection)
                done = pipes[pipe].progress()
                if done is None:
                    del pipes[pipe]
                elif on_progress is not None:
                    on_progress(done)

    def logprobs(self, sequences: Sequences) -> list[tuple[float, ...]]:
        """See `Sampler.logprobs`; the first engine's. `engines` has each one's."""
        return self.engines[0].logprobs(sequences)

    def load_weights(self, named_tensors: Iterable[tuple[str, torch.Tensor]], policy_version: int) -> None:
        """See `Sampler.load_weights`; all engines at once."""
        self._write(named_tensors)
        for engine in self.engines:
            engine.ask("load", (policy_version,))
        for engine in self.engines:
            engine.answer()
        self.policy_version = policy_version

    def _write(self, named_tensors: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy the weights end to end into the shared block, each as soon as it is handed over: it may be gathered.

        Another policy may hand over the same weights in another order; they are laid out anew then.
        """
        import torch

        kept, others = 0, list[tuple[str, torch.Tensor]]()
        for name, tensor in named_tensors:
            place = self._layout[kept] if kept < len(self._layout) and not others else None
            if place is None or (place.name, place.shape) != (name, tuple(tensor.shape)) or self._block is None:
                others.append((name, tensor))
                continue
            if tensor.device != self._block.device and not kept:
                self._share(self._layout, tensor.device)
            place.view(self._block).copy_(tensor)
            kept += 1
        if others or kept < len(self._layout):
            before = [] if self._block is None else [(at.name, at.view(self._block)) for at in self._layout[:kept]]
            self._lay_out([*before, *others])
        if self._block is not None and self._block.is_cuda:
            torch.cuda.synchronize(self._block.device)  # the engines read the block from streams of their own

    def _lay_out(self, tensors: Sequence[tuple[str, torch.Tensor]]) -> None:
        """Make a block in which these weights have their places, and copy them there."""
        layout, size = list[_Place](), 0
        for name, tensor in tensors:
            layout.append(_Place(name=name, start=size, shape=tuple(tensor.shape)))
            size += tensor.numel()
        block = self._share(layout, tensors[-1][1].device)
        for place, (_, tensor) in zip(layout, tensors, strict=True):
            place.view(block).copy_(tensor)

    def _share(self, layout: list[_Place], device: torch.device) -> torch.Tensor:
        """A new block, made known to the engines."""
        import torch

        self._layout = layout
        self._block = torch.empty(layout[-1].end, dtype=getattr(torch, self._dtype), device=device)
        if device.type == "cpu":
            self._block.share_memory_()
        for engine in self.engines:
            engine.ask("share", (self._block, layout))
        for engine in self.engines:
            engine.answer()
        return self._block

    def close(self) -> None:
        """End the processes."""
        for engine in self.engines:
            engine.close()


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a weight lies in the shared block, in numbers."""

    name: str
    start: int
    shape: tuple[int, ...]

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.start + math.prod(self.shape)

    def view(self, block: torch.Tensor) -> torch.Tensor:
        return block[self.start : self.end].view(self.shape)


class _RemoteEngine:
    """The caller's end of one engine's process."""

    def __init__(self, build: Callable[[], Sampler], number: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._name = f"engine {number}"
        self._result: Any = None
        self._answered = False
        self._process = context.Process(target=_serve, args=(theirs, build), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, what: str, argument: Any) -> None:
        import torch.multiprocessing  # noqa: F401  (teaches the pipe to hand over shared memory)

        self._answered = False
        try:
            self.pipe.send((what, argument))
        except (BrokenPipeError, OSError) as error:
            raise EngineProcessError(f"{self._name} has ended ({error}); its log says why. Start again.") from error

    def progress(self) -> int | None:
        """The next message: completions that finished, or ``None`` where it is the answer."""
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(timeout=5)
            raise EngineProcessError(
                f"{self._name} ended with exit code {self._process.exitcode} in the middle of its work; "
                "a lack of memory is the usual reason: lower engine.vllm.kv_cache_gib or engine.replicas."
            ) from error
        if kind == "failed":
            raise EngineProcessError(f"{self._name} failed:\n{value}")
        if kind == "progress":
            return value
        self._result, self._answered = value, True
        return None

    def answer(self) -> Any:
        while not self._answered:
            self.progress()
        return self._result

    def logprobs(self, sequences: Sequences) -> list[tuple[float, ...]]:
        self.ask("logprobs", (list(sequences),))
        return self.answer()

    def close(self) -> None:
        self.pipe.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()


def _serve(pipe: Connection, build: Callable[[], Sampler]) -> None:
    """An engine's process: answer until the caller hangs up."""
    import torch

    block, layout = torch.empty(0), []
    try:
        sampler = build()
        pipe.send(("answer", None))
        while True:
            what, argument = pipe.recv()
            result: Any = None
            if what == "generate":
                requests, config = argument
                result = sampler.generate(requests, config, lambda count: pipe.send(("progress", count)))
            elif what == "logprobs":
                result = sampler.logprobs(*argument)
            elif what == "share":
                block, layout = argument
            else:
                sampler.load_weights([(place.name, place.view(block)) for place in layout], argument[0])
                if block.is_cuda:
                    torch.cuda.synchronize(block.device)  # before the caller writes the block again
            pipe.send(("answer", result))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return
    except Exception:  # told to the caller, who raises it
        pipe.send(("failed", traceback.format_exc()))
