"""Run folders read into typed records.

A run (one arm, one seed) is a folder with `config.json`, `environment.json`, `metrics.jsonl` (a row an optimiser step)
and `samples.parquet` (a row an evaluation sample). A comparison is a folder with `comparison.json` and
`runs/ARM-seedN/`. Read from `comparison.json`, all optional: "title" (str), "arms" (names in the order wanted), "runs"
(names of the planned run folders), "baseline" (an arm) and "extensions" (what was asked for later: "day" and "what").
"""

from pathlib import Path
from typing import Any

import numpy as np

from analysis.records.agreement import OnMismatch, drop_shorter_seeds, same_checker, same_problems, seed_notes
from analysis.records.frames import (
    codes_of,
    column,
    read_json,
    read_judgements,
    read_metrics,
    records_of,
    rows_where,
)
from analysis.records.reading import (
    RecordError,
    UnfinishedRunError,
    check_files,
    name_in,
    printable,
    whole_number_in,
)
from analysis.records.record import ComparisonRecord, RunRecord, UnfinishedRun
from analysis.records.schema import START_ARM, VERDICTS

SAMPLE_KEYS = ("step", "benchmark", "problem_id", "sample_index")
LONGEST_ALGORITHM, LONGEST_REASON = 300, 1000  # characters
ARM_ORDER = (START_ARM, "continued_sft", "rft", "online_rft", "dpo", "ppo", "grpo", "grpo_process")


def load_run(path: str | Path) -> RunRecord:
    """Read one run folder.

    Raises:
        UnfinishedRunError: a file is missing, empty or cut short, the last trained step has no evaluation, or a run of
            ours (its configuration has "evaluation") has no `finished.json`.
        RecordError: a key or column is missing, a value is not of its kind, or rows contradict the configuration.
    """
    folder = Path(path)
    config = read_json(folder / "config.json")
    absent = [key for key in ("arm", "seed", "algorithm") if key not in config]
    if absent:
        raise RecordError(
            f"{folder / 'config.json'}: lacks {absent}; expected the resolved configuration of a run; rerun it"
        )
    if "evaluation" in config and not (folder / "finished.json").exists():  # our own runs say when they are complete
        raise UnfinishedRunError(f"{folder} stopped before its last evaluation; start the same command again to go on")
    check_files(folder)
    environment = read_json(folder / "environment.json") if (folder / "environment.json").exists() else {}
    where = str(folder / "config.json")
    run = RunRecord(
        path=folder,
        arm=name_in(config, "arm", where),
        seed=whole_number_in(config, "seed", where),
        algorithm=printable(str(config["algorithm"]), LONGEST_ALGORITHM),
        config=config,
        environment=environment,
        metrics=read_metrics(folder / "metrics.jsonl"),
        judgements=read_judgements(folder / "samples.parquet"),
    )
    _check_run(run)
    return run


def load_comparison(path: str | Path, *, on_mismatch: OnMismatch = "refuse") -> ComparisonRecord:
    """Read a comparison folder, or a single run folder as a comparison of one.

    Unfinished and damaged runs, planned runs that have no folder, and seeds that stop before the others of their arm
    are left out and listed in `unfinished`. `notes` says in sentences what else limits the comparison.

    Args:
        path: the folder.
        on_mismatch: what to do with runs on different problems or judged by different versions of the checker:
            "refuse", or "intersect": only the problems that all runs have, only the runs of the version that most have.

    Raises:
        RecordError: neither kind of folder, no finished run, the same arm and seed twice, or a mismatch.
    """
    folder = Path(path)
    if (folder / "config.json").exists():
        run = load_run(folder)
        return ComparisonRecord(path=folder, description={}, runs=(run,), unfinished=(), notes=())
    if not (folder / "runs").is_dir():
        raise RecordError(
            f"{folder}: neither config.json (a run) nor runs/ (a comparison) is there; expected a folder that "
            "coeflab compare, train or evaluate wrote; check the path"
        )
    description = _description(folder / "comparison.json")
    runs, unfinished = _load_runs(folder / "runs", _names(description.get("runs")))
    runs, shorter = drop_shorter_seeds(runs)
    unfinished = (*unfinished, *shorter)
    if not runs:
        listed = "; ".join(f"{run.name}: {run.reason}" for run in unfinished) or "the folder runs/ is empty"
        raise RecordError(f"{folder}: no finished run ({listed}); expected at least one; let a run finish first")
    runs, other_checker, checker_notes = same_checker(runs, on_mismatch)
    runs, problem_notes = same_problems(runs, on_mismatch)
    order = [*_names(description.get("arms")), *ARM_ORDER]
    ranked = sorted(runs, key=lambda run: (order.index(run.arm) if run.arm in order else len(order), run.arm, run.seed))
    return ComparisonRecord(
        path=folder,
        description=description,
        runs=tuple(ranked),
        unfinished=(*unfinished, *other_checker),
        notes=(*checker_notes, *problem_notes, *seed_notes(ranked), *_extension_notes(description.get("extensions"))),
    )


