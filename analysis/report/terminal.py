"""A comparison as text for a terminal: the numbers of the page, from the same functions; and what more seeds find."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.noise.intervals import Resampling
from analysis.noise.power import Components, components_of, problems_needed, samples_needed, seeds_needed
from analysis.records.record import ComparisonRecord
from analysis.records.showing import number_of
from analysis.records.spent import SeedCost, seed_cost
from analysis.report.claims import comparison_contrasts
from analysis.report.contrast_tables import DASH, TextColumn, decoded_text
from analysis.report.sentences import tuned_line
from analysis.report.tables import align, render_text, summarize_scores
from analysis.statistics.chains import chain_table
from analysis.statistics.contrasts import Contrast
from analysis.statistics.decoding import contrast_scores, tuned_starts
from analysis.statistics.differences import judge_contrasts, scores_of
from analysis.statistics.scores import ArmScores, score_comparison

LEVEL = 0.05  # of a family of contrasts
TWO_SEEDS = (
    "–: the pilot has two seeds, which differ by one number; what it stated of power would not hold (simulated: 69 % "
    "where 80 is stated), so nothing is; a third seed is enough"
)
EFFECTS = (0.02, 0.05, 0.1)  # differences whose chance of being found a design is asked for


def comparison_text(comparison: ComparisonRecord, *, baseline: str | None = None) -> str:
    """Scores, declared contrasts and costs of a finished comparison."""
    scores, how = score_comparison(comparison), Resampling()
    contrasts, _ = comparison_contrasts(comparison, baseline)
    tuned = tuned_starts(comparison, baseline)
    judged = judge_contrasts(contrast_scores(comparison, scores, contrasts, tuned), contrasts, resampling=how)
    chains = chain_table(comparison, resampling=how)
    text = render_text(summarize_scores(comparison, scores, baseline, how), judged, chains)
    return text + "".join(f"\n{tuned_line(each, baseline)}" for each in tuned) + ("\n" if tuned else "")


def power_text(
    comparison: ComparisonRecord,
    *,
    difference: float,
    problems: int | None,
    samples: int | None,
    seeds: Sequence[int],
    baseline: str | None,
) -> str:
    """What a design finds four times in five, by number of seeds; what `difference` needs, in seeds, in problems or in
    samples; and what the design costs.

    Args:
        comparison: the pilot, with two seeds or more.
        difference: a share, such as 0.02.
        problems, samples: of the proposed design; the pilot's where None.
        seeds: columns of the table.
        baseline: the start arm.

    Raises:
        ValueError: a single seed or problem, or no contrast whose arms are there.
    """
    scores = score_comparison(comparison, [1])
    contrasts, _ = comparison_contrasts(comparison, baseline)
    decoded = contrast_scores(comparison, scores, contrasts, tuned_starts(comparison, baseline))
    level, blocks = LEVEL / max(1, len(contrasts)), []
    for benchmark in comparison.benchmarks:
        here = [arm for arm in decoded if arm.benchmark == benchmark]
        size = {"problems": problems or len(here[0].problem_ids), "samples": samples or here[0].num_samples}
        parts, own_seeds = measured_components(here, contrasts), len(here[0].seeds)
        if not parts:
            raise ValueError(
                f"no contrast has all its arms on {benchmark} among {', '.join(comparison.arms)}; expected arms that "
                "are set against one another, since power is told of differences: compare two, or name --baseline."
            )
        rows = [_power_row(name, part, size, seeds, level) for name, part in parts.items()]
        headings = ["contrast", *(number_of(number, "seed") for number in seeds)]
        needs = [_needed_row(name, part, difference, size, own_seeds, level) for name, part in parts.items()]
        asked = f"{100 * difference:g} points"
        head = (
            f"{benchmark}: differences in Pass@1, in points, that {number_of(size['problems'], 'problem')} with "
            f"{number_of(size['samples'], 'sample')} each find four times in five, at 5 % over "
            f"{number_of(len(contrasts), 'contrast')}"
        )
        silent = [TWO_SEEDS] if any(part.pilot_freedom == 1 for part in parts.values()) else []
        wanted = (
            f"what finds {asked} four times in five: more seeds, or with {number_of(own_seeds, 'seed')}, as here, "
            "more problems or more samples"
        )
        needed = _text_table(["contrast", f"seeds for {asked}", "or problems", "or samples"], needs)
        blocks += [head, _text_table(headings, rows), "", wanted, needed, *silent, ""]
    cost = seed_cost(comparison, problems=problems, samples=samples)
    return "\n".join([*blocks, _cost_text(cost, seeds, len(comparison.arms))])


def measured_components(scores: Sequence[ArmScores], contrasts: Sequence[Contrast]) -> dict[str, Components]:
    """The variances of each contrast whose arms are there, by name, from a pilot on one benchmark.

    Args:
        scores: of `decoding.contrast_scores`, of one benchmark.
        contrasts: of the proposed design.

    Raises:
        ValueError: a single seed or problem.
    """
    found = [(each, scores_of(each, scores)) for each in contrasts]
    return {
        each.name: components_of([arm.pass_SPK[:, :, 0] for arm in arms], each.weights, arms[0].num_samples)
        for each, arms in found
        if arms is not None
    }


def design_text(
    parts: Mapping[str, Components], contrasts: Sequence[Contrast], *, seeds: int, problems: int, samples: int
) -> str:
    """What a design finds: a row a contrast with the difference found four times in five, and the chance of others.

    Args:
        parts: the variances of each contrast, by name.
        contrasts: all that are declared.
        seeds, problems, samples: of the design.
    """
    level, rows = LEVEL / max(1, len(contrasts)), []
    for each in contrasts:
        size = {"seeds": seeds, "problems": problems, "samples": samples}
        found = parts[each.name].detectable(**size, level=level)
        chances_E = parts[each.name].power(np.array(EFFECTS), **size, level=level)
        cells = [f"{100 * chance:.0f} %" if np.isfinite(chance) else DASH for chance in chances_E.tolist()]
        smallest = f"{100 * found:.1f}" if np.isfinite(found) else DASH
        rows.append([each.name, decoded_text(each.temperature), smallest, *cells])
    headings = ["contrast", "decoded", "found 4 in 5", *(f"{100 * effect:g} points" for effect in EFFECTS)]
    silent = "\n" + TWO_SEEDS if any(part.pilot_freedom == 1 for part in parts.values()) else ""
    return _text_table(headings, rows) + silent


def _text_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells under headings, the first column text that may lose its middle."""
    return align(
        [
            TextColumn(
                heading=heading, cells=tuple(row[place] for row in rows), is_text=place == 0, shortens=place == 0
            )
            for place, heading in enumerate(headings)
        ]
    )


