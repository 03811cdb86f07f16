"""The figures that the page begins with: arms with sharpening and more, declared contrasts, and decoding."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.marks import Mark, curve_marks, range_text
from analysis.figures.overview import ArmRow, draw_arms, draw_forest, draw_temperatures
from analysis.noise.intervals import Interval
from analysis.noise.simultaneous import share_band
from analysis.records.frames import column, records_of
from analysis.records.record import ComparisonRecord
from analysis.records.showing import number_of
from analysis.report.contrast_tables import interval_cell
from analysis.report.pictures import BAND, Picture, picture, slug
from analysis.report.sentences import at_temperature
from analysis.report.statements import difference_table
from analysis.statistics.curves import Curve, curve_table
from analysis.statistics.decoding import TunedStart
from analysis.statistics.differences import Difference

ARMS_CAPTION = (
    "Filled: Pass@1 at the evaluation's temperature; open: the same policy decoded greedily; lines: 95 % over problems "
    "and seeds; ticks: seeds."
)
TUNED_CAPTION = (
    " The dotted line is the start policy, the dashed one the start policy at its best temperature: what lies between "
    "them can be had without training (sharpening), what lies beyond is more."
)
FOREST_CAPTION = (
    "95 % over problems and seeds, the ticks are seeds; blue is decided higher, orange lower, dark grey undecided "
    "after Holm's correction, light grey without a verdict."
)
TEMPERATURE_CAPTION = (
    f"The last policy of each arm, decoded at several temperatures; {BAND}. Where the start reaches an arm's line "
    "at a lower temperature, that arm's gain is sharpening."
)


def first_pictures(
    comparison: ComparisonRecord,
    summary: pd.DataFrame,
    contrasts: Sequence[Difference],
    decoded: Sequence[Curve],
    tuned: Sequence[TunedStart],
    baseline: str | None,
) -> tuple[Picture, ...]:
    """Benchmark by benchmark: every arm with its interval, and the declared contrasts with theirs."""
    pictures = []
    for benchmark in comparison.benchmarks:
        rows = [row for row in records_of(summary) if row["benchmark"] == benchmark]
        curves = {curve.arm: curve for curve in decoded if curve.benchmark == benchmark}
        best = next((each for each in tuned if each.scores.benchmark == benchmark), None)
        pictures.append(_arms_picture(comparison, benchmark, rows, curves, best, baseline))
        here = [each for each in contrasts if each.benchmark == benchmark]
        if here:
            title = f"Declared contrasts on {benchmark}"
            figure = draw_forest(here, title)
            pictures.append(
                picture(
                    figure,
                    name=f"contrasts-{slug(benchmark)}",
                    alt=f"{title}, {len(here)} of them",
                    caption=FOREST_CAPTION,
                    values=_in_points(difference_table(here)),
                    labels=("rows", "Pass@1, in points", "", 1.0),
                    marks=_forest_marks(figure, here),
                )
            )
    return tuple(pictures)


def temperature_pictures(comparison: ComparisonRecord, decoded: Sequence[Curve]) -> tuple[Picture, ...]:
    """Accuracy against the temperature, benchmark by benchmark, where policies were decoded at several."""
    pictures = []
    for benchmark in comparison.benchmarks:
        curves = [curve for curve in decoded if curve.benchmark == benchmark]
        if curves:
            title = f"Pass@1 against temperature on {benchmark}"
            figure = draw_temperatures(curves, comparison.arms, title)
            pictures.append(
                picture(
                    figure,
                    name=f"temperature-{slug(benchmark)}",
                    alt=f"{title}, {number_of(len(curves), 'arm')}",
                    caption=TEMPERATURE_CAPTION,
                    values=curve_table(curves),
                    labels=("lines", "temperature (0 is greedy)", "Pass@1 (%)", 100.0),
                    marks=curve_marks(figure.axes[0], curves, lambda x: "greedy" if x == 0 else f"temperature {x:g}"),
                )
            )
    return tuple(pictures)


def arm_rows(summary: Sequence[Mapping[str, Any]], decoded: Mapping[str, Curve]) -> list[ArmRow]:
    """The arms of one benchmark as the first figure shows them; greedy is decoding at temperature 0.

    Args:
        summary: rows of the summary table.
        decoded: the curve against the temperature of each arm that has one.
    """
    rows = []
    for row in summary:
        curve, greedy = decoded.get(row["arm"]), None
        if curve is not None and curve.x_X[0] == 0 and row["temperature"] != 0:
            ends = (curve.band.point[0], curve.band.low[0], curve.band.high[0])
            greedy = Interval(**dict(zip(("point", "low", "high"), map(float, ends), strict=True)))
        rows.append(
            ArmRow(
                arm=row["arm"],
                accuracy=Interval(point=row["pass_at_1"], low=row["pass_at_1_low"], high=row["pass_at_1_high"]),
                seeds=tuple(float(value) for value in str(row["pass_at_1_seeds"]).split(";")),
                greedy=greedy,
            )
        )
    return rows


def _arms_picture(
    comparison: ComparisonRecord,
    benchmark: str,
    summary: Sequence[Mapping[str, Any]],
    decoded: Mapping[str, Curve],
    tuned: TunedStart | None,
    baseline: str | None,
) -> Picture:
    rows = arm_rows(summary, decoded)
    start = next((row.accuracy.point for row in rows if row.arm == baseline), None)
    best = None
    if tuned is not None:
        band = share_band(tuned.scores.pass_SPK, 0.95)
        best = Interval(point=float(band.point[0]), low=float(band.low[0]), high=float(band.high[0]))
    temperature = summary[0]["temperature"]
    where = at_temperature(temperature if np.isfinite(temperature) else None).strip()
    title = f"Every arm on {benchmark}"
    figure = draw_arms(rows, comparison.arms, title, start=start, tuned=best, at=where)
    nothing = Interval(point=np.nan, low=np.nan, high=np.nan)
    values = pd.DataFrame(
        {
            "arm": row.arm,
            **_ends(row.accuracy, ("point", "low", "high")),
            "seed_points": ";".join(f"{value:.6g}" for value in row.seeds),
            **_ends(row.greedy or nothing, ("greedy", "greedy_low", "greedy_high")),
            "start": np.nan if start is None else start,
            **_ends(best or nothing, ("tuned_start", "tuned_start_low", "tuned_start_high")),
        }
        for row in rows
    )
    return picture(
        figure,
        name=f"arms-{slug(benchmark)}",
        alt=f"{title}: Pass@1 with intervals, {number_of(len(rows), 'arm')}",
        caption=ARMS_CAPTION + (TUNED_CAPTION if best is not None and start is not None else ""),
        values=values,
        labels=("rows", "Pass@1 (%)", "", 100.0),
        marks=_arm_marks(figure, rows, where),
    )


def _ends(interval: Interval, names: tuple[str, str, str]) -> dict[str, float]:
    return dict(zip(names, (interval.point, interval.low, interval.high), strict=True))


def _arm_marks(figure: Figure, rows: Sequence[ArmRow], where: str) -> list[Mark]:
    [axes] = figure.axes
    marks = []
    for place, row in enumerate(rows):
        shown = [(row.accuracy, 0.0, where)] + ([(row.greedy, 0.2, "decoded greedily")] if row.greedy else [])
        for value, down, how in shown:
            text = f"{row.arm}\nPass@1 {how}: {100 * value.point:.1f}{range_text(value.low, value.high)}"
            marks.append(Mark(axes=axes, x=100 * value.point, y=place + down, text=text))
    return marks


def _forest_marks(figure: Figure, differences: Sequence[Difference]) -> list[Mark]:
    [axes] = figure.axes
    return [
        Mark(
            axes=axes,
            x=100 * each.point,
            y=place,
            text=f"{each.name}\n{interval_cell(each)}",
        )
        for place, each in enumerate(differences)
    ]


def _in_points(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that the figure shows, in points."""
    seeds = [
        ";".join(f"{100 * float(value):.6g}" for value in cell.split(";") if value) for cell in table["seed_points"]
    ]
    scaled = {name: 100 * column(table, name) for name in ("point", "low", "high")}
    return pd.DataFrame({"name": table["name"], **scaled, "seed_points": seeds, "verdict": table["verdict"]})
