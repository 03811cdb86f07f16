"""The samples that the report carries: up to 2,000, stratified, as data for the page's browser.

Strata are benchmark, arm, seed, verdict and whether the completion was cut off. Rare strata are kept whole and the
others share what is left evenly, so that failures can be seen; a verdict's share among these samples says nothing.
Most are of each run's last step; of the earlier evaluations, where there are any, a quarter of the room is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.records.frames import codes_of, column, records_of, rows_where
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.records.schema import VERDICTS
from analysis.report import page

MAX_SAMPLES = 2_000
EARLIER_SHARE = 4  # 1/4 of the samples is of evaluations before the last, where a run has any
TEXT_BUDGET = 4_000_000  # characters of completions in the page
SHOWN_CHARACTERS = 6_000  # of one completion, where the budget allows
SHOWN_LABEL = 300  # of an answer, a gold answer or an identifier
TAIL_SHARE = 3  # of a completion that is too long, 1/3 of what is shown is its end: the answer is there
COLUMNS = (
    "problem",
    "arm",
    "seed",
    "step",
    "last",
    "index",
    "verdict",
    "cut_off",
    "answer",
    "class",
    "tokens",
    "finish",
    "completion",
    "left_out",
    "tail",
)
FILTERS = (  # name in the form, label, and what the first choice says
    ("arm", "Arm", "every arm"),
    ("seed", "Seed", "every seed"),
    ("step", "Step", "last step of each run"),
    ("verdict", "Verdict", "every verdict"),
    ("problem", "Problem", "every problem"),
    ("right", "A right", "any arm"),
    ("wrong", "B wrong", "any arm"),
)


@dataclass(frozen=True, kw_only=True)
class ShownSample:
    """A sample that the page carries."""

    arm: str
    seed: int
    step: int
    is_last: bool  # of the run's last evaluation
    sample_index: int
    benchmark: str
    problem_id: str
    question: str
    gold_answer: str
    completion: str
    answer: str
    answer_class: str
    verdict: str
    num_tokens: int
    finish_reason: str


def stratified_samples(comparison: ComparisonRecord, limit: int = MAX_SAMPLES) -> tuple[ShownSample, ...]:
    """At most `limit` samples of the final steps: problem by problem, then by arm, seed and sample index.

    Within a stratum the problems take turns in one shuffled order, the same in every stratum: arms whose samples of a
    problem got the same verdict show the same problem, to be read side by side.
    """
    return _stratified(comparison, [run.final_samples for run in comparison.runs], limit)


def earlier_samples(comparison: ComparisonRecord, limit: int) -> tuple[ShownSample, ...]:
    """At most `limit` samples of the evaluations before each run's last, chosen alike; the step is a stratum too."""
    return _stratified(comparison, [_earlier(run) for run in comparison.runs], limit)


