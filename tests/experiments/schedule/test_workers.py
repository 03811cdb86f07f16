"""Jobs that fail or are killed take only those with them that wait for them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.recipes.files import load_object
from experiments.schedule import workers
from experiments.schedule.cards import card_of, visible_cards
from experiments.schedule.workers import Job, run_jobs


def succeed(value: int, report: Any) -> tuple[int, int]:
    return value, os.getpid()


def fail(report: Any) -> None:
    raise ZeroDivisionError("no such number")


def fail_in_a_file(file: str, report: Any) -> None:
    load_object(f"{file}:credit")()


def be_killed(report: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(
    jobs: list[Job], logs: Path, workers: int, on_retry: Callable[[str, str], None] = lambda job, why: None
) -> tuple[dict[str, Any], dict[str, str]]:
    done: dict[str, Any] = {}
    failed: dict[str, str] = {}
    run_jobs(
        jobs,
        workers=workers,
        threads=1,
        logs=logs,
        on_progress=lambda *progress: None,
        on_done=done.__setitem__,
        on_failed=failed.__setitem__,
        on_retry=on_retry,
    )
    return done, failed


@dataclass(frozen=True, kw_only=True)
class Call:
    """A job that calls a function."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    after: tuple[str, ...] = ()

    def run(self, samplers: Any, report: Any) -> Any:
        return self.function(*self.arguments, report)


def job(name: str, function: Any, *arguments: Any, after: tuple[str, ...] = ()) -> Job:
    return Call(name=name, function=function, arguments=arguments, after=after)


def test_failures_are_isolated(tmp_path: Path) -> None:
    jobs = [
        job("raises", fail),
        job("killed", be_killed),
        job("waits", succeed, 1, after=("raises",)),
        job("waits longer", succeed, 2, after=("waits", "first")),
        job("first", succeed, 3),
        job("second", succeed, 4, after=("first",)),
    ]
    done, failed = run(jobs, tmp_path, workers=1)
    assert {name: value for name, (value, _) in done.items()} == {"first": 3, "second": 4}
    assert done["first"][1] == done["second"][1]  # a worker goes on after a job that ended well
    assert set(failed) == {"raises", "killed", "waits", "waits longer"}
    assert failed["raises"].startswith("ZeroDivisionError: no such number")
    assert "exit code -9" in failed["killed"]
    assert failed["waits"] == failed["waits longer"] == "not started, because raises failed"
    assert "ZeroDivisionError" in (tmp_path / "worker-0.log").read_text()


def be_killed_later(report: Any) -> None:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()


def take_a_while(report: Any) -> None:
    time.sleep(1.5)


def lose_its_device(times: int, error: type[Exception], said: str, marks: Path, report: Any) -> int:
    """Fails as torch does with a card that is lost, the first `times` times; then its process."""
    (marks / str(os.getpid())).touch()
    if len(list(marks.iterdir())) <= times:
        raise error(said)
    return os.getpid()


def wrap(*arguments: Any) -> int:
    try:
        return lose_its_device(*arguments)
    except RuntimeError as error:
        raise ValueError("the reward failed") from error


@pytest.mark.parametrize(
    ("function", "error", "said"),
    [
        (lose_its_device, torch.AcceleratorError, "CUDA error: an illegal memory access was encountered"),
        (wrap, RuntimeError, "CUDA error: device-side assert triggered"),
    ],
)
def test_a_job_that_loses_its_device_is_tried_once_more_in_a_fresh_process(
    function: Any, error: type[Exception], said: str, tmp_path: Path
) -> None:
    """After a CUDA error every later call in that process fails, so the next arms need another one too.

    What counts as such an error is in `tests/training/test_pieces.py`.
    """
    once, ever = tmp_path / "once", tmp_path / "ever"
    once.mkdir()
    ever.mkdir()
    retried: list[tuple[str, str]] = []
    jobs = [
        job("once", function, 1, error, said, once),
        job("waits", succeed, 1, after=("once",)),
        job("ever", function, 99, error, said, ever),
        job("other", succeed, 2),
    ]
    done, failed = run(jobs, tmp_path / "logs", workers=1, on_retry=lambda name, why: retried.append((name, why)))
    assert set(done) == {"once", "waits", "other"} and set(failed) == {"ever"}
    assert len(list(once.iterdir())) == len(list(ever.iterdir())) == 2  # processes
    assert [name for name, _ in retried] == ["once", "ever"]
    assert all(said in why or "the reward failed" in why for why in [*failed.values(), *(why for _, why in retried)])


