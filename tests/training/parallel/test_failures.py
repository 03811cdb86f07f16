"""An engine or a task fails on one of two processes: rank 0 raises the error itself, and both end within seconds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Lock

import pytest
import torch
from torch import distributed, multiprocessing

from sampling.sampler import Generation, Request, SamplingConfig
from training.parallel.ranks import Ranks
from training.parallel.sampler import SharedSampler

pytestmark = pytest.mark.timeout(300)  # two processes, each of which imports everything

REQUESTS = [Request(prompt_ids=(3, 4), seed=seed) for seed in range(4)]
SAMPLING = SamplingConfig(max_tokens=4)
PATIENCE = timedelta(seconds=40)  # of what waits for a word: whoever hangs fails after it
SECONDS = 10.0  # most that a failure may take to end both
TOGETHER = timedelta(seconds=3)  # of a sum, where a rank hangs on its way there


class FailingEngine:
    """Draws nothing of worth, or fails as an engine does whose card is full.

    Args:
        fails: in ``"draw"``, in ``"load"``, or never.
    """

    policy_version = 0

    def __init__(self, fails: str) -> None:
        self._fails = fails

    def generate(
        self, requests: Sequence[Request], config: SamplingConfig, on_progress: Callable[[int], None] | None = None
    ) -> list[Generation]:
        self._fail("draw")
        return [Generation(completion_ids=(request.seed,), finish_reason="stop", logprobs=None) for request in requests]

    def logprobs(self, sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[tuple[float, ...]]:
        self._fail("score")
        return []

    def load_weights(self, named_tensors: Iterable[tuple[str, torch.Tensor]], policy_version: int) -> None:
        for _ in named_tensors:
            self._fail("load")

    def _fail(self, where: str) -> None:
        if where == self._fails:
            raise torch.OutOfMemoryError(f"no room to {where}")


def gathered() -> Iterator[tuple[str, torch.Tensor]]:
    """Weights of a sharded policy, each gathered when it is asked for."""
    for name in ("first", "second"):
        tensor = torch.ones(1)
        distributed.all_reduce(tensor)
        yield name, tensor


def draw(ranks: Ranks, engine: SharedSampler) -> object:
    return [generation.completion_ids for generation in engine.generate(REQUESTS, SAMPLING)]


def score(ranks: Ranks, engine: SharedSampler) -> object:
    return engine.logprobs([])


def load(ranks: Ranks, engine: SharedSampler) -> object:
    return engine.load_weights(gathered(), 1)


def passed(ranks: Ranks, engine: SharedSampler) -> object:
    return ranks.together("pass")


def spread(ranks: Ranks, engine: SharedSampler) -> object:
    return ranks.spread(numbers, ["2", "two"])


def spread_first(ranks: Ranks, engine: SharedSampler) -> object:
    return ranks.spread(numbers, ["two", "2"])


def numbers(items: Sequence[str]) -> list[int]:
    return [int(item) for item in items]


def spread_locks(ranks: Ranks, engine: SharedSampler) -> object:
    return ranks.spread(locks, [Lock(), Lock()])


def spread_into_locks(ranks: Ranks, engine: SharedSampler) -> object:
    return ranks.spread(locks, [True, False])


def spread_into_locks_last(ranks: Ranks, engine: SharedSampler) -> object:
    return ranks.spread(locks, [False, True])


def find_lock(ranks: Ranks, engine: SharedSampler) -> object:
    return Lock()


def locks(items: Sequence[object]) -> list[object]:
    """What cannot be sent for what is true, and what can be for the rest."""
    return [Lock() if item else item for item in items]


def pass_through(fails: bool) -> None:
    """A pass through a sharded model, between two of whose layers a rank may fail."""
    for _ in gathered():
        if fails:
            raise torch.OutOfMemoryError("no room to pass")


# What rank 0 does while it leads, where that fails, and on which rank.
CASES = {
    "nobody": (draw, "", -1),
    "draw of rank 0": (draw, "draw", 0),
    "draw of rank 1": (draw, "draw", 1),
    "score of rank 0": (score, "score", 0),
    "load of rank 0": (load, "load", 0),
    "pass of rank 0": (passed, "pass", 0),
    "spread of rank 0": (spread_first, "", -1),
    "spread of rank 1": (spread, "", -1),
    "locks to send": (spread_locks, "", -1),
    "locks of rank 0": (spread_into_locks, "", -1),
    "locks of rank 1": (spread_into_locks_last, "", -1),
    "locks in the end": (find_lock, "", -1),
}

# Sums over ranks, to which all come at about the same time.
SUMS: dict[str, Callable[[Ranks], object]] = {
    "gradients": lambda ranks: ranks.add_up(torch.nn.Linear(1, 1), {"loss": 1.0}),
    "pieces": lambda ranks: ranks.even([torch.arange(1)]),
}


def outcome(case: str, folder: Path, rank: int) -> tuple[str, str, float]:
    """What this process raised or found, its notes, and how many seconds that took; in a group of its own."""
    work, fails, on = CASES[case]
    store = distributed.FileStore(str(folder / case), 2)  # type: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=PATIENCE)
    ranks = Ranks(rank=rank, world=2, control=distributed.new_group(backend="gloo", timeout=PATIENCE))
    ranks.tasks["pass"] = partial(pass_through, fails == "pass" and rank == on)
    engine = SharedSampler(FailingEngine(fails if rank == on else ""), ranks, gathered)
    ranks.wait()
    start = time.perf_counter()
    try:
        found, notes = f"found {ranks.lead(lambda: work(ranks, engine))}", ""
    except (RuntimeError, TypeError, ValueError) as error:
        found, notes = f"{type(error).__name__}: {error}", "".join(getattr(error, "__notes__", ()))
    seconds = time.perf_counter() - start
    ranks.control = None
    distributed.destroy_process_group()  # as the end of the process would
    return found, notes, seconds


def hanging(case: str, sum_up: Callable[[Ranks], object], folder: Path, rank: int) -> tuple[str, str, float]:
    """What rank 0 raised, and after how many seconds, where rank 1 does not come to a sum."""
    store = distributed.FileStore(str(folder / case), 2)  # type: ignore[reportPrivateImportUsage]
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=TOGETHER)
    ranks = Ranks(rank=rank, world=2, control=distributed.new_group(backend="gloo", timeout=PATIENCE))
    ranks.wait()
    start, error = time.perf_counter(), "nothing"
    if rank == 0:
        try:
            sum_up(ranks)
        except RuntimeError as raised:
            error = str(raised)
        (folder / f"{case} is over").touch()
    while not (folder / f"{case} is over").exists():
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    ranks.control = None
    distributed.destroy_process_group()
    return error, "", seconds


def process(rank: int, folder: Path) -> None:
    """One of two."""
    torch.set_num_threads(1)
    found = {case: outcome(case, folder, rank) for case in CASES}
    found |= {case: hanging(case, sum_up, folder, rank) for case, sum_up in SUMS.items()}
    (folder / f"{rank}.json").write_text(json.dumps(found))


Outcomes = list[dict[str, tuple[str, str, float]]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What each of two processes met, by case."""
    folder = tmp_path_factory.mktemp("failures")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(process, args=(folder,), nprocs=2)  # type: ignore[reportPrivateImportUsage]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_nobody_fails(two: Outcomes) -> None:
    assert [found["nobody"][0] for found in two] == ["found [(0,), (1,), (2,), (3,)]"] * 2


