"""The report's sections that are words and tables: what was run, the answer in sentences, samples, notes, versions."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import page
from analysis.frames import column, records_of, rows_where
from analysis.records import ComparisonRecord
from analysis.tables import DASH, TextColumn, final_samples

SHOWN_PROBLEMS = 3
SHOWN_CHARACTERS = 4000
FEW_PROBLEMS = 30


def answer_sentences(summary: pd.DataFrame, baseline: str | None) -> list[str]:
    """What the numbers say, a sentence an arm: its level without a baseline, else its difference, largest first.

    A difference whose band holds 0 reads "cannot be told from".
    """
    sentences = []
    rows = records_of(summary)
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        here = [row for row in rows if row["benchmark"] == benchmark]
        sentences += [_level_sentence(row) for row in here if baseline in (None, row["arm"])]
        others = [row for row in here if baseline not in (None, row["arm"])]
        sentences += [
            _difference_sentence(row, str(baseline)) for row in sorted(others, key=lambda row: -row["difference"])
        ]
    return sentences


def _level_sentence(row: Mapping[str, Any]) -> str:
    return (
        f"{row['arm']} solves {100 * row['pass_at_1']:.1f} % of {counted(row['problems'], 'problem')} of "
        f"{row['benchmark']} in one try (95 % {100 * row['pass_at_1_low']:.1f} to {100 * row['pass_at_1_high']:.1f}, "
        f"{counted(row['seeds'], 'seed')})."
    )


def _difference_sentence(row: Mapping[str, Any], baseline: str) -> str:
    low, high = 100 * row["difference_low"], 100 * row["difference_high"]
    band = f"95 % {low:+.1f} to {high:+.1f}, {counted(row['seeds'], 'seed')}"
    points = f"{100 * abs(row['difference']):.1f} points"
    where = f"on Pass@1, {row['benchmark']},"
    if low > 0:
        return f"{row['arm']} beats {baseline} {where} by {points} ({band})."
    if high < 0:
        return f"{row['arm']} is worse than {baseline} {where} by {points} ({band})."
    return f"{row['arm']} cannot be told from {baseline} {where} {100 * row['difference']:+.1f} points ({band})."


def arms_section(comparison: ComparisonRecord) -> str:
    """What was compared: a row an arm, then every setting in which arms differ, then whole configurations."""
    firsts = [comparison.runs_of(arm)[0] for arm in comparison.arms]
    seeds = [" ".join(str(run.seed) for run in comparison.runs_of(arm)) for arm in comparison.arms]
    columns = [
        TextColumn(heading="arm", cells=comparison.arms, is_text=True),
        TextColumn(heading="algorithm", cells=tuple(run.algorithm for run in firsts), is_text=True),
        TextColumn(
            heading="recipe", cells=tuple(_recipe_name(run.config.get("recipe")) for run in firsts), is_text=True
        ),
        TextColumn(heading="seeds", cells=tuple(seeds), is_text=True),
        TextColumn(heading="evaluated at step", cells=tuple(str(run.final_step) for run in firsts)),
    ]
    settings = [flatten(run.config) for run in firsts]
    names = [name for name in dict.fromkeys(name for each in settings for name in each) if name not in ("arm", "seed")]
    differing = [name for name in names if len({each.get(name) for each in settings}) > 1]
    content = page.table(columns)
    if differing:
        by_arm = [
            TextColumn(heading=arm, cells=tuple(each.get(name, DASH) for name in differing))
            for arm, each in zip(comparison.arms, settings, strict=True)
        ]
        grid = page.table([TextColumn(heading="setting", cells=tuple(differing), is_text=True), *by_arm])
        content += page.folded(f"{counted(len(differing), 'setting')} in which the arms differ", grid)
    texts = [page.labelled_text(run.path.name, json.dumps(run.config, indent=2, default=str)) for run in firsts]
    return content + page.folded("Resolved configurations (first seed of each arm)", "".join(texts))


def samples_section(comparison: ComparisonRecord) -> str:
    """The first problems of each benchmark, and of each arm's first seed a right and a wrong completion of them."""
    parts = []
    for benchmark in comparison.benchmarks:
        by_arm = {arm: final_samples(comparison.runs_of(arm)[:1], benchmark) for arm in comparison.arms}
        first = by_arm[comparison.arms[0]].drop_duplicates("problem_id").head(SHOWN_PROBLEMS)
        for problem in records_of(first):
            parts.append(page.heading(f"{benchmark}, problem {problem['problem_id']}"))
            parts.append(
                page.labelled_text(f"question (gold answer {problem['gold_answer']})", str(problem["question"]))
            )
            for arm, samples in by_arm.items():
                parts.append(
                    _completions(arm, rows_where(samples, column(samples, "problem_id") == problem["problem_id"]))
                )
    return "".join(parts)


