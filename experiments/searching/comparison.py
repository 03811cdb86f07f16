"""Search guided by a reward model as a method of inference, beside sampling at equal tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.noise.intervals import Band
from analysis.noise.simultaneous import share_band
from analysis.statistics.metrics import pass_at_k
from analysis.statistics.selection import best_of_k
from analysis.statistics.voting import majority_matrix
from benchmarks.problem import Problem
from experiments.inspection.scorer import open_scorer
from experiments.records.config import RunConfig
from experiments.runs.engines import SamplerCache
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts, task_prompt
from experiments.searching.folder import Pieces, SearchRun, weights_digest
from rewards.scoring import judge
from sampling.rollout import Rollout
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from sampling.search import SearchConfig, search
from training.models.policy import Policy, load_policy, resolve_model
from training.reward_models.model import check_tokenizer
from training.reward_models.serving import whole_scores

__all__ = ["SearchPoint", "evaluate_search", "point_rows", "search_lines"]

CONFIDENCE = 0.95
MICROBATCH_TOKENS = 16384


@dataclass(frozen=True, kw_only=True)
class SearchPoint:
    """One search beside sampling that draws as many tokens.

    Attributes:
        search: how was searched.
        problems: asked.
        tokens: drawn a problem, mean.
        finished: share of problems for which a solution ended by itself.
        found: share of problems whose best solution is right, with its 95 % band over problems.
        k: samples that have as many tokens, rounded down, at least 1.
        sampled_tokens: of K samples, mean.
        majority: Maj@K of them.
        best: the one of K that the reward model likes best.
        any_right: Pass@K.
    """

    search: SearchConfig
    problems: int
    tokens: float
    finished: float
    found: Band
    k: int
    sampled_tokens: float
    majority: Band
    best: Band
    any_right: Band


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What everything here works with."""

    policy: Policy
    sampler: Sampler
    prompts: list[tuple[Problem, tuple[int, ...]]]
    sampling: SamplingConfig
    score: Callable[[Sequence[Rollout]], Sequence[float]]
    seed: int
    pieces: Pieces


