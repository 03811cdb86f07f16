"""Greedy and tempered samples: read from their files, chosen on other problems, and told in words."""

import html
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import (
    Contrast,
    Resampling,
    comparison_text,
    judge_contrasts,
    load_comparison,
    score_comparison,
    write_report,
)
from analysis.records.decoding import DECODING_FOLDER, decoded_samples, decoding_file, validation_file
from analysis.report.claims import comparison_contrasts
from analysis.report.contrast_tables import interval_cell
from analysis.report.terminal import power_text
from analysis.statistics.contrasts import from_records, to_records
from analysis.statistics.decoding import (
    contrast_scores,
    decoded_scores,
    temperature_curves,
    tuned_start,
    tuned_starts,
)
from tests.analysis.conftest import sample_rows

NUM_PROBLEMS = 40


def decode(run, arm: str, seed: int, step: int, votes: dict[float, list[str]], temperature: float = 1.0) -> None:
    """Give a run its temperature, and samples at others."""
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "evaluation": {"temperature": temperature}}))
    (run / "finished.json").write_text("{}")
    (run / DECODING_FOLDER).mkdir()
    for other, problems in votes.items():
        rows = pd.DataFrame(sample_rows(arm, seed, {step: problems}))
        rows.to_parquet(run / DECODING_FOLDER / decoding_file(other))


@pytest.fixture
def sharpened(make_run, tmp_path):
    """The start solves a third of its samples at temperature 1 and all problems greedily; grpo solves all at both; rft
    three of four at 1."""
    some, most, every = ["Caa"] * NUM_PROBLEMS, ["CCCa"] * NUM_PROBLEMS, ["CCC"] * NUM_PROBLEMS
    for seed in (0, 1, 2):
        nearly = [*["C"] * (NUM_PROBLEMS - 4), *["a"] * 4]
        decode(
            make_run("sft_start", seed, {0: some}), "sft_start", seed, 0, {0.0: nearly, 0.4: ["CCaa"] * NUM_PROBLEMS}
        )
        decode(make_run("rft", seed, {2: most}, steps=2), "rft", seed, 2, {0.0: nearly, 0.4: most})
        grpo = make_run("grpo", seed, {2: every}, steps=2)
        decode(grpo, "grpo", seed, 2, {0.0: ["C"] * NUM_PROBLEMS, 0.4: every})
    return tmp_path / "cmp"


def test_every_temperature_is_read_with_the_samples_of_the_last_evaluation(sharpened):
    comparison = load_comparison(sharpened)
    run = comparison.runs_of("sft_start")[0]
    assert {each: len(rows) for each, rows in decoded_samples(run).items()} == {
        0.0: NUM_PROBLEMS,
        0.4: 4 * NUM_PROBLEMS,
        1.0: 3 * NUM_PROBLEMS,
    }
    temperatures, values_SPX = decoded_scores(comparison.runs_of("sft_start"), "sums")
    assert temperatures == (0.0, 0.4, 1.0)
    assert values_SPX.mean(axis=(0, 1)).tolist() == pytest.approx([0.9, 0.5, 1 / 3])
    curves = {curve.arm: curve.band.point.tolist() for curve in temperature_curves(comparison)}
    assert curves["grpo"] == [1, 1, 1]


def test_the_start_at_its_best_temperature_is_a_control(sharpened):
    tuned = tuned_start(load_comparison(sharpened), "sums", "sft_start")
    assert tuned is not None
    assert tuned.temperatures == (0.0, 0.0)
    assert tuned.scores.pass_SPK.mean() == pytest.approx(0.9)
    assert (tuned.scores.arm, tuned.scores.seeds) == ("tuned_start", (0, 1, 2))


def validate(run, arm: str, seed: int, votes: dict[float, list[str]]) -> None:
    for temperature, problems in votes.items():
        rows = pd.DataFrame(sample_rows(arm, seed, {0: problems}))
        rows["problem_id"] = "validation " + rows["problem_id"].astype(str)
        rows.to_parquet(run / DECODING_FOLDER / validation_file(temperature))


