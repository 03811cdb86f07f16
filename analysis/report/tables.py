"""The summary table: what each arm scores at its last step, how far from the baseline, at what cost, how it failed."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.figures.canvas import short_number
from analysis.noise.intervals import Interval, Resampling
from analysis.noise.simultaneous import share_band
from analysis.records import frames
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.records.schema import BUDGET_COLUMNS, VERDICTS
from analysis.records.showing import number_of
from analysis.report.contrast_tables import DASH, TextColumn, contrast_columns
from analysis.report.sentences import at_temperature
from analysis.statistics.chains import wrong_chain_rate
from analysis.statistics.curves import baseline_scores
from analysis.statistics.differences import Difference, compare_arms
from analysis.statistics.scores import ArmScores, samples_each, score_comparison

MAJORITY_K = 16  # the table shows Maj@16, or the largest K below it
INTERVALS = ("pass_at_1", "difference", "maj_at_k", "pass_at_k")
FAILURE_RATES = {
    "no_answer_rate": "NO_ANSWER",
    "unparsable_rate": "UNPARSABLE",
    "timeout_rate": "TIMEOUT",
    "truncated_rate": "truncated",
}
BUDGET_HEADINGS = {
    "completions_sampled": "completions",
    "tokens_generated": "tokens generated",
    "tokens_trained": "tokens trained",
    "flops": "FLOPs",
    "seconds": "seconds",
    "kl": "last KL",
}
TERMINAL_WIDTH = 120
CHAIN_HEADING = (
    "right answers whose chain is wrong, in % of right answers; and scores where the chain must be right too"
)


def summary_table(
    comparison: ComparisonRecord, *, baseline: str | None = None, resampling: Resampling | None = None
) -> pd.DataFrame:
    """One row an arm and benchmark, at the arm's final step.

    Columns: benchmark, arm, algorithm, seeds, problems, samples and most_samples (the fewest and most that a problem
    has), step; `pass_at_1`, `maj_at_k`, `pass_at_k` and `difference` (Pass@1 minus the baseline's, paired), each with
    `_low` and `_high`, as shares in 0..1; `maj_k`, `pass_k`; `temperature` of the samples; `pass_at_1_seeds` (each
    seed's Pass@1, separated by ";"); `completions_sampled`, `tokens_trained`, `seconds` (at the end of training, mean
    over seeds; 0 where nothing was trained, NaN where not recorded); `no_answer_rate`, `unparsable_rate`,
    `timeout_rate`, `truncated_rate` (shares of the samples); and where chains were checked, `wrong_chain_rate`, of
    right answers. Without a baseline, and in its own row, `difference` is NaN. An arm with another start policy, or
    another evaluation, is compared with its own start (`ComparisonRecord.baseline_of`).

    Raises:
        ValueError: the baseline is not among the finished arms.
    """
    return summarize_scores(comparison, score_comparison(comparison), baseline, resampling or Resampling())


def summarize_scores(
    comparison: ComparisonRecord, scores: Sequence[ArmScores], baseline: str | None, resampling: Resampling
) -> pd.DataFrame:
    """`summary_table` from scores that were computed before."""
    rows = []
    for arm in scores:
        runs = comparison.runs_of(arm.arm)
        against = comparison.baseline_of(arm.arm, baseline)
        base = baseline_scores(scores, against, arm.benchmark) if against is not None else arm
        rows.append(
            {
                "benchmark": arm.benchmark,
                "arm": arm.arm,
                "algorithm": runs[0].algorithm,
                "seeds": len(runs),
                "problems": len(arm.problem_ids),
                "step": runs[0].final_step,
                **_score_cells(arm, base, resampling),
                **{name: spent_on(runs, name) for name in ("completions_sampled", "tokens_trained", "seconds")},
                **_failure_rates(runs, arm.benchmark),
                "wrong_chain_rate": wrong_chain_rate(runs, arm.benchmark),
            }
        )
    table = pd.DataFrame(rows)
    unchecked = np.isnan(frames.column(table, "wrong_chain_rate")).all()
    return table.drop(columns="wrong_chain_rate") if unchecked else table


def verdict_table(comparison: ComparisonRecord) -> pd.DataFrame:
    """How many samples of the final step got each verdict: a row an arm and benchmark, all seeds together; and how many
    were cut off at the length limit (finish_reason "length"), whatever their verdict."""
    rows = [
        {"benchmark": benchmark, "arm": arm, **_verdict_counts(comparison.runs_of(arm), benchmark)}
        for benchmark in comparison.benchmarks
        for arm in comparison.arms
    ]
    return pd.DataFrame(rows)


def render_text(table: pd.DataFrame, contrasts: Sequence[Difference] = (), chains: pd.DataFrame | None = None) -> str:
    """The summary table for a terminal: aligned, at most 120 characters wide, scores first, then the declared contrasts
    as the page shows them, then costs and failures."""
    blocks = []
    for benchmark, rows in table.groupby("benchmark", sort=False):
        temperature = float(frames.column(rows, "temperature")[0])
        where = at_temperature(None if np.isnan(temperature) else temperature)
        blocks += [
            f"{benchmark}: {size_text(rows, where)}; in %, with 95 % over problems and seeds",
            align(score_columns(rows)),
            "",
        ]
        here = [each for each in contrasts if each.benchmark == benchmark]
        if here:
            blocks += [
                "declared contrasts, Pass@1 in points, corrected together (Holm)",
                align(contrast_columns(here)),
                "",
            ]
        if chains is not None and (checked := frames.column(chains, "benchmark") == benchmark).any():
            blocks += [CHAIN_HEADING, align(chain_columns(frames.rows_where(chains, checked))), ""]
        blocks += [align(cost_columns(rows)), ""]
    return "\n".join(blocks).rstrip() + "\n"


def size_text(rows: pd.DataFrame, where: str = "") -> str:
    """How many problems and samples one benchmark's rows are of; and what K is cut to, where the numbers differ.

    Args:
        rows: of all arms.
        where: comes after the samples.
    """
    fewest, most = int(frames.column(rows, "samples").min()), int(frames.column(rows, "most_samples").max())
    problems = number_of(int(frames.column(rows, "problems")[0]), "problem")
    text = f"{problems}, {samples_each(fewest, most)}{where}"
    return text if fewest == most else f"{text}, K up to {rows['pass_k'].iloc[0]} as the fewest allow"


def score_columns(rows: pd.DataFrame) -> list[TextColumn]:
    """Scores of one benchmark's rows as text columns; the report shows the same ones."""
    columns = [_arm_column(rows), _interval_column(rows, "pass_at_1", "Pass@1")]
    if np.isfinite(frames.column(rows, "difference")).any():
        columns.append(_interval_column(rows, "difference", "vs baseline"))
    if rows["maj_k"].iloc[0] > 1:  # at K = 1 both are Pass@1 again
        columns.append(_interval_column(rows, "maj_at_k", f"Maj@{rows['maj_k'].iloc[0]}"))
    return [*columns, *_pass_column(rows)]


def wrong_chain_columns(rows: pd.DataFrame) -> list[TextColumn]:
    """The share of right answers whose chain is wrong as a text column; none where no chain was checked."""
    rates = frames.column(rows, "wrong_chain_rate") if "wrong_chain_rate" in rows else np.array([np.nan])
    if np.isnan(rates).all():
        return []
    cells = tuple(DASH if np.isnan(rate) else f"{100 * rate:.1f} %" for rate in rates)
    return [TextColumn(heading="wrong chains", cells=cells)]


def chain_columns(chains: pd.DataFrame) -> list[TextColumn]:
    """Rows of `chains.chain_table` of one benchmark as text columns."""
    return [
        _arm_column(chains),
        *wrong_chain_columns(chains),
        _interval_column(chains, "pass_at_1", "Pass@1"),
        *_pass_column(chains),
    ]


def cost_columns(rows: pd.DataFrame) -> list[TextColumn]:
    """Per-seed values, budget and failure rates of one benchmark's rows as text columns."""
    seeds = [
        " ".join(f"{100 * float(value):.1f}" for value in cell.split(";"))
        for cell in rows["pass_at_1_seeds"].astype(str)
    ]
    columns = [_arm_column(rows), TextColumn(heading="Pass@1 by seed", cells=tuple(seeds), shortens=True)]
    for name, heading in (("completions_sampled", "sampled"), ("tokens_trained", "tokens"), ("seconds", "seconds")):
        cells = tuple(DASH if np.isnan(value) else short_number(value) for value in rows[name])
        columns.append(TextColumn(heading=heading, cells=cells))
    rates = {
        "no answer": "no_answer_rate",
        "unparsed": "unparsable_rate",
        "timeout": "timeout_rate",
        "cut off": "truncated_rate",
    }
    for heading, name in rates.items():
        cells = tuple(f"{100 * value:.1f} %" if value else "0" for value in rows[name])
        columns.append(TextColumn(heading=heading, cells=cells))
    return columns


def budget_columns(comparison: ComparisonRecord) -> list[TextColumn]:
    """What each arm spent up to the end of its training, mean over seeds, and its last KL from the reference."""
    columns = [TextColumn(heading="arm", cells=comparison.arms, is_text=True)]
    steps = tuple(str(comparison.runs_of(arm)[0].final_step) for arm in comparison.arms)
    columns.append(TextColumn(heading="steps", cells=steps))
    for name in (*BUDGET_COLUMNS, "kl"):
        values = [spent_on(comparison.runs_of(arm), name) for arm in comparison.arms]
        cells = tuple(DASH if np.isnan(value) else short_number(value) for value in values)
        columns.append(TextColumn(heading=BUDGET_HEADINGS[name], cells=cells))
    return columns


def _score_cells(arm: ArmScores, base: ArmScores, resampling: Resampling) -> dict[str, object]:
    majority = max(column for column, k in enumerate(arm.ks) if k <= MAJORITY_K)
    nothing = Interval(point=np.nan, low=np.nan, high=np.nan)
    columns_SPX = np.stack([arm.pass_SPK[:, :, 0], arm.majority_SPK[:, :, majority], arm.pass_SPK[:, :, -1]], axis=2)
    band = share_band(columns_SPX, resampling.confidence)
    intervals = {
        name: Interval(point=float(band.point[x]), low=float(band.low[x]), high=float(band.high[x]))
        for x, name in enumerate(("pass_at_1", "maj_at_k", "pass_at_k"))
    }
    intervals["difference"] = nothing
    if base is not arm:
        [difference] = compare_arms([base, arm], resampling=resampling, baseline=base.arm)
        intervals["difference"] = difference.interval
    cells: dict[str, object] = {"samples": arm.num_samples, "most_samples": arm.most_samples}
    cells |= {"maj_k": arm.ks[majority], "pass_k": arm.ks[-1]}
    cells["temperature"] = np.nan if arm.temperature is None else arm.temperature
    for name in INTERVALS:
        interval = intervals[name]
        cells |= {name: interval.point, f"{name}_low": interval.low, f"{name}_high": interval.high}
    cells["pass_at_1_seeds"] = ";".join(f"{value:.6g}" for value in arm.pass_SPK[:, :, 0].mean(axis=1))
    return cells


def spent_on(runs: Sequence[RunRecord], budget: str) -> float:
    """The budget at the end of training, mean over seeds; 0 where nothing was trained, NaN where not recorded."""
    spent = []
    for run in runs:
        values = frames.column(run.metrics, budget).astype(float) if budget in run.metrics else np.array([])
        known = values[np.isfinite(values)]
        spent.append(known[-1] if len(known) else (0.0 if run.metrics.empty else np.nan))
    return float(np.mean(spent))


def _verdict_counts(runs: Sequence[RunRecord], benchmark: str) -> dict[str, int | float]:
    """Samples by verdict, those that were cut off, and the mean length, over the final samples of all seeds."""
    counts = Counter[str]()
    tokens = 0
    for run in runs:
        samples = run.final_samples_on(benchmark)
        codes_N, values = frames.codes_of(samples, "verdict")
        counts.update(dict(zip(values.tolist(), np.bincount(codes_N, minlength=len(values)).tolist(), strict=True)))
        finish_N, reasons = frames.codes_of(samples, "finish_reason")
        counts["truncated"] += int((reasons == "length")[finish_N].sum())
        counts["samples"] += len(samples)
        tokens += int(frames.column(samples, "num_tokens").sum())
    named = {name: counts[name] for name in ("samples", *VERDICTS, "truncated")}
    return {**named, "mean tokens": round(tokens / counts["samples"], 1)}


def _failure_rates(runs: Sequence[RunRecord], benchmark: str) -> dict[str, float]:
    counts = _verdict_counts(runs, benchmark)
    return {rate: counts[name] / counts["samples"] for rate, name in FAILURE_RATES.items()}


def _arm_column(rows: pd.DataFrame) -> TextColumn:
    return TextColumn(heading="arm", cells=tuple(rows["arm"]), is_text=True, shortens=True)


def _pass_column(rows: pd.DataFrame) -> list[TextColumn]:
    """Pass@K at the largest K; none where that is 1, the column before it."""
    largest = rows["pass_k"].iloc[0]
    return [_interval_column(rows, "pass_at_k", f"Pass@{largest}")] if largest > 1 else []


def _interval_column(rows: pd.DataFrame, name: str, heading: str) -> TextColumn:
    sign = "+" if name == "difference" else ""
    cells = tuple(
        _interval_text(point, low, high, sign)
        for point, low, high in zip(rows[name], rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
    )
    return TextColumn(heading=heading, cells=cells)


def _interval_text(point: float, low: float, high: float, sign: str) -> str:
    if np.isnan(point):
        return DASH
    ends = f"{100 * low:{sign}.1f}, {100 * high:{sign}.1f}" if np.isfinite(low) else DASH
    return f"{100 * point:{sign}.1f} [{ends}]"


def align(columns: Sequence[TextColumn]) -> str:
    """Columns as lines of text, two spaces apart; the widest `shortens` columns give way beyond 120 characters."""
    texts = [[column.heading, *column.cells] for column in columns]
    widths = [max(map(len, cells)) for cells in texts]
    flexible = [i for i, column in enumerate(columns) if column.shortens]
    while sum(widths) + 2 * (len(widths) - 1) > TERMINAL_WIDTH and max(widths[i] for i in flexible) > 12:
        widths[max(flexible, key=lambda i: widths[i])] -= 1
    padded = []
    for column, cells, width in zip(columns, texts, widths, strict=True):
        fitted = [_shorten(cell, width) for cell in cells]
        if column.is_text and column.shortens:
            fitted = [_tell_apart(fitted, row, width) for row in range(len(fitted))]
        padded.append([cell.ljust(width) if column.is_text else cell.rjust(width) for cell in fitted])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))


def _shorten(cell: str, width: int) -> str:
    """The start and the end of a cell that is too long: names of a sweep differ at either."""
    if len(cell) <= width:
        return cell
    head = width // 2
    return cell[:head] + "…" + cell[len(cell) - (width - head - 1) :]


def _tell_apart(cells: Sequence[str], row: int, width: int) -> str:
    """A name that is shortened to the same as another carries its row number instead of its end."""
    if cells.count(cells[row]) == 1:
        return cells[row]
    number = f"…#{row}"
    return cells[row][: width - len(number)] + number
