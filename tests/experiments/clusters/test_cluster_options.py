"""``--ray`` and ``--slurm`` at the command line: what they mean, and what is refused before anything else happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import tyro

from experiments import cli
from experiments.clusters.on_ray import RayCluster
from experiments.clusters.on_slurm import Slurm
from experiments.commands.compare import Compare
from experiments.commands.sweep import Sweep
from experiments.schedule.places import PlaceError
from experiments.schedule.workers import THIS_MACHINE


def parsed(*arguments: str) -> Any:
    return tyro.extras.subcommand_cli_from_dict(cli.COMMANDS, prog="coeflab", args=list(arguments))


@pytest.mark.parametrize("command", ["compare", "sweep"])
def test_where_the_runs_are_done(command: str) -> None:
    assert parsed(command).place() == THIS_MACHINE
    here = parsed(command, "--ray").place()
    assert isinstance(here, RayCluster) and (here.address, here.cpus, here.gpus) == ("auto", 1, 0)
    there = parsed(command, "--ray", "10.0.0.1:6379", "--job-gpus", "0.5", "--job-cpus", "3", "--steps", "2").place()
    assert isinstance(there, RayCluster) and (there.address, there.cpus, there.gpus) == ("10.0.0.1:6379", 3, 0.5)
    queue = parsed(command, "--slurm", "partition=gpu", "timeout_min=60", "--job-gpus", "2").place()
    assert isinstance(queue, Slurm) and (queue.cluster, queue.gpus) == ("slurm", 2)
    assert queue.settings == {"partition": "gpu", "timeout_min": "60"}


def test_a_job_trains_on_what_it_asks_for_not_on_what_the_commands_machine_has() -> None:
    assert Compare(ray=(), job_gpus=1).device() == "cuda"
    assert Compare(ray=()).device() == "cpu"
    assert Sweep(slurm=("cluster=local",)).device() == "cpu"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ray": (), "slurm": ()}, "--ray and --slurm are two clusters; give one of them"),
        ({"ray": ("a:1", "b:2")}, r"--ray has 2 addresses \(a:1 b:2\); expected at most one"),
        ({"job_gpus": 1}, "--job-cpus and --job-gpus are for a cluster; give --ray or --slurm"),
        ({"ray": (), "job_cpus": 0}, "--job-cpus is 0 and --job-gpus 0; expected at least 1 and 0"),
        ({"slurm": (), "job_gpus": 0.5}, "--job-gpus is 0.5; expected a whole number on Slurm"),
        ({"slurm": ("gpu",)}, "--slurm has 'gpu'; expected name=value"),
        ({"ray": ("ray://head:10001",)}, "the address of Ray's client; expected host:port of the head"),
    ],
)
def test_options_that_contradict_one_another(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Compare(**options).cluster()


def test_without_ray_the_command_says_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(PlaceError, match=r"--ray needs Ray, which is not installed; `pip install 'coeflab\[ray\]'`"):
        Compare(ray=()).side_by_side(tmp_path)
    with pytest.raises(PlaceError, match=r"--slurm needs submitit, .*; `pip install 'coeflab\[slurm\]'`"):
        Compare(slurm=("cluster=local",)).side_by_side(tmp_path)
    assert list(tmp_path.iterdir()) == []
