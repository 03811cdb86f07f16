"""The processes of one run: each passes its share of a batch, and the gradients are added up.

Every rank holds the whole batch, so credit, coefficients and denominators are those of a single process; only passes
through models and the drawing of completions are split. What must be the same everywhere and what touches files is
done once: rank 0 *leads* (draws, judges, evaluates, chooses the checkpoint), the others help its engine meanwhile, and
all go on with what it found. A single process is the default, for which nothing here does anything.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.tensor import DTensor

from algorithms.interface import BatchUnit
from sampling.sampler import stretches
from training.models.batches import TrainingBatch
from training.models.transfer import sent
from training.parallel.shares import share_of

__all__ = ["LeaderError", "Ranks"]

BUCKET = 2**25  # numbers that are added up over ranks at a time

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class LeaderError(RuntimeError):
    """Rank 0 failed in what it did for all."""


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """What a rank hands in instead of its part.

    Attributes:
        error: its kind and message.
        printed: with the lines of code that it came from.
    """

    error: str
    printed: str


def _no_help(what: str, arguments: tuple[Any, ...]) -> None:
    raise RuntimeError(f"rank 0 asks for {what}, and this process has no engine to help with.")


@dataclass(kw_only=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: from 0.
        world: number of processes; more than 1 needs torch's default process group.
        control: the group that words go through, over gloo and as patient as need be; ``None`` takes the default group.
        help: what this process does when rank 0 asks for it while it leads: `(what, arguments)`.
        tasks: what all processes do together whenever rank 0 says so, by name: passes through sharded models.
    """

    rank: int = 0
    world: int = 1
    control: Any = None
    help: Callable[[str, tuple[Any, ...]], None] = _no_help
    tasks: dict[str, Callable[..., Any]] = field(default_factory=dict)
    _leading: bool = field(init=False, default=False)
    _heard: bool = field(init=False, default=True)  # false when the others may be inside what rank 0 left by an error

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank {self.rank} of {self.world} processes; expected 0 to {self.world - 1}.")

    # Words: from rank 0 to the others.

    def tell(self, word: object) -> None:
        """Rank 0: give all others a picklable word, which each takes with `hear`."""
        distributed.broadcast_object_list([word], src=0, group=self.control)

    def hear(self) -> Any:
        """The others: wait for the next word of rank 0."""
        word = [None]
        distributed.broadcast_object_list(word, src=0, group=self.control)
        return word[0]

    def lead(self, work: Callable[[], _Result]) -> _Result:
        """What `work()` returns on rank 0, on every rank; the others do what it asks of them until it is done.

        Within it rank 0 may lead again, and asks with `ask`. The result must be picklable.

        Raises:
            LeaderError: on the others, where rank 0 raised an exception; that one goes its own way there. Of one in
                the midst of what all do `beside` one another they hear nothing, and end when its process does.
        """
        if self.world == 1 or self._leading:
            return work()
        if self.rank == 0:
            return self._lead(work)
        while True:
            what, *arguments = self.hear()
            if what == "result":
                return arguments[0]
            if what == "failed":
                raise LeaderError(f"rank 0 failed: {arguments[0]}")
            if what == "together":
                self.tasks[arguments[0]](*arguments[1:])
            elif what == "spread":
                self._spread(arguments[0], None)
            else:
                self.help(what, tuple(arguments))

    def _lead(self, work: Callable[[], _Result]) -> _Result:
        self._leading = self._heard = True
        try:
            result = work()
            self.tell(("result", result))  # here, so that they hear of one that cannot be pickled
            return result
        except Exception as error:
            if self._heard:
                self.tell(("failed", f"{type(error).__name__}: {error}"))
            raise
        finally:
            self._leading = False

    def ask(self, what: str, *arguments: object) -> None:
        """Rank 0, while it leads: have the others call `help` with this, and go on beside them.

        Raises:
            RuntimeError: nobody is listening, because rank 0 does not lead.
        """
        if not self._leading:
            raise RuntimeError(f"{what} is asked of the other ranks, which do not listen now; expected Ranks.lead.")
        self.tell((what, *arguments))

    def together(self, task: str, *arguments: Any) -> Any:
        """What the task of that name gives with these picklable arguments; it is done on every rank at once.

        Called by rank 0 while it leads, or by all.
        """
        if self._leading:
            self.tell(("together", task, *arguments))
        return self.beside(lambda: self.tasks[task](*arguments))

    def spread(self, work: Callable[[Sequence[_Item]], Sequence[_Result]], items: Sequence[_Item]) -> list[_Result]:
        """What `work(items)` gives, item by item; while rank 0 leads, each rank does a stretch of them.

        Called by rank 0 or by a single process.

        Args:
            work: gives one result an item, whatever stands beside it; a function of a module, so that it can be named.
            items: picklable.

        Raises:
            RuntimeError: another rank failed, see `gather`.
        """
        if not self._leading or self.world == 1:
            return list(work(items))
        parts = [pickle.dumps(part) for part in stretches(items, self.world)]  # may fail: before others wait
        self.tell(("spread", work))
        return [result for part in self._spread(work, parts) for result in part]

    def _spread(self, work: Callable[[Any], Any], parts: list[bytes] | None) -> list[Any]:
        """This rank's part of `spread`; rank 0 hands out all parts, and gets what everyone made of them."""
        own: list[Any] = [None]
        distributed.scatter_object_list(own, parts, src=0, group=self.control)
        return self.gather(lambda: work(pickle.loads(own[0])))

    def beside(self, work: Callable[[], _Result]) -> _Result:
        """What `work()` returns, within which the other ranks may wait for this one, since they do the same.

        Where rank 0 fails they may wait for ever and hear no word, so it raises its error without one.
        """
        try:
            return work()
        except Exception:
            self._heard = False
            raise

    def call(self, word: object) -> None:
        """Rank 0: have the others begin what this process begins, which `word` says; they are waiting for it."""
        if self.world > 1 and self.rank == 0:
            self.tell(word)

    def gather(self, work: Callable[[], _Result]) -> list[_Result]:
        """On rank 0 what `work()` returns on every rank, by rank; on the others nothing. Called by all, as it leads.

        A rank that fails, or whose part cannot be pickled, hands that in, so that nobody waits for it; the others hear
        of it from rank 0, in `lead`.

        Raises:
            RuntimeError: on rank 0, where another failed; its own error goes its own way.
        """
        try:
            own = pickle.dumps(work())
        except Exception as error:
            printed = "".join(traceback.format_exception(error))
            self._gather(_Failure(error=f"{type(error).__name__}: {error}", printed=printed))
            if self.rank == 0:
                raise
            return []
        parts = []
        for rank, part in enumerate(self._gather(own)):
            if isinstance(part, _Failure):
                error = RuntimeError(f"rank {rank} failed: {part.error}")
                error.add_note(f"On rank {rank}:\n{part.printed}")
                raise error
            parts.append(pickle.loads(part))
        return parts

    def _gather(self, own: object) -> list[Any]:
        everyone: list[Any] | None = [None] * self.world if self.rank == 0 else None
        distributed.gather_object(own, everyone, dst=0, group=self.control)
        return everyone or []

    def wait(self) -> None:
        """Return when every rank has come here."""
        if self.world > 1:
            distributed.barrier(group=self.control)

    # Numbers: the passes of a batch, through the default group, which gives up waiting for a rank that hangs.

    def split(
        self,
        batch: TrainingBatch,
        unit: BatchUnit,
        pieces: Callable[[TrainingBatch], list[Tensor]],
        *,
        packed: bool = False,
    ) -> list[Tensor]:
        """Rows of this rank's pieces; all ranks' together are every row once, and units are never split.

        Args:
            batch: the whole optimiser step, the same on every rank.
            unit: what must stay together.
            pieces: rows of each piece of a batch, which is here this rank's share.
            packed: whether passes compute a shared prompt once; see `share_of`.

        Returns:
            Indices into `batch`; none where there are fewer units than ranks and this rank has none.
        """
        if self.world == 1:
            return pieces(batch)
        own = torch.tensor(share_of(batch, unit, self.rank, self.world, packed=packed), dtype=torch.int64)
        return [own[rows] for rows in pieces(batch.rows(own))] if len(own) else []

    def even(self, pieces: list[Tensor]) -> list[Tensor]:
        """As many pieces as the rank with the most has: this one's, and empty ones. Called by all."""
        if self.world == 1:
            return pieces
        most = torch.tensor(len(pieces))
        distributed.all_reduce(most, op=distributed.ReduceOp.MAX)
        return [*pieces, *[torch.zeros(0, dtype=torch.int64)] * (int(most) - len(pieces))]

    def by_rows(
        self, batch: TrainingBatch, score: Callable[[TrainingBatch], Tensor], *, packed: bool = False
    ) -> Tensor:
        """Numbers of every completion token, each rank's share scored by itself. (B, T), the same on every rank.

        Args:
            batch: B sequences, the same on every rank.
            score: (B', T') numbers of some of them, zero outside the mask.
            packed: whether passes compute a shared prompt once; see `share_of`.
        """
        if self.world == 1:
            return score(batch)
        own = share_of(batch, BatchUnit.SEQUENCE, self.rank, self.world, packed=packed)
        rows = torch.tensor(own or [0])  # a rank without any scores one, so that all have the same type
        part = score(batch.rows(rows))
        result = torch.zeros(batch.tokens.completion_mask.shape, dtype=part.dtype, device=part.device)
        if own:
            result[sent(rows, part.device), : part.shape[1]] = part
        distributed.all_reduce(result)  # each number is one rank's, and 0 elsewhere: exact
        return result

    def add_up(self, model: nn.Module, sums: Mapping[str, float]) -> dict[str, float]:
        """The gradients of all ranks, added up in `.grad`, and their sums likewise; the same on every rank.

        Args:
            model: its `.grad` holds this rank's share; a parameter that no rank's share reached keeps ``None``, and one
                of which each rank has a part has all ranks' sum already.
            sums: of this rank's share, already divided by the whole batch's denominators.
        """
        if self.world == 1:
            return dict(sums)
        trained = [each for each in model.parameters() if each.requires_grad and not isinstance(each, DTensor)]
        mine = (dict(sums), [parameter.grad is not None for parameter in trained])
        everyone = [mine] * self.world
        distributed.all_gather_object(everyone, mine)
        gradients = []
        for number, parameter in enumerate(trained):
            if any(reached[number] for _, reached in everyone):
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            flat = torch.cat([gradient.flatten() for gradient in bucket])
            distributed.all_reduce(flat)
            parts = flat.split([gradient.numel() for gradient in bucket])
            for gradient, part in zip(bucket, parts, strict=True):
                gradient.copy_(part.view_as(gradient))
        total: dict[str, float] = {}
        for of_rank, _ in everyone:
            for name, value in of_rank.items():
                total[name] = total.get(name, 0.0) + value
        return total


def _buckets(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """The same tensors in their order, those of one type together up to `BUCKET` numbers."""
    buckets: list[list[Tensor]] = []
    for tensor in tensors:
        last = buckets[-1] if buckets else []
        if last and last[0].dtype == tensor.dtype and sum(each.numel() for each in (*last, tensor)) <= BUCKET:
            last.append(tensor)
        else:
            buckets.append([tensor])
    return buckets
