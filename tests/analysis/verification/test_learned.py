"""Reward models of a comparison: their own accuracy, over-optimisation and selection, against numbers by hand."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import RecordError, load_comparison, write_report
from analysis.report.trust.section import over_optimisation_sentence
from analysis.verification.learned import (
    fit_table,
    held_out_reliability,
    last_policies,
    learned_arms,
    pooled,
    reward_traces,
    scored_samples,
)
from analysis.verification.selection import selections
from tests.analysis.verification.learned_runs import OUTCOME, PROCESS, measured, save_learned

# the last policy of arm orm: problem 0 has the samples C a b a, problem 1 has C C a N
VOTES = {0: ["aa", "CC"], 2: ["Ca", "Ca"], 6: ["Caba", "CCaN"]}
SCORES = [[0.3, 0.8, 0.1, 0.2], [0.9, 0.6, 0.7, 0.05]]
FITS = [
    {
        "model": "orm",
        "step": 0,
        "samples": 8,
        "replayed": 0,
        "temperatures": [2.0],
        "held_out": [measured(0.7, [0.15, 0.55], [0.0, 0.5], [4, 4])],
        "held_out_before": [],
    },
    {
        "model": "orm",
        "step": 2,
        "samples": 8,
        "replayed": 1,
        "temperatures": [3.0],
        "held_out": [measured(0.8, [0.95], [1.0], [2])],
        "held_out_before": [measured(0.6, [0.95], [0.5], [2])],
    },
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`orm` with two seeds, its reward rising while accuracy falls from step 3 on; `prm`, a control, with one."""
    for seed, low in ((0, 0.29), (1, 0.31)):
        save_learned(
            tmp_path,
            arm="orm",
            seed=seed,
            votes=VOTES,
            scores=SCORES,
            reward=[0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
            accuracy=[0.3, 0.6, 0.6, low, low, low],
            config=OUTCOME,
            fits=FITS,
        )
    save_learned(
        tmp_path,
        arm="prm",
        seed=0,
        votes=VOTES,
        scores=SCORES,
        reward=[0.5] * 6,
        accuracy=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
        config=PROCESS,
    )
    return tmp_path


def test_arms_are_known_by_their_configuration(folder: Path) -> None:
    found = [
        (each.arm, each.model, each.supervision, each.shuffled, each.frozen)
        for each in learned_arms(load_comparison(folder))
    ]
    assert found == [("orm", "orm", "outcome", False, False), ("prm", "prm", "process", True, True)]


def test_a_fit_is_told_before_and_after(folder: Path) -> None:
    table = fit_table(load_comparison(folder))
    own = table[(table["arm"] == "orm") & (table["seed"] == 0)]
    assert own.loc[:, ["step", "measured", "auc"]].to_numpy().tolist() == [
        [0, "after", 0.7],
        [2, "before", 0.6],
        [2, "after", 0.8],
    ]
    assert own["temperature"].tolist()[::2] == [2.0, 3.0] and np.isnan(own["temperature"].tolist()[1])


def test_reliability_of_seeds_is_weighted_by_labels(folder: Path) -> None:
    """Bin 0.1 to 0.2: 3 labels at 0.12 of which none is right, 1 at 0.16 that is: mean 0.13, 1/4 right."""
    curve = pooled(
        [
            {"probability": [0.12, 0.5], "frequency": [0.0, 0.5], "count": [3, 2]},
            {"probability": [0.16], "frequency": [1.0], "count": [1]},
        ]
    )
    assert curve is not None
    assert curve.probability.tolist() == pytest.approx([0.13, 0.5]) and curve.frequency.tolist() == [0.25, 0.5]
    assert curve.count.tolist() == [4, 2] and curve.expected_error == pytest.approx(4 / 6 * 0.12)
    both_seeds = held_out_reliability(load_comparison(folder), learned_arms(load_comparison(folder))[0], 0)
    assert both_seeds is not None and both_seeds.count.tolist() == [8, 8]


def test_the_last_policy_by_hand(folder: Path) -> None:
    """Right have 0.3, 0.9, 0.6, wrong 0.8, 0.1, 0.2, 0.7, 0.05: 0.3 is above three of these, 0.9 five, 0.6 three."""
    [orm, _] = last_policies(load_comparison(folder))
    assert orm.share_right == pytest.approx(3 / 8)
    assert orm.auc_S == pytest.approx((11 / 15, 11 / 15))
    first = (0.7**2 + 0.8**2 + 0.1**2 + 0.2**2) / 4
    second = (0.1**2 + 0.4**2 + 0.7**2 + 0.05**2) / 4
    assert float(orm.brier.point[0]) == pytest.approx((first + second) / 2)
    assert orm.brier.low[0] < orm.brier.point[0] < orm.brier.high[0]


def test_a_sample_without_a_score_is_refused(folder: Path) -> None:
    run = folder / "runs" / "orm-seed0"
    scores = pd.read_parquet(run / "scores.parquet")
    scores.iloc[1:].to_parquet(run / "scores.parquet")
    with pytest.raises(RecordError, match="1 samples of step 6 have no finite score"):
        scored_samples(load_comparison(folder).runs_of("orm")[0])


def chosen_by_enumeration(letters: str, scores: Sequence[float], k: int) -> tuple[float, float]:
    """(best of K, weighted vote) over every subset of K samples; equal totals share."""
    best, voted = [], []
    for drawn in itertools.combinations(range(len(letters)), k):
        top = max(scores[place] for place in drawn)
        leaders = [place for place in drawn if scores[place] == top]
        best.append(sum(letters[place] == "C" for place in leaders) / len(leaders))
        totals: dict[str, int] = {}
        for place in drawn:
            if letters[place] != "N":
                totals[letters[place]] = totals.get(letters[place], 0) + round(100 * scores[place])
        winners = [letter for letter, total in totals.items() if total == max(totals.values())]
        voted.append(("C" in winners) / len(winners) if winners else 0.0)
    return float(np.mean(best)), float(np.mean(voted))


def test_best_of_k_and_weighted_votes_are_those_of_every_subset(tmp_path: Path) -> None:
    """Problem 0 has three samples, so K is 3; problem 1 has five, of which every three are drawn."""
    letters, scores = ["Cab", "CaaCN"], [[0.2, 0.9, 0.3], [0.4, 0.4, 0.3, 0.1, 0.8]]
    save_learned(
        tmp_path,
        arm="orm",
        seed=0,
        votes={4: letters},
        scores=scores,
        reward=[0.5] * 4,
        accuracy=[0.5] * 4,
        config=OUTCOME,
        fits=FITS,
    )
    [found] = selections(load_comparison(tmp_path))
    expected = [chosen_by_enumeration(each, own, 3) for each, own in zip(letters, scores, strict=True)]
    assert found.k == 3
    assert float(found.best.point[0]) == pytest.approx(np.mean([best for best, _ in expected]))
    assert float(found.weighted.point[0]) == pytest.approx(np.mean([voted for _, voted in expected]))
    assert float(found.best_gain.point[0]) == pytest.approx(float(found.best.point[0] - found.majority.point[0]))


def test_where_reward_rises_and_accuracy_falls_is_said_with_step_and_band(folder: Path) -> None:
    """Means over three steps: accuracy 0.5, then 0.497 and 0.503 lower down; from the first window's end, step 3.

    At the end accuracy is 0.29 and 0.31, a fall of 0.21 and 0.19; the reward went from 0.3 to 0.6. Student's t with one
    degree of freedom is 12.706, the standard error of the fall 0.01: −20 ± 12.7 points.
    """
    [orm, prm] = reward_traces(load_comparison(folder))
    assert orm.found.found and orm.found.step == 3
    sentence = over_optimisation_sentence(orm)
    assert sentence == (
        "orm is over-optimised from step 3 on: to step 6 the model's mean reward went by +30.0 and accuracy by −20.0 "
        "points (95 % −32.7 to −7.3, 2 seeds)."
    )
    assert over_optimisation_sentence(prm) == "prm: accuracy was highest at the end; no over-optimisation."


def test_an_arm_of_demonstrations_which_nobody_judges_has_no_trace(tmp_path: Path) -> None:
    """Its rows say null of accuracy, as those of continued SFT do in a comparison of reward models."""
    run = save_learned(
        tmp_path,
        arm="continued_sft",
        seed=0,
        votes={4: ["AB"]},
        scores=[[0.9, 0.1]],
        reward=[1.0] * 4,
        accuracy=[0.5] * 4,
        config=OUTCOME,
    )
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    (run / "metrics.jsonl").write_text("".join(json.dumps({**row, "accuracy": None}) + "\n" for row in rows))
    comparison = load_comparison(tmp_path)
    assert [arm.arm for arm in learned_arms(comparison)] == ["continued_sft"]
    assert reward_traces(comparison) == ()


def test_the_page_has_a_section_where_a_model_is_in_use_and_only_there(folder: Path, report: Path) -> None:
    html = write_report(folder).read_text(encoding="utf-8")
    section = html[html.index("<h2>Reward models</h2>") :]
    section = section[: section.index("</section>")]
    text = re.sub(r"<[^>]+>", " ", section)
    assert "orm is over-optimised from step 3 on" in text
    assert "best of 4" in text and "weighted vote of 4" in text
    for name in ("reward_and_accuracy", "reliability-first_fit", "reliability-last-sums", "iterations-sums"):
        assert (folder / "report" / f"{name}.csv").is_file() and f"{name}.svg" in section
    table = pd.read_csv(folder / "report" / "over_optimisation.csv")
    assert table["peak_step"].tolist()[0] == 3 and bool(table["over_optimised"].tolist()[0])
    selection = pd.read_csv(folder / "report" / "selection.csv").iloc[0]
    whole = [chosen_by_enumeration(letters, own, 4) for letters, own in zip(VOTES[6], SCORES, strict=True)]
    assert selection["best"] == pytest.approx(np.mean([best for best, _ in whole]))
    assert "Reward models" not in report.read_text(encoding="utf-8")


def test_fits_of_another_shape_are_refused(folder: Path) -> None:
    (folder / "runs" / "orm-seed1" / "reward_models.json").write_text(json.dumps({"fits": [{"model": "orm"}]}))
    with pytest.raises(RecordError, match="lacks what a fit did"):
        fit_table(load_comparison(folder))