def right_shares(comparison: ComparisonRecord) -> dict[tuple[str, str], list[list[float | None]]]:
    """(benchmark, problem) → a row an arm, a value a seed of the comparison: share of right samples at the last step.

    All samples count, whether or not the page carries them; None where the run has none of the problem.
    """
    arms, seeds = comparison.arms, seeds_of(comparison)
    shares: dict[tuple[str, str], list[list[float | None]]] = {}
    for run in comparison.runs:
        final = run.final_samples
        (benchmark_N, benchmarks), (problem_N, ids) = codes_of(final, "benchmark"), codes_of(final, "problem_id")
        keys_U, group_N = np.unique(benchmark_N * len(ids) + problem_N, return_inverse=True)
        right_U = np.bincount(group_N, weights=column(final, "verdict") == "CORRECT") / np.bincount(group_N)
        for key, share in zip(keys_U.tolist(), right_U.tolist(), strict=True):
            names = str(benchmarks[key // len(ids)]), str(ids[key % len(ids)])
            rows = shares.setdefault(names, [[None] * len(seeds) for _ in arms])
            rows[arms.index(run.arm)][seeds.index(run.seed)] = round(share, 4)
    return shares


def seeds_of(comparison: ComparisonRecord) -> tuple[int, ...]:
    """The seeds of all arms, from the smallest."""
    return tuple(sorted({run.seed for run in comparison.runs}))


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """How much each may have: all of it, or an equal share of what those that need less leave; at most `total` in all.

    What an equal share leaves over after rounding goes one each to the first that can use it.
    """
    shares = [0] * len(sizes)
    left = min(total, sum(sizes))
    hungry = list(range(len(sizes)))
    while left and hungry:
        each = max(1, left // len(hungry))
        for place in hungry[:left]:
            taken = min(each, sizes[place] - shares[place])
            shares[place] += taken
            left -= taken
        hungry = [place for place in hungry if shares[place] < sizes[place]]
    return shares


def browser_html(comparison: ComparisonRecord, limit: int = MAX_SAMPLES) -> str:
    """The browser: filters, an empty list, and the samples as JSON; the page's script fills the list."""
    earlier = earlier_samples(comparison, limit // EARLIER_SHARE)
    last = stratified_samples(comparison, limit - len(earlier))
    total = sum(len(run.final_samples) for run in comparison.runs)
    note = (
        f"{len(last):,} of the {total:,} samples of the last step, chosen so that every arm and every verdict is "
        "there, rare verdicts first: their shares here mean nothing, the table of failures counts them all. "
        + (f"{len(earlier):,} more are of earlier evaluations. " if earlier else "")
        + "“A right” and “B wrong” keep the problems that A gets right in more than half of all its samples of the "
        "last step and B in less than half, over all seeds or that chosen, and of those the right samples of A and "
        "the wrong ones of B. A control character is shown as ⟨U+001B⟩."
    )
    if (comparison.path / "coefficients.json").exists():
        note += " Coefficients were kept of other completions: see Coefficients."
    return (
        page.paragraph(note, "note")
        + '<noscript><p class="note">The browser of samples needs JavaScript; samples.parquet of each run holds them '
        'all.</p></noscript><div id="sample-browser" hidden><form class="filters">'
        + "".join(
            f'<label>{label}<select name="{name}"><option value="">{every}</option></select></label>'
            for name, label, every in FILTERS
        )
        + '<label>Text<input type="search" name="text" placeholder="in problem, completion, answer" '
        'autocomplete="off"></label></form>'
        '<div class="pages"><span class="count" aria-live="polite"></span><button type="button">Previous</button>'
        '<button type="button">Next</button></div><div class="list"></div></div>'
        + page.json_block("sample-data", browser_data((*last, *earlier), comparison))
    )


def browser_data(samples: Sequence[ShownSample], comparison: ComparisonRecord) -> dict[str, Any]:
    """The samples as the page's script reads them: names once, a row a sample (`columns` says which value is which)."""
    described = {(sample.benchmark, sample.problem_id): sample for sample in reversed(samples)}
    problems = {key: place for place, key in enumerate(sorted(described))}
    room = min(SHOWN_CHARACTERS, max(fair_shares([len(sample.completion) for sample in samples], TEXT_BUDGET)))
    right = right_shares(comparison)
    rows = [
        [
            problems[sample.benchmark, sample.problem_id],
            comparison.arms.index(sample.arm),
            sample.seed,
            sample.step,
            int(sample.is_last),
            sample.sample_index,
            VERDICTS.index(sample.verdict),
            int(sample.finish_reason == "length"),
            shortened(sample.answer),
            shortened(sample.answer_class),
            sample.num_tokens,
            shortened(sample.finish_reason),
            *ends(sample.completion, room),
        ]
        for sample in samples
    ]
    return {
        "columns": list(COLUMNS),
        "arms": [page.visible(arm) for arm in comparison.arms],
        "seeds": list(seeds_of(comparison)),
        "verdicts": list(VERDICTS),
        "problems": [
            {
                "id": shortened(described[key].problem_id),
                "benchmark": shortened(described[key].benchmark),
                "question": shortened(described[key].question, SHOWN_CHARACTERS),
                "gold": shortened(described[key].gold_answer),
                "right": right.get(key, []),
            }
            for key in problems
        ],
        "samples": rows,
    }


def ends(text: str, room: int) -> tuple[str, int, str]:
    """The start of a text, how many characters are left out, and its end; all of it where it fits into `room`."""
    if len(text) <= room:
        return page.visible(text), 0, ""
    tail = room // TAIL_SHARE
    head = room - tail
    return page.visible(text[:head]), len(text) - room, page.visible(text[len(text) - tail :])


def shortened(text: str, room: int = SHOWN_LABEL) -> str:
    """A short text as it is shown; of a long one the start, and how much follows."""
    rest = len(text) - room
    return page.visible(text if rest <= 0 else f"{text[:room]}… ({rest} more characters)")


def _stratified(
    comparison: ComparisonRecord, judgements: Sequence[pd.DataFrame], limit: int
) -> tuple[ShownSample, ...]:
    """At most `limit` of the judgements, a frame a run, with their texts."""
    ids = sorted({str(name) for frame in judgements if len(frame) for name in codes_of(frame, "problem_id")[1]})
    turns = dict(zip(ids, np.random.default_rng(0).permutation(len(ids)).tolist(), strict=True))
    runs = [(run, frame) for run, frame in zip(comparison.runs, judgements, strict=True) if len(frame)]
    queues = [_queue(frame, turns) for _, frame in runs]
    sizes = [np.bincount(queue.stratum_N) for queue in queues]
    shares = iter(fair_shares([int(size) for each in sizes for size in each], limit))
    samples = []
    for (run, _), queue, each in zip(runs, queues, sizes, strict=True):
        quotas = np.array([next(shares) for _ in each])
        chosen_N = queue.place_N < quotas[queue.stratum_N]
        rows, last = np.sort(queue.row_N[chosen_N]), run.final_step
        samples += [_sample(run, row, last) for row in records_of(run.texts(rows))] if len(rows) else []
    order = {arm: place for place, arm in enumerate(comparison.arms)}
    return tuple(
        sorted(
            samples,
            key=lambda each: (
                each.benchmark,
                turns[each.problem_id],
                order[each.arm],
                each.seed,
                each.step,
                each.sample_index,
            ),
        )
    )


def _earlier(run: RunRecord) -> pd.DataFrame:
    return rows_where(run.judgements, column(run.judgements, "step") < run.final_step)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Queue:
    """Samples of a run: row in its file, stratum, and place in the stratum's queue."""

    row_N: np.ndarray
    stratum_N: np.ndarray
    place_N: np.ndarray


def _queue(frame: pd.DataFrame, turns: Mapping[str, int]) -> _Queue:
    """A stratum's queue: a sample of each problem by turns, then another of each, and so on."""
    stratum_N = (column(frame, "finish_reason") == "length").astype(np.int64)
    for name in ("benchmark", "step", "verdict"):
        codes_N, values = codes_of(frame, name)
        stratum_N = stratum_N * len(values) + codes_N
    problem_N, ids = codes_of(frame, "problem_id")
    turn_N = np.array([turns.get(str(name), 0) for name in ids])[problem_N]
    index_N = column(frame, "sample_index")
    order_N = np.lexsort((index_N, turn_N, stratum_N))
    round_N = np.empty(len(frame), dtype=np.int64)
    round_N[order_N] = _place_in_group(stratum_N[order_N] * len(turns) + turn_N[order_N])
    order_N = np.lexsort((turn_N, round_N, stratum_N))
    place_N = np.empty(len(frame), dtype=np.int64)
    place_N[order_N] = _place_in_group(stratum_N[order_N])
    return _Queue(row_N=frame.index.to_numpy(), stratum_N=stratum_N, place_N=place_N)


def _sample(run: RunRecord, row: Mapping[str, Any], last: int) -> ShownSample:
    return ShownSample(
        arm=run.arm,
        seed=run.seed,
        step=int(row["step"]),
        is_last=int(row["step"]) == last,
        sample_index=int(row["sample_index"]),
        num_tokens=int(row["num_tokens"]),
        benchmark=str(row["benchmark"]),
        problem_id=str(row["problem_id"]),
        question=str(row["question"]),
        gold_answer=str(row["gold_answer"]),
        completion=str(row["completion"]),
        answer=str(row["answer"]),
        answer_class=str(row["answer_class"]),
        verdict=str(row["verdict"]),
        finish_reason=str(row["finish_reason"]),
    )


def _place_in_group(codes_N: np.ndarray) -> np.ndarray:
    """(N,): 0, 1, 2, … within each stretch of equal codes."""
    here_N = np.arange(len(codes_N))
    begins_N = np.r_[True, codes_N[1:] != codes_N[:-1]]
    return here_N - np.maximum.accumulate(np.where(begins_N, here_N, 0))