def test_the_best_temperature_is_that_of_the_validation_problems(sharpened):
    """On the problems of the report greedy answers are best (0.9). On the validation problems 0.4 is, on average over
    three seeds, of which one says otherwise: (1/4 + 1 + 1)/3, which 1 has too, and of equals the lowest is taken."""
    for seed, cool in enumerate(("Caaa", "C", "C")):
        run = sharpened / "runs" / f"sft_start-seed{seed}"
        validate(run, "sft_start", seed, {0.0: ["a"] * 8, 0.4: [cool] * 8, 1.0: ["CCCa"] * 8})
    comparison = load_comparison(sharpened)
    tuned = tuned_start(comparison, "sums", "sft_start")
    assert tuned is not None
    assert tuned.temperatures == (0.4,)
    assert tuned.validation == pytest.approx({0.0: 0.0, 0.4: 0.75, 1.0: 0.75})
    assert tuned.num_validation == 8
    assert tuned.scores.pass_SPK.mean() == pytest.approx(0.5)  # at 0.4, on all of the problems of the report
    assert len(tuned.scores.problem_ids) == NUM_PROBLEMS
    said = "0.4 (0 is greedy; chosen on 8 validation problems, Pass@1 there 0.0 % at 0, 75.0 % at 0.4, 75.0 % at 1)"
    assert f"tuned_start is sft_start at its best temperature on sums: {said}" in write_report(sharpened).read_text()
    line = "tuned_start on sums: sft_start at temperature 0.4 (0 is greedy), chosen on 8 validation problems"
    assert line in comparison_text(comparison, baseline="sft_start").splitlines()


@pytest.mark.parametrize("missing", ["a seed", "a temperature"])
def test_halves_choose_where_validation_problems_are_not_there_for_all(sharpened, missing):
    for seed in (0, 1, 2):
        votes = {0.0: ["a"], 0.4: ["C"], 1.0: ["a"]}
        if missing == "a temperature":
            del votes[1.0]
        elif seed == 2:
            continue
        validate(sharpened / "runs" / f"sft_start-seed{seed}", "sft_start", seed, votes)
    tuned = tuned_start(load_comparison(sharpened), "sums", "sft_start")
    assert tuned is not None
    assert (tuned.temperatures, tuned.validation, tuned.num_validation) == ((0.0, 0.0), {}, 0)
    said = "chosen on the other half of the problems, as no validation problems were recorded"
    assert said in write_report(sharpened).read_text()
    assert said in comparison_text(load_comparison(sharpened), baseline="sft_start")


def test_each_half_is_scored_at_the_temperature_that_was_best_on_the_other(make_run, tmp_path):
    """Pure luck: at two temperatures each problem is solved or not by a coin. The best of both on all problems lies
    above 1/2; the choice on other problems does not, on average over many comparisons."""
    rng = np.random.default_rng(0)
    scores = []
    for number in range(30):
        first, second = (["Ca"[coin] for coin in rng.integers(0, 2, 20)] for _ in range(2))
        run = make_run("sft_start", number, {0: first})
        decode(run, "sft_start", number, 0, {0.0: second})
        tuned = tuned_start(load_comparison(run), "sums", "sft_start")
        assert tuned is not None
        scores.append(tuned.scores.pass_SPK.mean())
    assert np.mean(scores) == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(600))


def test_the_page_tells_sharpening_from_more(sharpened):
    page = write_report(sharpened).read_text()
    assert "tuned_start is sft_start at its best temperature on sums: 0 (0 is greedy" in page
    assert "More than sharpening at temperature 1, on sums: grpo lie above tuned_start." in page
    assert "No more than sharpening is shown at temperature 1, on sums, for rft: decoded at its best" in page
    assert (sharpened / "report" / "temperature-sums.pdf").exists()
    table = pd.read_csv(sharpened / "report" / "contrasts.csv").set_index("name")
    assert table.loc["rft − tuned start", "point"] == pytest.approx(0.75 - 0.9)
    assert table.loc["rft − tuned start", "verdict"] == "worse"


def test_without_temperatures_there_is_no_tuned_start(comparison_dir):
    assert tuned_starts(load_comparison(comparison_dir), "sft_start") == ()


