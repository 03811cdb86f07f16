"""What an arm costs as arms grow (docs/scale.md): ``python -m tests.experiments.clusters.cost_of_arms 8 16 32 64``."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from experiments.clusters.on_ray import RayCluster
from experiments.recipes.config import Recipe
from experiments.schedule.compare import compare
from experiments.schedule.door import check_recipe
from experiments.schedule.places import Place
from experiments.schedule.progress import Board
from experiments.schedule.workers import THIS_MACHINE
from tests.experiments.miniature import recipe

WORKERS = 2


def tiny(arms: int) -> Recipe:
    """So many GRPO arms of one step, each with a KL of its own."""
    full = recipe()
    arm = full.arms["grpo"]
    training = replace(arm.training, steps=1, problems_per_step=2, group_size=2, max_completion_tokens=8)
    return replace(
        full,
        arms={
            f"grpo {number}": replace(arm, training=training, settings={"kl_coef": number / 1000})
            for number in range(arms)
        },
        engine=replace(full.engine, name="transformers"),
        evaluation=replace(full.evaluation, problems=2, samples=1, curve_samples=1, every=1, max_tokens=8),
        supervised=replace(full.supervised, max_steps=2, warmup_steps=1, measure_from=1, decay_steps=1)
        if full.supervised is not None
        else None,
        checkpoint_every=1,
    )


def measure(arms: int, place: Place) -> str:
    """A row of the table: planning, worker seconds of an arm in the second half, and the command's own CPU."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        started = time.perf_counter()
        checked = check_recipe(tiny(arms))
        planned = time.perf_counter() - started
        busy = time.process_time()
        compare(checked, out, workers=WORKERS, board=Board(None), place=place, evaluate_start=False)
        busy = time.process_time() - busy
        ends = sorted(file.stat().st_mtime for file in out.glob("runs/*/finished.json"))
        assert len(ends) == arms
    half = arms // 2  # the first ones wait for processes to start
    each = (ends[-1] - ends[half - 1]) / (arms - half) * WORKERS
    where = "--workers 2" if place is THIS_MACHINE else "--ray"
    return f"| {arms} | {where} | {1000 * planned / arms:.0f} ms | {each:.2f} s | {1000 * busy / arms:.0f} ms |"


def main() -> None:
    """Print the rows: each number of arms on Ray, and the largest on this machine alone."""
    numbers = [int(word) for word in sys.argv[1:]]
    cluster = Cluster(
        initialize_head=True,
        connect=False,
        head_node_args={"num_cpus": WORKERS, "include_dashboard": False, "object_store_memory": 80_000_000},
    )
    try:
        place = RayCluster(address=str(cluster.address))
        place.room(Path.cwd(), None)
        measure(2, place)  # warms up
        for arms in numbers:
            print(measure(arms, place), flush=True)
        print(measure(max(numbers), THIS_MACHINE), flush=True)
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