def _load_runs(folder: Path, planned: tuple[str, ...]) -> tuple[tuple[RunRecord, ...], tuple[UnfinishedRun, ...]]:
    """Every run under `runs/`: those that finished, and the others with the reason."""
    present = [child.name for child in sorted(folder.iterdir()) if child.is_dir()]
    runs: dict[tuple[str, int], RunRecord] = {}
    unfinished = [UnfinishedRun(name=name, reason="not started") for name in planned if name not in present]
    for name in present:
        try:
            run = load_run(folder / name)
        except RecordError as error:
            reason = printable(str(error).replace(f"{folder}/", ""), LONGEST_REASON)
            finished = (folder / name / "finished.json").exists()
            damaged = finished or not isinstance(error, UnfinishedRunError)
            unfinished.append(UnfinishedRun(name=printable(name), reason=reason, damaged=damaged))
            continue
        first = runs.setdefault((run.arm, run.seed), run)
        if first is not run:
            raise RecordError(
                f"{run.path}: arm {run.arm!r} with seed {run.seed} is in {first.path.name} too; expected each once; "
                "remove one"
            )
    return tuple(runs.values()), tuple(unfinished)


def _check_run(run: RunRecord) -> None:
    """Rows against each other and against the configuration."""
    path = run.path / "samples.parquet"
    codes_N, values = codes_of(run.judgements, "verdict")
    strange = sorted({str(values[code]) for code in np.unique(codes_N)} - set(VERDICTS))
    if strange:
        raise RecordError(
            f"{path}: verdict(s) {strange}; expected one of {list(VERDICTS)}; evaluate again with this version"
        )
    found = {(str(arm), int(seed)) for arm, seed in run.judgements[["arm", "seed"]].drop_duplicates().to_numpy()}
    if found != {(run.arm, run.seed)}:
        raise RecordError(
            f"{path}: rows are of arm and seed {sorted(found)}; expected {(run.arm, run.seed)} as in config.json; "
            "one run a folder"
        )
    key_N = np.zeros(len(run.judgements), dtype=np.int64)
    for name in SAMPLE_KEYS:
        codes_N, values = codes_of(run.judgements, name)
        key_N = key_N * len(values) + codes_N
    if len(np.unique(key_N)) < len(key_N):
        keys = list(SAMPLE_KEYS)
        repeated = rows_where(run.judgements, run.judgements.duplicated(keys).to_numpy())
        first = {key: records_of(repeated.head(1))[0][key] for key in keys}
        raise RecordError(
            f"{path}: {len(repeated)} rows repeat another, first {first}; expected {keys} once each; evaluate again"
        )
    trained = int(column(run.metrics, "step").max()) if len(run.metrics) else 0
    if trained > run.final_step:
        raise UnfinishedRunError(
            f"trained to step {trained} but last evaluated at step {run.final_step}; resume the run in {run.path}"
        )


def _description(path: Path) -> dict[str, Any]:
    """`comparison.json`, its texts as they may be printed; empty where there is none."""
    content = read_json(path) if path.exists() else {}
    return {
        key: printable(value, LONGEST_REASON) if isinstance(value, str) else value for key, value in content.items()
    }


def _extension_notes(extensions: Any) -> list[str]:
    """A sentence on each part of a comparison that was asked for after runs had finished."""
    items = extensions if isinstance(extensions, list) else []
    return [
        f"Asked for on {printable(str(item.get('day')), 20)}, when runs had finished: "
        f"{printable(str(item.get('what')), LONGEST_REASON)}. No interval accounts for a look in between."
        for item in items
        if isinstance(item, dict)
    ]


def _names(value: Any) -> tuple[str, ...]:
    """The names in a JSON list of strings or the keys of an object; empty for anything else."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | dict) else ()
