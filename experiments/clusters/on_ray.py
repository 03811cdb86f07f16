"""Jobs on a Ray cluster (Ray Core): an actor a worker, which hands it its jobs and passes on what it says (`Host`).

A worker lives no longer than its actor, an actor no longer than the command.
"""

from __future__ import annotations

import itertools
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.clusters.host import Host
from experiments.schedule.nodes import Ground, Node, common_ground, existing
from experiments.schedule.places import Job, Kind, News, PlaceError, Pool
from experiments.schedule.workers import DEVICE_TRIES, FRESH_WORKERS

__all__ = ["RayCluster"]

PROCESS_TRIES = 5  # of a job whose worker or node died
ANSWER_SECONDS = 5.0  # in which the cluster's address must take a connection
NODE_SECONDS = 120.0  # in which every node must have looked around
END_SECONDS = 20.0  # in which free workers end by themselves


@dataclass(frozen=True, kw_only=True)
class RayCluster:
    """A running Ray cluster; one of its nodes is this machine.

    Attributes:
        address: host:port of its head; ``"auto"`` finds the cluster that this machine belongs to.
        cpus: that a job asks for; its threads.
        gpus: that a job asks for; several jobs share one where it is a fraction.
        say: tells the reader what happens to the cluster.
    """

    address: str = "auto"
    cpus: int = 1
    gpus: float = 0.0
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        if self.address.startswith("ray://"):
            raise ValueError(
                f"--ray is {self.address!r}, the address of Ray's client; expected host:port of the head (ray start "
                "prints it). Start the command on a node of the cluster, which also sees the results."
            )

    def room(self, out: Path, workers: int | None) -> int:
        """Jobs at once: `workers`, or as many as the cluster has room for; every node is looked at.

        Args:
            out: folder of the results.
            workers: asked for; more than there is room for wait for further nodes.

        Raises:
            PlaceError: no Ray here, no cluster there, a node that lacks the common ground, or no room for one job.
        """
        ray = self._connect()
        asked = {"CPU": self.cpus, "GPU": self.gpus}
        nodes = [node for node in ray.nodes() if node["Alive"]]
        fit = [_fits(node["Resources"], asked) for node in nodes]
        if not any(fit):
            have = "; ".join(f"{node['NodeManagerHostname']}: {_resources(node['Resources'])}" for node in nodes)
            raise PlaceError(
                f"no node of the Ray cluster has {_resources(asked)} for a job; it has {have}. Ask for less with "
                "--job-cpus or --job-gpus, or add a node."
            )
        self._look([node for node, count in zip(nodes, fit, strict=True) if count], existing(out))
        return sum(fit) if workers is None else workers

    def machine(self, out: Path, *, cores: int, workers: int) -> dict[str, Any]:
        """See `Place.machine`; the processors of all nodes."""
        ray = self._connect()
        with common_ground(out) as ground:
            processors = {node.processor for node in _nodes(ray, ray.nodes(), ground)}
        total = int(ray.cluster_resources().get("CPU", 0))
        return {"threads": self.cpus, "cores": total, "processor": "; ".join(sorted(processors))}

    @contextmanager
    def open(self, *, threads: int, logs: Path) -> Iterator[Pool]:
        """See `Place.open`."""
        ray = self._connect()
        with common_ground(logs) as ground:
            pool = _RayPool(ray, self, ground=ground, threads=threads)
            try:
                yield pool
            finally:
                pool.close()

    def _connect(self) -> Any:
        """Ray, connected to the cluster.

        Raises:
            PlaceError: it is not installed, or nothing of its kind answers.
        """
        try:
            import ray
        except ImportError as error:
            raise PlaceError(
                "--ray needs Ray, which is not installed; `pip install 'coeflab[ray]'` brings it."
            ) from error
        if ray.is_initialized():
            return ray
        if self.address != "auto":
            _check_answers(self.address)
        try:
            ray.init(address=self.address, namespace="coeflab", log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise PlaceError(
                f"no Ray cluster at {self.address}: {_first(error)} Start one on this machine (`ray start --head`) or "
                "join one (`ray start --address=HEAD:6379`), or run without --ray."
            ) from error
        except RuntimeError as error:  # another version of Ray or Python
            raise PlaceError(f"the Ray cluster at {self.address} cannot be used: {error}") from error
        return ray

    def _look(self, nodes: list[dict[str, Any]], folder: Path) -> None:
        """Refuse a cluster with a node that lacks the common ground."""
        ray = self._connect()
        with common_ground(folder) as ground:
            found = _nodes(ray, nodes, ground)
            unseen = [node["NodeManagerHostname"] for node in nodes if not ground.seen_by(node["NodeID"]).is_file()]
        refused = [f"node {node.name} {complaint}" for node in found for complaint in node.complaints]
        if refused:
            raise PlaceError("; ".join(refused) + ".")
        if unseen:
            raise PlaceError(
                f"what nodes {', '.join(unseen)} write to {ground.folder} is not seen here; expected storage that "
                "every node reads and writes under this path: name a folder on it with --out."
            )
        kinds = {node.processor for node in found}
        if len(kinds) > 1:
            self.say(f"the nodes' processors differ ({'; '.join(sorted(kinds))}): so may last digits of their numbers")


def _nodes(ray: Any, nodes: list[dict[str, Any]], ground: Ground) -> list[Node]:
    """What every node says of itself."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(_look_around)
    looks = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(
            ground, node["NodeID"]
        ): node["NodeManagerHostname"]
        for node in nodes
        if node["Alive"]
    }
    answered, silent = ray.wait(list(looks), num_returns=len(looks), timeout=NODE_SECONDS)
    if silent:
        raise PlaceError(
            f"nodes {', '.join(looks[each] for each in silent)} of the Ray cluster have not answered for "
            f"{NODE_SECONDS:.0f} s; look at `ray status`, or take them out."
        )
    found = []
    for each in answered:
        try:
            found.append(ray.get(each))
        except (ray.exceptions.RayError, RuntimeError, ImportError) as error:
            raise PlaceError(
                f"node {looks[each]} cannot import this code of coeflab ({_last(error)}); install it there, at the "
                "same commit, for the Python that `ray start` was called with, or start from a shared checkout."
            ) from error
    return found


def _look_around(ground: Ground, name: str) -> Node:
    return ground.enter(name)


class _RayPool:
    """Actors by what they are at; a `Pool`."""

    def __init__(self, ray: Any, cluster: RayCluster, *, ground: Ground, threads: int) -> None:
        self._ray, self._cluster, self._ground, self._threads = ray, cluster, ground, threads
        self._opening: dict[Any, Any] = {}  # the answer of an actor that waits for room or just starts
        self._free: list[Any] = []
        self._running: dict[Any, tuple[str, Any]] = {}  # what an actor says of its job
        self._refused: list[Any] = []  # on nodes that joined later and lack something; they keep others off
        self._stillborn = 0

    @property
    def tries(self) -> Mapping[Kind, int]:
        """See `Pool.tries`."""
        return {"lost": DEVICE_TRIES, "died": PROCESS_TRIES}

    def grow(self, count: int) -> int:
        """See `Pool.grow`; actors that the cluster has no room for wait for it."""
        while len(self._opening) + len(self._free) + len(self._running) + len(self._refused) < count:
            host = self._ray.remote(Host).options(
                num_cpus=self._cluster.cpus, num_gpus=self._cluster.gpus, max_restarts=0
            )
            actor = host.remote(ground=self._ground, threads=self._threads, logs=self._ground.folder)
            self._opening[actor.look.remote()] = actor
        return len(self._free)

    def send(self, job: Job) -> str | None:
        """See `Pool.send`."""
        actor = self._free.pop(0)
        self._running[actor.run.remote(job)] = (job.name, actor)
        return None

    def receive(self, *, block: bool) -> list[News]:
        """See `Pool.receive`."""
        waited = [*self._opening, *self._running]
        if not waited:
            raise PlaceError("every node that had room lacks what is said above; mend them and start again.")
        self._ray.wait(waited, num_returns=1, timeout=None if block else 0)
        ready, _ = self._ray.wait(waited, num_returns=len(waited), timeout=0)
        for answer in [each for each in ready if each in self._opening]:
            self._opened(answer)
        return [self._receive(said) for said in ready if said in self._running]

    def _opened(self, answer: Any) -> None:
        """An actor runs, or never will."""
        actor = self._opening.pop(answer)
        try:
            node: Node = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            self._stillborn += 1
            if self._stillborn > FRESH_WORKERS:
                raise PlaceError(f"workers on the Ray cluster end before they start: {_last(error)}") from error
            return
        self._stillborn = 0
        if node.complaints:
            self._refused.append(actor)
            self._cluster.say(f"a node that joined is left out: {node.name} {'; it '.join(node.complaints)}")
        else:
            self._free.append(actor)

    def _receive(self, said: Any) -> News:
        name, actor = self._running[said]
        try:
            kind, payload = self._ray.get(next(said))
        except self._ray.exceptions.RayActorError as error:
            del self._running[said]
            return News(name, "died", f"its worker or node was lost ({_first(error)})")
        except (self._ray.exceptions.RayError, StopIteration) as error:
            del self._running[said]
            self._ray.kill(actor)
            return News(name, "failed", f"{type(error).__name__}: {_last(error)}")
        if kind != "progress":
            del self._running[said]
            self._free.append(actor)
        return News(name, kind, payload)

    def end(self) -> None:
        """See `Pool.end`."""
        ends = [actor.end.remote() for actor in self._free]
        if ends:
            self._ray.wait(ends, num_returns=len(ends), timeout=END_SECONDS)

    def close(self) -> None:
        """Kill what is left of them, and with them their workers."""
        running = (actor for _, actor in self._running.values())
        for actor in itertools.chain(self._opening.values(), self._free, running, self._refused):
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(actor)


def _fits(resources: Mapping[str, float], asked: Mapping[str, float]) -> int:
    """How many jobs that ask for so much a node has room for."""
    return min(int(resources.get(name, 0) / number + 1e-9) for name, number in asked.items() if number)


def _resources(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))


def _check_answers(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for minutes.

    Raises:
        ValueError: it is no host:port.
        PlaceError: nothing answers.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"--ray is {address!r}; expected host:port of the head, such as 10.0.0.1:6379, or nothing.")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise PlaceError(
            f"no Ray cluster at {address}: {error}; expected the address of its head. `ray start --head` on that "
            "machine prints it; --ray alone takes the cluster that this machine belongs to."
        ) from error


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _last(error: BaseException) -> str:
    return str(error).strip().rpartition("\n")[2]
