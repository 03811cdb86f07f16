"""One run in several processes: what torchrun started finds one another, and rank 0 has the others do what it does.

Rank 0 is the command: it plans, holds the folder and starts a worker as ever, and that worker is rank 0 of the process
group. The other processes are ranks themselves: they wait for a job, do their part of it in a folder that is thrown
away, and end when they are told to. A process that ends before that ends all: torch's elastic agent sees to it on one
machine, and the closed connections do between several.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.parallel.ranks import Ranks

__all__ = ["Rank", "RankError", "launch", "rank_of_environment"]

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = timedelta(days=30)  # for rank 0's next word: it may draw for hours what the others wait for
TOGETHER = timedelta(minutes=30)  # for a sum over ranks, to which all come at about the same time


class RankError(RuntimeError):
    """The processes of a run do not find one another, or have lost one."""


@dataclass(frozen=True, kw_only=True)
class Rank:
    """A process among those that torchrun started.

    Attributes:
        rank: of all, from 0.
        world: number of all.
        local: of those on this machine, from 0.
        local_world: number of those.
    """

    rank: int
    world: int
    local: int
    local_world: int

    def enter(self, *, gpu: bool) -> None:
        """Take this process's own GPU and no other, before torch looks for any; end with whoever started it.

        Raises:
            RankError: the machine has fewer GPUs than processes.
        """
        if gpu:
            named = os.environ.get("CUDA_VISIBLE_DEVICES")
            cards = [*map(str, range(self.local_world))] if named is None else named.split(",") if named else []
            if cards and self.local >= len(cards):
                raise RankError(
                    f"rank {self.rank} is process {self.local} of its machine, and CUDA_VISIBLE_DEVICES has "
                    f"{len(cards)} GPUs; expected one for each of {self.local_world} processes."
                )
            if cards:
                os.environ["CUDA_VISIBLE_DEVICES"] = cards[self.local]
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()

    def join(self) -> Ranks:
        """The process group, joined.

        Raises:
            RankError: the others did not come.
        """
        import torch
        from torch import distributed

        from training.parallel.ranks import Ranks

        backend = "cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo"
        try:
            distributed.init_process_group(backend, timeout=TOGETHER, rank=self.rank, world_size=self.world)
            control = distributed.new_group(backend="gloo", timeout=PATIENCE)
        except (RuntimeError, ValueError) as error:
            where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise RankError(
                f"rank {self.rank} of {self.world} did not find the others at {where}: {str(error).splitlines()[0]}"
            ) from error
        elastic = [name for name in os.environ if name.startswith("TORCHELASTIC_")]
        for name in (*VARIABLES, "LOCAL_WORLD_SIZE", "GROUP_RANK", *elastic):  # no part of what an engine's process is
            os.environ.pop(name, None)
        return Ranks(rank=self.rank, world=self.world, control=control)


def rank_of_environment() -> Rank | None:
    """What torchrun says of this process; ``None`` where nobody does.

    Raises:
        RankError: some of its variables are set and others are not, or one is no number.
    """
    held = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    if not held.keys() & {"RANK", "WORLD_SIZE"}:
        return None
    lacking = [name for name in VARIABLES if name not in held]
    if lacking:
        raise RankError(
            f"{', '.join(held)} are set and {', '.join(lacking)} are not; expected all of them, as torchrun sets them "
            "(torchrun --nproc-per-node N -m experiments train …), or neither RANK nor WORLD_SIZE."
        )
    try:
        rank, world, local = (int(held[name]) for name in VARIABLES[:3])
        local_world = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    except ValueError as error:
        raise RankError(f"of {', '.join(VARIABLES[:3])} one is no number: {error}.") from error
    if not 0 <= rank < world:
        raise RankError(f"RANK is {rank} and WORLD_SIZE {world}; expected a rank from 0 to {world - 1}.")
    return Rank(rank=rank, world=world, local=local, local_world=local_world)


def launch(count: int) -> None:
    """Start this command `count` times, as ``torchrun --standalone`` does, and wait until all have ended.

    Raises:
        RankError: one of them failed or was killed; the others are ended with it.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        run_id=f"coeflab-{os.getpid()}",
        max_restarts=0,
        local_addr="127.0.0.1",
    )
    try:
        elastic_launch(config, sys.executable)("-m", "experiments", *sys.argv[1:])
    except ChildFailedError as error:
        number, failure = error.get_first_failure()
        if number == 0 and failure.exitcode > 0:  # it has said why
            raise SystemExit(failure.exitcode) from None
        how = (
            f"was ended by {failure.signal_name()}"
            if failure.exitcode < 0
            else f"failed (exit code {failure.exitcode})"
        )
        raise RankError(
            f"rank {number} of {count} (process {failure.pid}) {how}, and the others were ended with it; what it "
            f"printed is in logs/rank-{number}.log of the results. Start the same command again to go on from the last "
            "checkpoint."
        ) from None


def _end_with_parent(parent: int) -> None:
    """End this process when its parent is gone, however that went."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
