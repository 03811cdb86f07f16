"""The rate at which a method stops gaining, by hand, and the curves of a comparison that was written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.figures.fidelity import draw_fidelity, fidelity_sentences
from analysis.noise.intervals import Resampling
from analysis.records.load import load_comparison
from analysis.records.reading import RecordError
from analysis.verification.fidelity import fidelity_curves, noise_of, stops_beating
from analysis.verification.over_optimisation import over_optimisation


def test_the_rate_at_which_a_method_stops_is_where_the_lower_end_crosses_zero() -> None:
    assert stops_beating([0.0, 0.4, 0.8], [0.3, 0.1, -0.1]) == pytest.approx(0.6)
    assert stops_beating([0.0, 0.5], [0.2, 0.0]) == 0.5
    assert stops_beating([0.1, 0.5], [-0.1, -0.2]) == 0.1
    assert stops_beating([0.0, 1.0], [0.2, 0.1]) is None


@pytest.mark.parametrize(
    ("config", "noise"),
    [
        ({"training": {}, "reward_noise": {"false_positive": 0.1, "false_negative": 0.25}}, 0.35),
        ({"training": {}}, 0.0),  # a run of before there was noise
        ({"training": {}, "control": "random_reward", "reward": "random"}, 1.0),
        ({"training": {}, "control": "no_update"}, None),
        ({"training": None}, None),
    ],
)
def test_the_noise_of_a_run(config: dict, noise: float | None) -> None:
    assert noise_of(config) == (None if noise is None else pytest.approx(noise))


NOISE = {"false_positive": 0.0, "false_negative": 0.0, "kind": "completion"}
ALL, HALF = ["CC", "CC", "CC", "CC"], ["CC", "CC", "aa", "aa"]
Arms = dict[str, tuple[dict[int, list[str]], dict[str, Any]]]


def comparison(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    """Four problems of two samples: the start has half right, GRPO all at noise 0, 3/4 at 0.5, 1/2 at random."""
    arms: Arms = {
        "sft_start": ({0: HALF}, {"training": None}),
        "grpo reward_noise.false_negative=0.0": ({4: ["CC", "CC", "CC", "CC"]}, {}),
        "grpo reward_noise.false_negative=0.5": (
            {4: ["CC", "CC", "Ca", "Ca"]},
            {"reward_noise": {"false_positive": 0.0, "false_negative": 0.5, "kind": "completion"}},
        ),
        "control_random": ({4: HALF}, {"reward": "random", "control": "random_reward"}),
    }
    return written(tmp_path, make_run, arms)


def written(tmp_path: Path, make_run: Callable[..., Path], arms: Arms) -> Path:
    """A comparison of these arms, each with its votes and what its configuration has otherwise, at two seeds."""
    for arm, (votes, config) in arms.items():
        for seed in (0, 1):
            folder = make_run(arm, seed, votes, steps=max(votes))
            held = json.loads((folder / "config.json").read_text())
            told = {**held, "settings": {}, "training": {"steps": 4}, "reward_noise": NOISE, **config}
            (folder / "config.json").write_text(json.dumps(told))
    (tmp_path / "cmp" / "comparison.json").write_text(json.dumps({"title": "noise"}))
    return tmp_path / "cmp"


def test_the_curve_of_a_comparison_by_hand(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    loaded = load_comparison(comparison(tmp_path, make_run))
    [curve] = fidelity_curves(loaded, Resampling())
    assert (curve.method, curve.num_seeds) == ("grpo", 2)
    assert curve.noise_X.tolist() == [0.0, 0.5, 1.0]
    assert curve.arms[-1] == "control_random"  # a random reward is the endpoint
    assert curve.gain.point.tolist() == pytest.approx([0.5, 0.25, 0.0])
    assert curve.seed_gains_X == ((0.5, 0.5), (0.25, 0.25), (0.0, 0.0))
    assert curve.stops is not None and curve.stops <= 1.0
    drawn = draw_fidelity(loaded)
    assert drawn.values["x"].tolist() == [0.0, 0.5, 1.0]
    [sentence] = fidelity_sentences(loaded)
    assert sentence.startswith("grpo on sums ") and "2 seeds" in sentence


def test_the_command_draws_it_and_says_where_the_method_stops(
    tmp_path: Path, make_run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.commands.plot import Plot

    folder = comparison(tmp_path, make_run)
    Plot(figure="fidelity", comparison=folder).run()
    told = capsys.readouterr().out
    assert "grpo on sums does not beat its start even at noise 0 (2 seeds)" in told  # four problems show nothing
    assert {path.suffix for path in (folder / "report").glob("fidelity.*")} == {".svg", ".pdf", ".png", ".csv"}


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        ("reward", {"reward": "correctness"}, {"reward": "model:orm"}),
        ("task.step_reward", {"task": {"step_reward": "equations"}}, {"task": {"step_reward": "model:prm"}}),
        ("source.search", {"source": {"search": "none"}}, {"source": {"search": "beam"}}),
        ("training.learning_rate", {"training": {"learning_rate": 0.1}}, {"training": {"learning_rate": 0.2}}),
        ("model", {"model": "small"}, {"model": "large"}),
        ("settings.beta", {"settings": {"beta": 0.1}}, {"settings": {"beta": 0.2}}),
    ],
)
def test_arms_that_differ_in_more_than_noise_are_curves_of_their_own(
    path: str, ours: dict[str, Any], theirs: dict[str, Any], tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    """One gains a half at noise 0 and the other nothing: on one point, the last would stand for both."""
    noise = {"reward_noise": {**NOISE, "false_negative": 0.5}}
    arms: Arms = {"sft_start": ({0: HALF}, {"training": None})}
    for number, (config, votes) in enumerate([(ours, ALL), (theirs, HALF)]):
        # Names that say nothing of the difference but the rate, as two sweeps laid together have them.
        arms[f"grpo reward_noise.false_negative={number * '0'}0"] = ({4: votes}, config)
        arms[f"grpo reward_noise.false_negative={number * '0'}.5"] = ({4: HALF}, {**config, **noise})
    first, second = fidelity_curves(load_comparison(written(tmp_path, make_run, arms)), Resampling())
    assert [first.gain.point.tolist(), second.gain.point.tolist()] == [[0.5, 0.0], [0.0, 0.0]]
    values = [config[path.split(".")[0]] for config in (ours, theirs)]
    shown = [value if isinstance(value, str) else value[path.split(".")[1]] for value in values]
    assert [first.method, second.method] == [f"grpo {path}={value}" for value in shown]


def test_two_arms_of_a_method_at_one_rate_are_refused(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """False positives and false negatives of one rate lose as much of the verifier's word, and are not one arm."""
    rate = "grpo reward_noise.false_{}=0.3".format
    arms: Arms = {
        "sft_start": ({0: HALF}, {"training": None}),
        "grpo": ({4: ALL}, {}),
        rate("negative"): ({4: ALL}, {"reward_noise": {**NOISE, "false_negative": 0.3}}),
        rate("positive"): ({4: HALF}, {"reward_noise": {**NOISE, "false_positive": 0.3}}),
    }
    loaded = load_comparison(written(tmp_path, make_run, arms))
    both = r"false_negative=0\.3' and .*false_positive=0\.3' are one method at one rate of noise, 0\.3 .*--out FOLDER"
    with pytest.raises(RecordError, match=both):
        fidelity_curves(loaded, Resampling())