def test_a_worker_that_dies_idle_takes_no_job_with_it(tmp_path: Path) -> None:
    jobs = [
        job("its last", be_killed_later),
        job("slow", take_a_while),
        job("one", succeed, 1, after=("slow", "its last")),
        job("two", succeed, 2, after=("slow", "its last")),
        job("after one", succeed, 3, after=("one",)),
    ]
    done, failed = run(jobs, tmp_path, workers=2)
    assert failed == {}
    assert set(done) == {"its last", "slow", "one", "two", "after one"}


def test_a_job_that_no_process_lives_to_take_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process ends at once; without a limit the command would go on starting them."""
    started = []

    def start(self: workers.WorkerPool) -> Connection:
        ours, theirs = multiprocessing.Pipe()
        theirs.close()
        process = multiprocessing.get_context("spawn").Process()
        started.append(process)
        monkeypatch.setattr(process, "join", lambda timeout: None)
        self._workers[ours] = workers._Worker(process=process, log=tmp_path / "log")
        return ours

    monkeypatch.setattr(workers.WorkerPool, "_start", start)
    monkeypatch.setattr("multiprocessing.process.BaseProcess.kill", lambda self: None)
    done, failed = run([job("unlucky", succeed, 1), job("waits", succeed, 2, after=("unlucky",))], tmp_path, workers=1)
    assert done == {}
    assert failed["unlucky"].startswith("3 fresh processes ended before they could take it")
    assert failed["waits"] == "not started, because unlucky failed"
    assert len(started) == 4


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        ([job("a", succeed, 1), job("a", succeed, 2)], "different names"),
        ([job("a", succeed, 1, after=("b",))], "wait for jobs that are not there"),
        ([job("a", succeed, 1, after=("b",)), job("b", succeed, 1, after=("a",))], "wait for each other"),
    ],
)
def test_plans_that_cannot_end_are_refused(jobs: list[Job], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run(jobs, tmp_path, workers=1)


def meet(marks: Path, count: int, name: str, report: Any) -> tuple[str, str | None]:
    """Wait until `count` jobs are at work at once; this worker's log and the GPUs that it sees."""
    (marks / name).touch()
    while len(list(marks.iterdir())) < count:
        time.sleep(0.05)
    return str(Path("/proc/self/fd/1").readlink()), os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        ("4,6", ["4", "6", "4"]),
        ("GPU-a,GPU-b,GPU-c,GPU-d", ["GPU-a", "GPU-b", "GPU-c"]),
        ("7", ["7", "7", "7"]),
        ("", ["", "", ""]),
    ],
)
def test_each_worker_sees_a_card_of_its_own(
    visible: str, seen: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library takes the first card that it sees: without this all workers would share it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (tmp_path / "marks").mkdir()
    jobs = [job(name, meet, tmp_path / "marks", 3, name) for name in "abc"]
    done, failed = run(jobs, tmp_path / "logs", workers=3)
    assert failed == {} and os.environ["CUDA_VISIBLE_DEVICES"] == visible
    found = {Path(log).name: cards for log, cards in done.values()}
    assert found == {f"worker-{number}.log": cards for number, cards in enumerate(seen)}


def test_cards_are_counted_where_nothing_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for count, cards in ((0, ()), (1, ("0",)), (3, ("0", "1", "2"))):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert visible_cards() == cards
    assert card_of(4, ("0", "1", "2")) == {"CUDA_VISIBLE_DEVICES": "1"} and card_of(4, ("0",)) == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_cards() == ()


def test_a_fresh_worker_has_the_card_of_the_one_that_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    (tmp_path / "marks").mkdir()
    jobs = [job("killed", be_killed), job("slow", take_a_while)]
    jobs += [job(name, meet, tmp_path / "marks", 2, name, after=("slow",)) for name in "ab"]
    done, failed = run(jobs, tmp_path / "logs", workers=2)
    assert set(failed) == {"killed"}
    assert {done["a"], done["b"]} == {
        (str(tmp_path / "logs" / f"worker-{number}.log"), card) for number, card in enumerate(("4", "6"))
    }


def test_a_job_that_fails_in_a_users_file_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def credit():\n    return [][0]\n")
    _, failed = run([job("a", fail_in_a_file, str(file))], tmp_path, workers=1)
    assert f"{file}, line 2, in credit: IndexError: list index out of range" in failed["a"]
