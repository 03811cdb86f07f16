"""The report of a comparison or of a single run: `report/index.html`, its figures and its tables."""

import json
from collections.abc import Sequence
from pathlib import Path

from analysis.figures import redraw
from analysis.figures.canvas import PAGE, Look
from analysis.figures.styles import arm_styles
from analysis.noise.intervals import Resampling
from analysis.records.evaluations import BUDGETS
from analysis.records.join import load_joined
from analysis.records.record import ComparisonRecord
from analysis.records.schema import START_ARM
from analysis.report.claims import make_claims
from analysis.report.coefficient_page import coefficient_pictures
from analysis.report.export import statistics_frames, write_frames
from analysis.report.first_pictures import first_pictures, temperature_pictures
from analysis.report.layout import Content, Pictures, render
from analysis.report.pictures import (
    Picture,
    diagnostic_pictures,
    group_pictures,
    k_pictures,
    learning_pictures,
)
from analysis.report.tables import summarize_scores, verdict_table
from analysis.report.trust.facts import learned_facts, learned_frames
from analysis.report.trust.pictures import trust_pictures
from analysis.statistics.curves import differences_to_own, learning_curves, majority_curves, pass_curves
from analysis.statistics.decoding import temperature_curves
from analysis.statistics.scores import score_comparison
from benchmarks.naming import did_you_mean

RESAMPLING = Resampling()


def write_report(
    comparison_dir: str | Path | Sequence[str | Path],
    *,
    baseline: str | None = None,
    out: str | Path | None = None,
    again_s: int | None = None,
) -> Path:
    """Write the report of a comparison folder, or of a run folder, into its folder `report/`.

    Beside `index.html`, which needs no other file: each figure as PDF, SVG and PNG with its values as CSV and a script
    that draws it again, and each table as CSV and Parquet. Everything is computed before the first file is written, and
    the page is put in place last.

    Args:
        comparison_dir: what `coeflab compare`, `train` or `evaluate` wrote; several folders are joined (`load_joined`).
        baseline: the arm to subtract; without it, the one that `comparison.json` names, else "sft_start" where it
        finished.
        out: folder of the report; without it, `report_folder`.
        again_s: after so many seconds a browser reads the page again, for one that is written again and again.

    Returns:
        The path of `index.html`.

    Raises:
        RecordError: the records cannot be read or compared (see `load_comparison`).
        ValueError: `baseline` is not among the finished arms.
    """
    folders = [comparison_dir] if isinstance(comparison_dir, str | Path) else list(comparison_dir)
    content = _content(load_joined(folders), baseline)
    pictures = draw_pictures(content)
    html = render(content, pictures, again_s)
    folder = report_folder(folders) if out is None else Path(out)
    write_frames(content.frames, folder)
    _write_pictures(pictures.all, content.comparison.arms, folder)
    target = folder / "index.html"
    draft = folder / "index.html.part"
    draft.write_text(html, encoding="utf-8")
    draft.replace(target)
    return target


def report_folder(folders: Sequence[str | Path]) -> Path:
    """Where the report of a folder goes, or that of several joined."""
    first = Path(folders[0])
    if len(folders) == 1:
        return first / "report"
    return first.parent / f"report-{'-'.join(Path(folder).resolve().name for folder in folders)}"


def comparison_pictures(
    comparison: ComparisonRecord, *, baseline: str | None = None, look: Look = PAGE
) -> tuple[Picture, ...]:
    """Every figure of the report in a look of one's own: column width, size and family of the letters."""
    with look.context():
        return draw_pictures(_content(comparison, baseline)).all


def _content(comparison: ComparisonRecord, baseline: str | None) -> Content:
    scores = score_comparison(comparison)
    chosen = _choose_baseline(comparison, baseline)
    claims = make_claims(
        comparison, scores, summarize_scores(comparison, scores, chosen, RESAMPLING), chosen, RESAMPLING
    )
    learned = learned_facts(comparison, RESAMPLING)
    frames = {
        "summary": claims.summary,
        "verdicts": verdict_table(comparison),
        **statistics_frames(
            comparison,
            scores,
            baseline=chosen,
            resampling=RESAMPLING,
            contrasts=claims.contrasts,
            controls=claims.controls,
        ),
        **learned_frames(learned),
    }
    learning = {x: learning_curves(comparison, x, RESAMPLING) for x in BUDGETS}
    return Content(
        comparison=comparison, scores=scores, claims=claims, frames=frames, learning=learning, learned=learned
    )


def draw_pictures(content: Content) -> Pictures:
    """The figures, in the look of the present context."""
    comparison, scores, claims = content.comparison, content.scores, content.claims
    baseline = claims.baseline
    differences = differences_to_own(comparison, scores, baseline, RESAMPLING) if baseline is not None else ()
    curves = (*pass_curves(scores, RESAMPLING), *majority_curves(scores, RESAMPLING), *differences)
    decoded = temperature_curves(comparison, RESAMPLING.confidence)
    return Pictures(
        first=first_pictures(comparison, claims.summary, claims.contrasts, decoded, claims.tuned, baseline),
        decoding=temperature_pictures(comparison, decoded),
        groups=group_pictures(comparison, content.frames["breakdown"]),
        accuracy=k_pictures(comparison, curves, baseline),
        training=learning_pictures(comparison, content.learning, claims.controls),
        learned=trust_pictures(comparison, content.learned),
        diagnostics=diagnostic_pictures(comparison),
        coefficients=coefficient_pictures(comparison),
    )


def _write_pictures(pictures: Sequence[Picture], arms: Sequence[str], folder: Path) -> None:
    """Each figure in three formats with its values, the script that draws it again, and what that needs to know."""
    for name, content in (item for each in pictures for item in each.files().items()):
        (folder / name).write_bytes(content)
    names = dict.fromkeys([*arms, *(name for each in pictures if "arm" in each.values for name in each.values["arm"])])
    styles = {
        name: {"color": style.color, "marker": style.marker, "dashes": [style.dashes[0], list(style.dashes[1])]}
        for name, style in arm_styles(names).items()
    }
    about = {"styles": styles, "figures": {each.name: dict(each.labels) for each in pictures}}
    (folder / "figures.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    (folder / "redraw.py").write_text(Path(redraw.__file__).read_text(encoding="utf-8"), encoding="utf-8")


def _choose_baseline(comparison: ComparisonRecord, baseline: str | None) -> str | None:
    if baseline is not None:
        if baseline not in comparison.arms:
            raise ValueError(
                f"baseline {baseline!r} is not among the finished arms {list(comparison.arms)} of {comparison.path}"
                f"{did_you_mean(baseline, comparison.arms)}Name one of them, or let it finish"
            )
        return baseline
    wanted = comparison.description.get("baseline", START_ARM)
    return wanted if wanted in comparison.arms and len(comparison.arms) > 1 else None