def test_a_comparison_without_noise_is_refused_with_the_command(comparison_dir: Path) -> None:
    with pytest.raises(RecordError, match=r"needs a method at two rates of noise.*coeflab sweep"):
        draw_fidelity(load_comparison(comparison_dir))


def test_over_optimisation_by_hand() -> None:
    """Accuracy peaks at step 3 and falls by 0.2; the reward rises throughout by 0.1 a step."""
    accuracy = np.array([[0.3, 0.4, 0.5, 0.4, 0.3], [0.3, 0.4, 0.5, 0.4, 0.3]])
    reward = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]] * 2)
    found = over_optimisation(reward, accuracy, window=1)
    assert (found.step, found.found) == (3, True)
    assert found.reward_change == pytest.approx(0.2) and found.accuracy_change == pytest.approx(-0.2)
    assert found.accuracy_band == pytest.approx((-0.2, -0.2))
    assert not over_optimisation(-reward, accuracy, window=1).found  # the reward fell too
    assert not over_optimisation(reward, accuracy[:, ::-1].cumsum(axis=1), window=1).found  # accuracy rose throughout


def test_seeds_that_disagree_are_no_over_optimisation() -> None:
    """At the common peak the seeds' accuracies change by −0.4 and +0.1: the band of two seeds holds 0."""
    accuracy = np.array([[0.3, 0.9, 0.5], [0.3, 0.4, 0.5]])
    reward = np.array([[0.1, 0.2, 0.3]] * 2)
    found = over_optimisation(reward, accuracy, window=1)
    assert found.step == 2 and found.accuracy_change == pytest.approx(-0.15)
    assert found.accuracy_band is not None and found.accuracy_band[0] < 0 < found.accuracy_band[1]
    assert not found.found
    with pytest.raises(ValueError, match="window 4"):
        over_optimisation(reward, accuracy, window=4)
