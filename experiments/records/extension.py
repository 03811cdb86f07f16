"""What a run or a comparison may still be asked for after it has begun: more steps, seeds, samples, temperatures.

A run that was made longer is the run that would have been long from the start, bit for bit. So nothing may grow on
which what is already there depends: a learning rate that falls towards the last step, or a block of completions that
was drawn for fewer steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from algorithms.interface import DataSource
from experiments.recipes.plugins import load_method
from experiments.records.config import RunConfig
from experiments.records.same import ConfigMismatchError, differences
from experiments.records.samples import NumberFile, SampleFile

__all__ = ["check_longer", "extension_of", "grown", "keep_curve_point"]


def grown(held: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """A configuration as JSON data, its fields that may grow as they are in `data` where that is more.

    These are: ``seeds``; ``training.steps`` of a run or of each arm; ``evaluation.samples``, ``decoding_samples``,
    ``decoding_temperatures`` and ``further_benchmarks``; and ``files``, which has the hashes of theirs. All others are
    as in `held`, hashes of files that it knew too.

    Raises:
        ConfigMismatchError: the steps may not grow, since the learning rate falls with the share that is done.
    """
    result = dict(held)
    if _is_more(held.get("seeds"), data.get("seeds")):
        result["seeds"] = data["seeds"]
    if isinstance(held.get("training"), dict):
        result["training"] = _longer(held["training"], data.get("training"))
    if isinstance(held.get("evaluation"), dict):
        result["evaluation"] = _more_samples(held["evaluation"], data.get("evaluation"))
    if isinstance(held.get("files"), dict) and isinstance(data.get("files"), dict):
        result["files"] = {**data["files"], **held["files"]}
    arms, asked = held.get("arms"), data.get("arms")
    if isinstance(arms, dict) and isinstance(asked, dict):
        result["arms"] = {name: _longer_arm(arm, asked.get(name)) for name, arm in arms.items()}
    return result


def extension_of(held: dict[str, Any], data: dict[str, Any]) -> str:
    """What `data` asks for beyond `held`, in words; empty where that is nothing. Hashes of files are no request."""
    return differences(held, {**grown(held, data), **({"files": held["files"]} if "files" in held else {})})


def check_longer(config: RunConfig, held_steps: int) -> None:
    """Refuse to go on where what was drawn for `held_steps` steps would have been drawn otherwise for more.

    Raises:
        ConfigMismatchError: the completions of the last iteration were drawn for the steps that were left then.
    """
    training = config.training
    assert training is not None
    if training.max_staleness:
        raise ConfigMismatchError(
            f"{config.arm} has run {held_steps} steps with max_staleness {training.max_staleness}, and no completions "
            "were drawn for later ones while their policies were there; choose another folder with --out."
        )
    source = load_method(config.algorithm, config.settings).data_source
    every = training.iteration_steps
    if source is DataSource.ITERATED and every is not None and held_steps % every:
        raise ConfigMismatchError(
            f"{config.arm} has run {held_steps} steps, which end within an iteration of {every}: its completions were "
            f"drawn for those steps alone. It can go on from a multiple of {every}; choose another folder with --out."
        )


def keep_curve_point(samples: SampleFile, start_kl: NumberFile, config: RunConfig, step: int, decoding: Path) -> None:
    """Make the last evaluation of a run that goes on what a run under way has at `step`.

    A point of the learning curve keeps its first samples, which are those that it would have drawn; where the curve has
    none, and at temperatures of their own, the samples go: they are of a policy that is no longer the last.
    """
    evaluation = config.evaluation
    on_curve = bool(evaluation.every) and step % evaluation.every == 0
    samples.keep_first(step, evaluation.curve_samples if on_curve else 0)
    if not on_curve:
        start_kl.drop_after(step - 1)
    for file in decoding.glob("*.parquet"):
        file.unlink()


def _is_more(held: Any, asked: Any) -> bool:
    """Whether a list holds all of another and more."""
    return isinstance(held, list) and isinstance(asked, list) and all(item in asked for item in held) and held != asked


def _longer(held: dict[str, Any], asked: Any) -> dict[str, Any]:
    there, here = held.get("steps"), asked.get("steps") if isinstance(asked, dict) else None
    if not (isinstance(there, int) and isinstance(here, int) and here > there):
        return held
    if held.get("schedule") != "constant":
        raise ConfigMismatchError(
            f"steps is {there} there and {here} here, and the schedule is {held.get('schedule')}: the learning rate of "
            f"the {there} steps was that of a run which ends with them. Only a constant rate can be gone on with; "
            "choose another folder with --out."
        )
    return {**held, "steps": here}


def _longer_arm(held: Any, asked: Any) -> Any:
    if not (isinstance(held, dict) and isinstance(asked, dict) and isinstance(held.get("training"), dict)):
        return held
    return {**held, "training": _longer(held["training"], asked.get("training"))}


def _more_samples(held: dict[str, Any], asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict):
        return held
    result = dict(held)
    for name in ("samples", "decoding_samples"):
        there, here = held.get(name), asked.get(name)
        if isinstance(there, int) and isinstance(here, int) and here > there:
            result[name] = here
    for name in ("decoding_temperatures", "further_benchmarks"):
        if _is_more(held.get(name), asked.get(name)):
            result[name] = asked[name]
    return result
