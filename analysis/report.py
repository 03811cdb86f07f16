"""The report of a comparison or of a single run: `report/index.html`, its figures as PNG and its tables as CSV."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis import page, sections
from analysis.curves import (
    Curve,
    curve_table,
    diagnostic_traces,
    difference_curves,
    learning_curves,
    majority_curves,
    pass_curves,
)
from analysis.intervals import Resampling
from analysis.plots import X_LABELS, draw_diagnostics, draw_k_curves, draw_learning_curves, figure_png
from analysis.records import ComparisonRecord, load_comparison
from analysis.scores import ArmScores, score_comparison
from analysis.tables import TextColumn, cost_columns, score_columns, summarize_scores, verdict_table

DEFAULT_BASELINE = "sft_start"
RESAMPLING = Resampling()
BAND = "the shade is its 95 % bootstrap band over problems"
LINE = f"The line is the mean over seeds, {BAND}, the dots are seeds."
K_CAPTIONS = {
    "pass": f"The chance that at least one of K samples is right. {LINE}",
    "majority": f"The chance that the most frequent answer of K samples is right. {LINE}",
    "pass_difference": f"Pass@K minus that of the baseline on the same problems (paired); {BAND}.",
    "majority_difference": f"Maj@K minus that of the baseline on the same problems (paired); {BAND}.",
}
K_NAMES = {
    "pass": "Pass@K",
    "majority": "Maj@K",
    "pass_difference": "Pass@K, difference to {baseline},",
    "majority_difference": "Maj@K, difference to {baseline},",
}
DIAGNOSTICS_CAPTION = (
    "Training metrics where an arm has them, as a running mean over 1/20 of the steps. Thick: mean over seeds; thin: "
    "each seed. Rewards and losses of different methods are not on one scale."
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn figure: file name without ending, PNG bytes, what it shows, and the caption."""

    name: str
    png: bytes
    alt: str
    caption: str


def write_report(comparison_dir: str | Path, *, baseline: str | None = None) -> Path:
    """Write the report of a comparison folder, or of a run folder, into its folder `report/`.

    Beside `index.html`, which needs no other file: each figure as PNG, `summary.csv`, `verdicts.csv` and `curves.csv`.
    Everything is computed before the first file is written, and the page is put in place last.

    Args:
        comparison_dir: what `coeflab compare`, `train` or `evaluate` wrote.
        baseline: the arm to subtract; without it, the one that `comparison.json` names, else "sft_start" where it
        finished.

    Returns:
        The path of `index.html`.

    Raises:
        RecordError: the records cannot be read or compared (see `load_comparison`).
        ValueError: `baseline` is not among the finished arms.
    """
    comparison = load_comparison(comparison_dir)
    scores = score_comparison(comparison)
    chosen = _choose_baseline(comparison, baseline)
    summary = summarize_scores(comparison, scores, chosen, RESAMPLING)
    verdicts = verdict_table(comparison)
    curves = _k_curves(scores, chosen)
    learning = {x: learning_curves(comparison, x, RESAMPLING) for x in ("step", "completions_sampled")}
    accuracy = [_k_picture(group, benchmark, comparison.arms, chosen) for benchmark, group in _by_panel(curves)]
    training = [
        _learning_picture(learning[x], x, name, comparison.arms) for x in learning for name in comparison.benchmarks
    ]
    diagnostics = _diagnostics_picture(comparison)
    pictures = [*accuracy, *(picture for picture in [*training, diagnostics] if picture is not None)]
    html = _render(comparison, summary, verdicts, chosen, accuracy, [p for p in training if p], diagnostics)
    folder = comparison.path / "report"
    folder.mkdir(exist_ok=True)
    for picture in pictures:
        (folder / f"{picture.name}.png").write_bytes(picture.png)
    summary.to_csv(folder / "summary.csv", index=False)
    verdicts.to_csv(folder / "verdicts.csv", index=False)
    tables = [
        curve_table(curves).assign(x_name="K"),
        *(curve_table(learning[x]).assign(x_name=x) for x in learning if learning[x]),
    ]
    pd.concat(tables, ignore_index=True).to_csv(folder / "curves.csv", index=False)
    target = folder / "index.html"
    draft = folder / "index.html.part"
    draft.write_text(html, encoding="utf-8")
    draft.replace(target)
    return target


def _choose_baseline(comparison: ComparisonRecord, baseline: str | None) -> str | None:
    if baseline is not None:
        if baseline not in comparison.arms:
            raise ValueError(
                f"baseline {baseline!r} is not among the finished arms {list(comparison.arms)} of {comparison.path}; "
                "name one of them, or let it finish"
            )
        return baseline
    wanted = comparison.description.get("baseline", DEFAULT_BASELINE)
    return wanted if wanted in comparison.arms and len(comparison.arms) > 1 else None


def _k_curves(scores: Sequence[ArmScores], baseline: str | None) -> tuple[Curve, ...]:
    differences = difference_curves(scores, baseline, RESAMPLING) if baseline is not None else ()
    return (*pass_curves(scores, RESAMPLING), *majority_curves(scores, RESAMPLING), *differences)