def seed_caution(comparison: ComparisonRecord) -> str:
    """What the number of seeds allows one to say; "nothing trained" needs no caution."""
    trained = [arm for arm in comparison.arms if any(len(run.metrics) for run in comparison.runs_of(arm))]
    if not trained:
        return "Nothing was trained here: the bands cover the choice of problems."
    fewest = min(len(comparison.runs_of(arm)) for arm in trained)
    covered = "The bands cover the choice of problems, not the training seed"
    if fewest >= 3:
        return f"{covered}; each trained arm has at least {fewest} seeds."
    return (
        f"{covered}. With {counted(fewest, 'seed')} an arm these are "
        "statements about these runs: another training run of the same method may fall outside them."
    )


def notes_section(comparison: ComparisonRecord, baseline: str | None) -> str:
    """What the numbers do and do not say."""
    seeds = [len(comparison.runs_of(arm)) for arm in comparison.arms]
    counts = f"{min(seeds)} to {max(seeds)} seeds" if min(seeds) < max(seeds) else counted(seeds[0], "seed")
    notes = [
        f"{counts} an arm. Bands are over problems; seeds are shown as dots or thin lines; nothing is forced.",
        "A band says how the number would move with other problems of the same kind. It does not cover retraining with "
        "another seed: compare the dots for that.",
        "Bands are 95 % percentile bootstrap intervals (2,000 resamples of problems), each K and step on its own, not "
        "corrected for the number of arms.",
        "Pass@K and Maj@K are exact expectations over K samples drawn without replacement; samples without an answer "
        "do not vote; ties are split evenly.",
        "Every number is of the last evaluated step, not of the best one.",
    ]
    run = comparison.runs[0]
    fewest = min(len(set(column(run.final_samples_on(name), "problem_id"))) for name in comparison.benchmarks)
    if fewest < FEW_PROBLEMS:
        notes.append(
            f"Only {counted(fewest, 'problem')}: a percentile bootstrap is too narrow below about {FEW_PROBLEMS}."
        )
    if baseline is not None:
        notes.append(f"Differences to {baseline} are paired: the same problems are resampled in both arms.")
    return page.bullets(notes)


def environment_section(comparison: ComparisonRecord) -> str:
    """Versions and machine, once where all runs agree, else run by run."""
    settings = [flatten(run.environment) for run in comparison.runs]
    names = tuple(dict.fromkeys(name for each in settings for name in each))
    if not names:
        return page.paragraph("The runs recorded no environment.", "note")
    values = []
    for name in names:
        found = [each.get(name, DASH) for each in settings]
        listed = ", ".join(f"{run.path.name}: {value}" for run, value in zip(comparison.runs, found, strict=True))
        values.append(found[0] if len(set(found)) == 1 else listed)
    columns = [
        TextColumn(heading="what", cells=names, is_text=True),
        TextColumn(heading="value", cells=tuple(values), is_text=True),
    ]
    return page.folded(f"{counted(len(names), 'entry', 'entries')}", page.table(columns))


def unfinished_warning(comparison: ComparisonRecord) -> str:
    """The runs that are missing from every number of the page; empty if there are none."""
    if not comparison.unfinished:
        return ""
    items = [f"{run.name}: {run.reason}" for run in comparison.unfinished]
    return page.warning(f"{counted(len(items), 'run')} left out of every number and figure, not finished:", items)


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and JSON texts."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value, default=str)
    return flat


def _completions(arm: str, samples: pd.DataFrame) -> str:
    """A right and a wrong completion of one problem, folded; the fold says how many of the samples were right."""
    right = column(samples, "verdict") == "CORRECT"
    texts = []
    for chosen in (rows_where(samples, right).head(1), rows_where(samples, ~right).head(1)):
        for sample in records_of(chosen):
            answer = f"answer {sample['answer']}" if sample["answer"] else "no answer"
            label = f"{sample['verdict']}, {answer}, {sample['num_tokens']} tokens, ended by {sample['finish_reason']}"
            texts.append(page.labelled_text(label, _first_characters(str(sample["completion"]))))
    return page.folded(f"{arm}: {int(right.sum())} of {len(samples)} right", "".join(texts))


def _first_characters(text: str) -> str:
    rest = len(text) - SHOWN_CHARACTERS
    return text if rest <= 0 else f"{text[:SHOWN_CHARACTERS]}\n… ({rest} more characters)"


def _recipe_name(recipe: object) -> str:
    if isinstance(recipe, Mapping):
        return str(recipe.get("name", "see configuration"))
    return DASH if recipe is None else str(recipe)


def counted(number: int, unit: str, plural: str = "") -> str:
    """A number with its unit: "1 seed", "3 seeds"."""
    return f"{number} {unit}" if number == 1 else f"{number} {plural or unit + 's'}"
