"""A comparison as text for a terminal: the numbers of the page, from the same functions; and what more seeds find."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.noise.intervals import Resampling
from analysis.noise.power import components_of, detectable_difference, seeds_needed
from analysis.records.record import ComparisonRecord
from analysis.report.claims import comparison_contrasts
from analysis.report.contrast_tables import DASH, TextColumn
from analysis.report.tables import align, render_text, spent_on, summarize_scores
from analysis.statistics.contrasts import Contrast
from analysis.statistics.decoding import contrast_scores, tuned_starts
from analysis.statistics.differences import judge_contrasts, scores_of
from analysis.statistics.scores import ArmScores, score_comparison


def comparison_text(comparison: ComparisonRecord, *, baseline: str | None = None) -> str:
    """Scores, declared contrasts and costs of a finished comparison."""
    scores, how = score_comparison(comparison), Resampling()
    contrasts, _ = comparison_contrasts(comparison, baseline)
    decoded = contrast_scores(comparison, scores, contrasts, tuned_starts(comparison, baseline))
    judged = judge_contrasts(decoded, contrasts, resampling=how)
    return render_text(summarize_scores(comparison, scores, baseline, how), judged)


def power_text(
    comparison: ComparisonRecord,
    *,
    difference: float,
    problems: int | None,
    samples: int | None,
    seeds: Sequence[int],
    baseline: str | None,
) -> str:
    """The differences that a design finds four times in five, by number of seeds, and the seeds `difference` needs.

    Args:
        comparison: the pilot, with two seeds or more.
        difference: a share, such as 0.02.
        problems, samples: of the proposed design; the pilot's where None.
        seeds: columns of the table.
        baseline: the start arm.

    Raises:
        ValueError: a single seed or problem.
    """
    scores = score_comparison(comparison, [1])
    contrasts, _ = comparison_contrasts(comparison, baseline)
    decoded = contrast_scores(comparison, scores, contrasts, tuned_starts(comparison, baseline))
    level, blocks = 0.05 / max(1, len(contrasts)), []
    for benchmark in comparison.benchmarks:
        here = [arm for arm in decoded if arm.benchmark == benchmark]
        size = {"problems": problems or len(here[0].problem_ids), "samples": samples or here[0].num_samples}
        found = [(each, scores_of(each, here)) for each in contrasts]
        rows = [_power_row(each, arms, difference, size, seeds, level) for each, arms in found if arms is not None]
        headings = ["contrast", *(f"{number} seeds" for number in seeds), f"seeds for {100 * difference:g} points"]
        columns = [
            TextColumn(
                heading=heading, cells=tuple(row[place] for row in rows), is_text=place == 0, shortens=place == 0
            )
            for place, heading in enumerate(headings)
        ]
        head = (
            f"{benchmark}: differences in Pass@1, in points, that {size['problems']} problems with {size['samples']} "
            f"samples each find four times in five, at 5 % over {len(contrasts)} contrasts"
        )
        blocks += [head, align(columns), _cost(comparison, size), ""]
    return "\n".join(blocks).rstrip()


def _power_row(
    contrast: Contrast,
    arms: Sequence[ArmScores],
    difference: float,
    size: Mapping[str, int],
    seeds: Sequence[int],
    level: float,
) -> list[str]:
    values_ASP = [arm.pass_SPK[:, :, 0] for arm in arms]
    parts = components_of(values_ASP, contrast.weights, arms[0].num_samples)
    cells = [contrast.name]
    for number in seeds:
        noise = parts.noise(seeds=number, **size)
        found = detectable_difference(noise, level=level, pilot_freedom=parts.pilot_freedom)
        cells.append(f"{100 * found:.1f}" if np.isfinite(found) else DASH)
    needed = seeds_needed(parts, difference, level=level, **size)
    return [*cells, "> 100" if needed is None else str(needed)]


def _cost(comparison: ComparisonRecord, size: Mapping[str, int]) -> str:
    """What a seed of all arms costs: training as it took here, and completions to be judged."""
    seconds = float(np.nansum([spent_on(comparison.runs_of(arm), "seconds") for arm in comparison.arms]))
    judged = size["problems"] * size["samples"] * len(comparison.arms)
    return (
        f"a seed more of all {len(comparison.arms)} arms: {judged:,} completions to be judged, and {seconds:,.0f} s of "
        "training as it took here, its start policy aside"
    )