def evaluate_search(
    run: RunConfig,
    reward_model: str,
    searches: Sequence[SearchConfig],
    out: Path,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> list[SearchPoint]:
    """Search solutions of every problem at each budget, and sample as many tokens without a search.

    Args:
        run: what `door.evaluation_run` gave; its temperature, nucleus and length hold for both.
        reward_model: see `open_scorer`.
        searches: how; a point each.
        out: gets what is finished, piece by piece; what a stopped evaluation left there is not done again.
        report: told what is being done.

    Raises:
        RewardModelError: no such reward model, or one of another tokenizer.
        ConfigMismatchError: `out` holds another evaluation.
        ValueError: the temperature is 0.
    """
    asked = _open(run, reward_model, out)
    found = [_searched(asked, each, report) for each in searches]
    report("sample without a search")
    rows = _samples(asked, run.evaluation.samples, 0)
    length = sum(row["tokens"] for row in rows) / len(rows)
    ks = [max(1, int(tokens / length)) for tokens, _, _ in found]
    more = max(ks) - run.evaluation.samples
    if more > 0:
        rows += _samples(asked, more, run.evaluation.samples)
    sampled = _Sampled.of(rows)
    return [
        SearchPoint(
            search=each,
            problems=len(right_P),
            tokens=tokens,
            finished=finished,
            found=_band(right_P),
            k=k,
            sampled_tokens=k * length,
            majority=_band(sampled.majority(k)),
            best=_band(sampled.best(k)),
            any_right=_band(sampled.any_right(k)),
        )
        for each, (tokens, finished, right_P), k in zip(searches, found, ks, strict=True)
    ]


def _open(run: RunConfig, reward_model: str, out: Path) -> _Asked:
    assert run.model is not None
    folder, device = resolve_model(run.model), run.engine.device
    policy = load_policy(folder, device=device)
    scorer = open_scorer(reward_model, device, MICROBATCH_TOKENS)
    for member in scorer.model.members:
        check_tokenizer(member.tokenizer, policy.tokenizer, Path(reward_model))
    problems = load_problems(run.task, run.evaluation.split, run.evaluation.problems)
    rendered = render_prompts(problems, run.task, policy.tokenizer)
    return _Asked(
        policy=policy,
        sampler=SamplerCache().get(run.engine, folder, policy),
        prompts=[(problem, each.ids) for problem, each in zip(problems, rendered, strict=True)],
        sampling=SamplingConfig(
            temperature=run.evaluation.temperature,
            top_p=run.evaluation.top_p,
            max_tokens=run.evaluation.max_tokens,
            stop=task_prompt(run.task, policy.tokenizer).stop,
        ),
        score=whole_scores(scorer.model, scorer.supervision),
        seed=run.seed,
        pieces=Pieces.open(
            out,
            SearchRun(run=run, reward_model=weights_digest(scorer.model.members, scorer.model.temperatures)),
        ),
    )


def _searched(asked: _Asked, config: SearchConfig, report: Callable[[str], None]) -> tuple[float, float, np.ndarray]:
    """(tokens a problem, share that finished, (P,) who is right) of one search."""
    report(f"{config.method} search, {config.budget:,} tokens a problem")

    def make(places: range) -> list[dict[str, Any]]:
        prompts = [asked.prompts[place] for place in places]
        found = search(
            asked.sampler, asked.policy.tokenizer, prompts, asked.sampling, config, asked.score, run_seed=asked.seed
        )
        verdicts = judge([each.best for each in found])
        return [
            {"tokens": each.tokens, "ended": not each.best.truncated, "right": verdict.correct}
            for each, verdict in zip(found, verdicts, strict=True)
        ]

    name = f"{config.method}-{config.width}x{config.branching}-{config.budget}"
    rows = list(asked.pieces.rows(name, len(asked.prompts), make))
    tokens, ended = (sum(row[field] for row in rows) / len(rows) for field in ("tokens", "ended"))
    return tokens, ended, np.array([row["right"] for row in rows], dtype=float)


def _samples(asked: _Asked, number: int, first: int) -> list[dict[str, Any]]:
    """Samples of every problem, a row each: verdict, score and tokens."""

    def make(places: range) -> list[dict[str, Any]]:
        rollouts = sample_rollouts(
            asked.sampler,
            asked.policy.tokenizer,
            [asked.prompts[place] for place in places],
            asked.sampling,
            samples_per_problem=number,
            run_seed=asked.seed,
            step=0,
            purpose="evaluate",
            first_sample_index=first,
        )
        return [
            {
                "problem": rollout.problem.problem_id,
                "tokens": len(rollout.completion_ids),
                "right": verdict.correct,
                "answer_class": verdict.answer_class,
                "score": score,
            }
            for rollout, verdict, score in zip(rollouts, judge(rollouts), asked.score(rollouts), strict=True)
        ]

    return list(asked.pieces.rows(f"samples-{first}-{number}", len(asked.prompts), make))


@dataclass(frozen=True, kw_only=True)
class _Sampled:
    """Samples of every problem, in the order of the problems.

    Attributes:
        right_P: who is right.
        classes_P: the answer of each, empty without one.
        scores_P: what the reward model says.
    """

    right_P: list[list[bool]]
    classes_P: list[list[str]]
    scores_P: list[list[float]]

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]]) -> _Sampled:
        """Of the rows of `_samples`."""
        own: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            own.setdefault(row["problem"], []).append(row)
        return cls(
            right_P=[[row["right"] for row in each] for each in own.values()],
            classes_P=[[row["answer_class"] for row in each] for each in own.values()],
            scores_P=[[row["score"] for row in each] for each in own.values()],
        )

    def majority(self, k: int) -> np.ndarray:
        """Maj@K of each problem, (P,)."""
        num_right_P, silent_P, wrong_P = [], [], []
        for right, classes in zip(self.right_P, self.classes_P, strict=True):
            wrong = Counter(name for name, good in zip(classes, right, strict=True) if name and not good)
            num_right_P.append(sum(right))
            silent_P.append(len(right) - sum(right) - wrong.total())
            wrong_P.append(tuple(wrong.values()))
        return majority_matrix(np.array(num_right_P), np.array(silent_P), wrong_P, [k])[:, 0]

    def best(self, k: int) -> np.ndarray:
        """Probability that the best of K by the score is right, of each problem, (P,)."""
        return np.array(
            [
                best_of_k(np.array(right), np.array(scores), k)
                for right, scores in zip(self.right_P, self.scores_P, strict=True)
            ]
        )

    def any_right(self, k: int) -> np.ndarray:
        """Pass@K of each problem, (P,)."""
        return pass_at_k(np.array([sum(right) for right in self.right_P]), len(self.right_P[0]), k)


def _band(values_P: np.ndarray) -> Band:
    return share_band(values_P[None, :, None], CONFIDENCE)


def point_rows(points: Sequence[SearchPoint], *, benchmark: str) -> list[dict[str, Any]]:
    """The points as rows of a table, shares in 0..1: `analysis.verification.searches.SEARCH_COLUMNS`."""
    rows = []
    for each in points:
        row: dict[str, Any] = {
            "benchmark": benchmark,
            "problems": each.problems,
            "method": each.search.method,
            "width": each.search.width,
            "branching": each.search.branching,
            "budget": each.search.budget,
            "tokens": each.tokens,
            "finished": each.finished,
            "k": each.k,
            "sampled_tokens": each.sampled_tokens,
        }
        for name in ("found", "majority", "best", "any_right"):
            band: Band = getattr(each, name)
            row |= {name: float(band.point[0]), f"{name}_low": float(band.low[0]), f"{name}_high": float(band.high[0])}
        rows.append(row)
    return rows


def search_lines(points: Sequence[SearchPoint]) -> list[str]:
    """A table in text, in % with 95 % bands over problems; K samples have the tokens of the search."""
    heads = ("method", "budget", "tokens", "ended", "search", "K", "Maj@K", "best of K", "Pass@K")
    table = [
        (
            each.search.method,
            f"{each.search.budget:,}",
            f"{each.tokens:,.0f}",
            f"{100 * each.finished:.0f} %",
            _cell(each.found),
            str(each.k),
            _cell(each.majority),
            _cell(each.best),
            _cell(each.any_right),
        )
        for each in points
    ]
    widths = [max(len(row[place]) for row in (heads, *table)) for place in range(len(heads))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (heads, *table)]


def _cell(band: Band) -> str:
    return f"{100 * band.point[0]:.1f} [{100 * band.low[0]:.1f}, {100 * band.high[0]:.1f}]"
