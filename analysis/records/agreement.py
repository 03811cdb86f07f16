"""The conditions of a comparison of runs: the same steps, the same checker, the same problems, the same seeds."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from analysis.records.frames import codes_of, rows_where
from analysis.records.reading import RecordError
from analysis.records.record import RunRecord, UnfinishedRun

OnMismatch = Literal["refuse", "intersect"]
Runs = tuple[RunRecord, ...]
LeftOut = tuple[UnfinishedRun, ...]
Notes = tuple[str, ...]


def drop_shorter_seeds(runs: Runs) -> tuple[Runs, LeftOut]:
    """A seed that stops before the others of its arm would drag their mean: it did not finish."""
    last: dict[str, int] = {}
    for run in runs:
        last[run.arm] = max(run.final_step, last.get(run.arm, 0))
    shorter = tuple(
        UnfinishedRun(
            name=run.path.name,
            reason=f"last evaluated at step {run.final_step}, other seeds of {run.arm} at step {last[run.arm]}",
        )
        for run in runs
        if run.final_step < last[run.arm]
    )
    return tuple(run for run in runs if run.final_step == last[run.arm]), shorter


def same_checker(runs: Runs, on_mismatch: OnMismatch) -> tuple[Runs, LeftOut, Notes]:
    """Verdicts of two versions of the answer checker are not one measure.

    Raises:
        RecordError: runs were judged by different versions, and `on_mismatch` is "refuse".
    """
    versions = Counter(run.checker_version for run in runs)
    unknown = versions.pop("", 0)
    note = f"{unknown} of {len(runs)} runs do not say which version of the answer checker judged them."
    notes = (note,) if unknown and versions else ()
    if len(versions) <= 1:
        return runs, (), notes
    by_version = {name: [run.path.name for run in runs if run.checker_version == name] for name in sorted(versions)}
    if on_mismatch == "refuse":
        listed = "; ".join(f"{name}: {', '.join(names)}" for name, names in by_version.items())
        raise RecordError(
            f"runs were judged by different versions of the answer checker ({listed}); expected one; evaluate again "
            'with this version, or keep the runs of the version that most have: on_mismatch="intersect" in Python, '
            "see load_comparison"
        )
    kept = max(by_version, key=lambda name: (len(by_version[name]), name))
    left_out = tuple(
        UnfinishedRun(name=run.path.name, reason=f"judged by checker {run.checker_version}, the others by {kept}")
        for run in runs
        if run.checker_version not in ("", kept)
    )
    names = {run.name for run in left_out}
    return tuple(run for run in runs if run.path.name not in names), left_out, notes


def same_problems(runs: Runs, on_mismatch: OnMismatch) -> tuple[Runs, Notes]:
    """Paired differences need the same problems, with the same gold answers, in every run.

    Raises:
        RecordError: the problems differ and `on_mismatch` is "refuse", or they have none in common.
    """
    problems = [_problems(run) for run in runs]
    common, union = set.intersection(*problems), set.union(*problems)
    if common == union:
        return runs, ()
    if on_mismatch == "refuse":
        other = next(i for i, own in enumerate(problems) if own != problems[0])
        differing = problems[other] ^ problems[0]
        raise RecordError(
            f"{runs[other].path.name} and {runs[0].path.name} were evaluated on different problems: {len(differing)} "
            f"(benchmark, problem_id, gold_answer) are in one only, such as {min(differing, key=str)}; expected the "
            "same; evaluate both on one problem set, or compare on the problems that all runs have: "
            'on_mismatch="intersect" in Python, see load_comparison'
        )
    if not common:
        raise RecordError(
            f"the {len(runs)} runs have no problem in common; expected at least one (benchmark, problem_id, "
            "gold_answer) that all were evaluated on; evaluate them on one problem set"
        )
    kept = tuple(replace(run, judgements=_rows_on(run, common)) for run in runs)
    return kept, (f"Compared are the problems that all runs have: {len(common)}; left out: {len(union - common)}.",)


def seed_notes(runs: Sequence[RunRecord]) -> Notes:
    """A sentence for the arms whose seeds are not those of the arm with the most."""
    seeds: dict[str, set[int]] = {}
    for run in runs:
        seeds.setdefault(run.arm, set()).add(run.seed)
    wanted = set.union(*seeds.values())
    missing = {arm: sorted(wanted - own) for arm, own in seeds.items() if own != wanted}
    if not missing:
        return ()
    listed = "; ".join(f"{arm} lacks {', '.join(map(str, absent))}" for arm, absent in missing.items())
    return (f"Not every arm has every seed: {listed}. Arms with different seeds are not paired by seed.",)


def _problems(run: RunRecord) -> set[tuple[Any, ...]]:
    columns = ["benchmark", "problem_id", "gold_answer"]
    return set(run.final_samples[columns].drop_duplicates().itertuples(index=False, name=None))


def _rows_on(run: RunRecord, problems: set[tuple[Any, ...]]) -> Any:
    """The judgements on the given problems; earlier steps of a benchmark may have fewer of them."""
    benchmark_N, benchmarks = codes_of(run.judgements, "benchmark")
    problem_N, ids = codes_of(run.judgements, "problem_id")
    names = {(benchmark, problem) for benchmark, problem, _ in problems}
    wanted = np.array([[(benchmark, problem) in names for problem in ids] for benchmark in benchmarks])
    return rows_where(run.judgements, wanted[benchmark_N, problem_N])