def _power_row(name: str, parts: Components, size: Mapping[str, int], seeds: Sequence[int], level: float) -> list[str]:
    cells = [name]
    for number in seeds:
        found = parts.detectable(seeds=number, **size, level=level)
        cells.append(f"{100 * found:.1f}" if np.isfinite(found) else DASH)
    return cells


def _needed_row(
    name: str, parts: Components, difference: float, size: Mapping[str, int], seeds: int, level: float
) -> list[str]:
    """The seeds, or the problems, or the samples that find a difference; the other two as they are."""
    if parts.pilot_freedom == 1:
        return [name, DASH, DASH, DASH]
    needed = seeds_needed(parts, difference, level=level, **size)
    problems = problems_needed(parts, difference, seeds=seeds, samples=size["samples"], level=level)
    samples = samples_needed(parts, difference, seeds=seeds, problems=size["problems"], level=level)
    return [
        name,
        "> 100" if needed is None else str(needed),
        "not by more problems" if problems is None else f"{problems:,}",
        "not by more samples" if samples is None else f"{samples:,}",
    ]


def _cost_text(cost: SeedCost, seeds: Sequence[int], arms: int) -> str:
    """What a design of all arms costs, by number of seeds."""
    counted = {
        "completions drawn for training": cost.training,
        "completions to be judged: of the last evaluation": cost.evaluation,
        "at other temperatures, greedily too": cost.decoding,
        "of evaluations during training": cost.curves,
        "of validation problems, by start policies": cost.validation,
    }
    timed = {
        "seconds: training of start policies": cost.start_seconds,
        "training of the arms": cost.training_seconds,
        "drawing what is judged": cost.evaluation_seconds,
    }
    counted = {name: each for name, each in counted.items() if each}
    timed["seconds in all"] = float(np.nansum(list(timed.values())))
    rows = [
        [name, *(f"{number * each:,.0f}" if np.isfinite(each) else DASH for number in seeds)]
        for name, each in {**counted, **timed}.items()
    ]
    head = f"cost of the design, all {arms} arms on all benchmarks, in seconds as it took here (each job by itself)"
    missing = [] if np.isfinite(list(timed.values())).all() else [f"{DASH}: not recorded here, and not in the sum"]
    return "\n".join([head, _text_table(["", *(number_of(number, "seed") for number in seeds)], rows), *missing])
