"""How firm the order of the arms is, and what each spent to a level of accuracy: tables with a sentence."""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.figures.canvas import short_number
from analysis.records.evaluations import BUDGETS
from analysis.report import page
from analysis.report.contrast_tables import DASH, TextColumn
from analysis.statistics.ranks import ArmRanks
from analysis.statistics.thresholds import Passage

RANK_NOTE = (
    "The ranks allowed are those that no corrected comparison of two arms excludes (all pairs tested together, Holm; "
    "95 % for all arms at once): an order is firm where they are single numbers. Methods only; controls and the start "
    "are not ranked."
)
PASSAGE_NOTE = (
    "Where the mean over seeds first reaches a level of Pass@1, linear between evaluations; in brackets every place "
    "where the curve's 95 % band contains the level, open (–) where the arm may not reach it; then the seeds that "
    "reach it by themselves. A dash: not reached. Compare the brackets, not the points."
)


def ranks_html(found: Sequence[ArmRanks]) -> str:
    """A table a benchmark: rank, ranks allowed, rank in each seed; and how well the seeds agree."""
    html = ""
    for ranks in found:
        if len(ranks.arms) < 2:
            continue
        allowed = [
            str(best) if best == worst else f"{best} to {worst}"
            for best, worst in zip(ranks.best, ranks.worst, strict=True)
        ]
        by_seed = [" ".join(f"{rank:g}" for rank in own) or DASH for own in ranks.seed_ranks]
        columns = [
            TextColumn(heading="arm", cells=ranks.arms, is_text=True),
            TextColumn(heading="rank", cells=tuple(str(place + 1) for place in range(len(ranks.arms)))),
            TextColumn(heading="ranks allowed", cells=tuple(allowed)),
            TextColumn(heading="by seed", cells=tuple(by_seed)),
            TextColumn(heading="Pass@1 (%)", cells=tuple(f"{100 * value:.1f}" for value in ranks.accuracies)),
        ]
        html += page.heading(f"Order on {ranks.benchmark}") + page.table(columns)
        if np.isfinite(ranks.agreement):
            html += page.paragraph(
                f"Kendall's W of the {len(ranks.seeds)} seeds is {ranks.agreement:.2f}: 1 where every seed orders the "
                f"arms alike, about {1 / len(ranks.seeds):.2f} by chance."
            )
    return html + page.paragraph(RANK_NOTE, "note") if html else ""


def passages_html(found: Mapping[str, Sequence[Passage]]) -> str:
    """A table a benchmark and budget: a row an arm, a column a level of Pass@1."""
    tables: dict[tuple[str, str], str] = {}
    for x, group in found.items():
        for benchmark in dict.fromkeys(each.benchmark for each in group):
            here = {(each.arm, each.level): each for each in group if each.benchmark == benchmark}
            arms = tuple(dict.fromkeys(arm for arm, _ in here))
            columns = [TextColumn(heading="arm", cells=arms, is_text=True)]
            for level in dict.fromkeys(level for _, level in here):
                cells = tuple(_cell(here[arm, level]) for arm in arms)
                columns.append(TextColumn(heading=f"to {100 * level:g} %", cells=cells))
            title = f"{BUDGETS[x][0].upper()}{BUDGETS[x][1:]} to a level of Pass@1 on {benchmark}"
            table = page.table(columns)
            tables[benchmark, x] = page.heading(title) + table if x == "step" else page.folded(title, table)
    return "".join(tables.values()) + page.paragraph(PASSAGE_NOTE, "note") if tables else ""


def _cell(passage: Passage) -> str:
    low, high = (short_number(value) if np.isfinite(value) else DASH for value in (passage.low, passage.high))
    seeds = f"{passage.seeds_reached}/{passage.num_seeds}"
    if not np.isfinite(passage.reached):
        return DASH if low == DASH else f"{DASH} [{low}, {high}] {seeds}"
    return f"{short_number(passage.reached)} [{low}, {high}] {seeds}"