@pytest.mark.parametrize("what", ["draw", "score", "load", "pass"])
def test_rank_0_raises_its_own_error_and_the_other_ends(what: str, two: Outcomes) -> None:
    (error, _, seconds), (heard, _, later) = (found[f"{what} of rank 0"] for found in two)
    assert error == f"OutOfMemoryError: no room to {what}"
    assert max(seconds, later) < SECONDS
    if what in ("draw", "score"):  # the other listens, and is told
        assert heard == f"LeaderError: rank 0 failed: {error}"
    else:  # the other waits within what rank 0 left, until that process ends
        assert heard.startswith(("RuntimeError", "DistBackendError")) and "onnection" in heard


def test_rank_0_says_how_another_failed(two: Outcomes) -> None:
    (error, notes, seconds), (heard, _, later) = (found["draw of rank 1"] for found in two)
    assert error == "RuntimeError: rank 1 failed: OutOfMemoryError: no room to draw"
    assert "On rank 1:\nTraceback" in notes and "_fail" in notes
    assert heard == f"LeaderError: rank 0 failed: {error}"
    assert max(seconds, later) < SECONDS


def test_work_that_is_spread_may_fail_on_either(two: Outcomes) -> None:
    (own, _, _), (heard, _, _) = (found["spread of rank 0"] for found in two)
    assert own.startswith("ValueError: invalid literal")
    assert heard == f"LeaderError: rank 0 failed: {own}"
    (error, notes, _), _ = (found["spread of rank 1"] for found in two)
    assert error.startswith("RuntimeError: rank 1 failed: ValueError: invalid literal") and "in numbers" in notes


@pytest.mark.parametrize("which", ["to send", "of rank 0", "of rank 1", "in the end"])
def test_what_cannot_be_pickled_ends_both_at_once(which: str, two: Outcomes) -> None:
    (own, _, seconds), (heard, _, later) = (found[f"locks {which}"] for found in two)
    error = "TypeError: cannot pickle '_thread.lock' object"
    assert own == (f"RuntimeError: rank 1 failed: {error}" if which == "of rank 1" else error)
    assert heard == f"LeaderError: rank 0 failed: {own}"
    assert max(seconds, later) < SECONDS


@pytest.mark.parametrize("what", SUMS)
def test_a_sum_is_given_up_when_a_rank_does_not_come_to_it(what: str, two: Outcomes) -> None:
    error, _, seconds = two[0][what]
    assert "Timed out" in error and "3000ms" in error
    assert seconds < SECONDS