def _by_panel(curves: Sequence[Curve]) -> list[tuple[str, list[Curve]]]:
    """(benchmark, curves of one quantity), a panel each, benchmark by benchmark."""
    panels: dict[tuple[str, str], list[Curve]] = {}
    for benchmark in dict.fromkeys(curve.benchmark for curve in curves):
        for curve in (curve for curve in curves if curve.benchmark == benchmark):
            panels.setdefault((benchmark, curve.quantity), []).append(curve)
    return [(benchmark, group) for (benchmark, _), group in panels.items()]


def _k_picture(curves: Sequence[Curve], benchmark: str, arms: Sequence[str], baseline: str | None) -> Picture:
    quantity = curves[0].quantity
    title = f"{K_NAMES[quantity].format(baseline=baseline)} on {benchmark}"
    return Picture(
        name=f"{quantity}_at_k-{_slug(benchmark)}",
        png=figure_png(draw_k_curves(curves, arms, title)),
        alt=f"{title}, {len(curves)} arms",
        caption=K_CAPTIONS[quantity],
    )


def _learning_picture(curves: Sequence[Curve], x: str, benchmark: str, arms: Sequence[str]) -> Picture | None:
    """Learning curves of one benchmark; None if no arm was evaluated more than once."""
    chosen = [curve for curve in curves if curve.benchmark == benchmark]
    if not any(len(curve.x_X) > 1 for curve in chosen):
        return None
    title = f"Pass@1 on {benchmark}"
    left_out = "" if x == "step" else " Arms that spend none of it are left out."
    return Picture(
        name=f"learning_by_{x}-{_slug(benchmark)}",
        png=figure_png(draw_learning_curves(chosen, arms, x, title)),
        alt=f"{title} against {X_LABELS[x]}, {len(chosen)} arms",
        caption=f"Pass@1 against {X_LABELS[x]}, on the problems evaluated at every step. Thick: mean over seeds; "
        f"thin: each seed; "
        f"{BAND}. An arm evaluated once is a horizontal line.{left_out}",
    )


def _diagnostics_picture(comparison: ComparisonRecord) -> Picture | None:
    traces = diagnostic_traces(comparison)
    if not traces:
        return None
    return Picture(
        name="diagnostics",
        png=figure_png(draw_diagnostics(traces, comparison.arms)),
        alt="training metrics against the optimiser step",
        caption=DIAGNOSTICS_CAPTION,
    )


def _render(
    comparison: ComparisonRecord,
    summary: pd.DataFrame,
    verdicts: pd.DataFrame,
    baseline: str | None,
    accuracy: Sequence[Picture],
    training: Sequence[Picture],
    diagnostics: Picture | None,
) -> str:
    title = str(comparison.description.get("title") or f"Comparison {comparison.path.resolve().name}")
    if len(comparison.runs) == 1:
        title = f"Run {comparison.path.resolve().name}"
    size = f"{sections.counted(len(comparison.arms), 'arm')}, {sections.counted(len(comparison.runs), 'run')}"
    lead = f"{size}, on {', '.join(comparison.benchmarks)}."
    training_html = page.figures([_figure(picture) for picture in training])
    if diagnostics is not None:
        training_html += page.figure(diagnostics.png, diagnostics.alt, diagnostics.caption, wide=True)
    in_short = sections.unfinished_warning(comparison) + page.bullets(sections.answer_sentences(summary, baseline))
    in_short += page.paragraph(sections.seed_caution(comparison), "note")
    contents = [
        ("In short", in_short),
        ("What was compared", sections.arms_section(comparison)),
        ("Summary", _summary_html(summary, baseline)),
        ("Accuracy against the number of samples", page.figures([_figure(picture) for picture in accuracy])),
        ("Training", training_html),
        ("Verdicts", _verdicts_html(verdicts)),
        ("Samples", sections.samples_section(comparison)),
        ("How to read this", sections.notes_section(comparison, baseline)),
        ("Environment", sections.environment_section(comparison)),
    ]
    return page.document(title, lead, contents)


def _summary_html(summary: pd.DataFrame, baseline: str | None) -> str:
    parts = []
    for benchmark, rows in summary.groupby("benchmark", sort=False):
        first = rows.iloc[0]
        parts.append(page.heading(f"{benchmark}: {first['problems']} problems, {first['samples']} samples each"))
        parts += [page.table(score_columns(rows)), page.table(cost_columns(rows))]
    against = f" The difference is to {baseline}, on Pass@1, paired by problem." if baseline else ""
    note = (
        f"In %, with 95 % bands over problems, at each arm's last step.{against} Budgets are the mean over seeds; "
        "shares of samples without an answer, not parsable, timed out in the checker, and cut off at the length limit, "
        "are over all seeds."
    )
    return "".join(parts) + page.paragraph(note, "note")


def _verdicts_html(verdicts: pd.DataFrame) -> str:
    columns = [
        TextColumn(
            heading=str(name), cells=tuple(str(cell) for cell in verdicts[name]), is_text=name in ("arm", "benchmark")
        )
        for name in ["arm", *verdicts.columns.drop("arm")]
    ]
    note = "Samples of the last step, all seeds. TIMEOUT is the checker giving up: it counts as not solved."
    return page.table(columns) + page.paragraph(note, "note")


def _figure(picture: Picture) -> str:
    return page.figure(picture.png, picture.alt, picture.caption)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