def declare(folder, *contrasts: Contrast) -> None:
    (folder / "comparison.json").write_text(json.dumps({"baseline": "sft_start", "contrasts": to_records(contrasts)}))


def test_a_contrast_has_a_temperature_of_its_own_and_is_shown_alike_everywhere(sharpened):
    """grpo − rft is 1 − 3/4 at temperature 1 and at 0.4, and 1 − 36/40 greedily; at 0.9 nobody was decoded."""
    sides: dict[str, Any] = {"plus": ("grpo",), "minus": ("rft",)}
    declare(
        sharpened,
        Contrast(name="own", **sides),
        Contrast(name="greedily", **sides, temperature=0),
        Contrast(name="cool", **sides, temperature=0.4),
        Contrast(name="more", plus=("grpo",), minus=("tuned_start",), temperature=0),
        Contrast(name="never", **sides, temperature=0.9),
    )
    page = write_report(sharpened).read_text()
    table = pd.read_csv(sharpened / "report" / "contrasts.csv").set_index("name")
    assert table["point"].to_dict() == pytest.approx({"own": 0.25, "greedily": 0.1, "cool": 0.25, "more": 0.1})
    assert table["temperature"].to_dict() == {"own": 1, "greedily": 0, "cool": 0.4, "more": 0}
    # One family, the one without samples in it: Holm's correction by hand.
    p = table["p_value"].to_dict() | {"never": 1.0}
    ranked = sorted(p, key=lambda name: p[name])
    by_hand = {
        name: min(1.0, max((5 - rank) * p[earlier] for rank, earlier in enumerate(ranked[: place + 1])))
        for place, name in enumerate(ranked)
    }
    assert table["p_holm"].to_dict() == pytest.approx({name: by_hand[name] for name in table.index})
    assert "grpo and rft cannot be told apart on Pass@1 decoded greedily: +10.0 points" in page
    assert "not answered for want of an arm: never" in page
    printed = comparison_text(load_comparison(sharpened), baseline="sft_start")
    for difference in judge_declared(sharpened):
        line = next(line for line in printed.splitlines() if line.startswith(f"{difference.name} "))
        where = "greedily" if difference.temperature == 0 else f"at {difference.temperature:g}"
        assert where in line
        assert interval_cell(difference) in line
        assert interval_cell(difference) in html.unescape(page)


def judge_declared(folder):
    comparison = load_comparison(folder)
    contrasts, _ = comparison_contrasts(comparison, "sft_start")
    scores = contrast_scores(comparison, score_comparison(comparison), contrasts, tuned_starts(comparison, "sft_start"))
    return judge_contrasts(scores, contrasts, resampling=Resampling())


def test_a_greedy_contrast_has_no_noise_of_completions(sharpened):
    """Decoded greedily the same policy answers the same: only problems and seeds are left in a design's power."""
    declare(sharpened, Contrast(name="greedily", plus=("grpo",), minus=("rft",), temperature=0))
    comparison = load_comparison(sharpened)
    texts = {
        power_text(comparison, difference=0.05, problems=50, samples=samples, seeds=(2, 5), baseline="sft_start")
        for samples in (1, 64)
    }
    rows = {next(line for line in text.splitlines() if line.startswith("greedily")) for text in texts}
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([{"name": "a", "plus": ["x"], "minus": ["y"], "temperature": "0"}], "expected an object"),
        ([{"name": "a", "plus": ["x"], "minus": ["y"], "temperature": -1}], "expected 0 .greedy"),
        ([{"name": "a", "plus": ["x"], "minus": ["y"]}] * 2, "stands there twice"),
    ],
)
def test_a_malformed_declaration_is_refused(records, message):
    with pytest.raises(ValueError, match=message):
        from_records(records)


def test_declarations_of_earlier_versions_have_no_temperature():
    (held,) = from_records([{"name": "a", "plus": ["x"], "minus": ["y"]}])
    assert held == Contrast(name="a", plus=("x",), minus=("y",))
    assert from_records(to_records([held])) == (held,)
