"""`coeflab evaluate --search`: numbers at equal tokens against enumeration, and what it refuses."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.commands.evaluate import Evaluate
from experiments.inspection.scorer import open_scorer
from experiments.inspection.searching import _Sampled
from experiments.recipes.config import TaskConfig
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts
from rewards.verdict import Status, Verdict
from sampling.sampler import SamplingConfig, sample_rollouts
from sampling.transformers_engine import TransformersSampler
from tests.training.reward_models.small_model import EOS, scalar_model
from training.models.policy import load_policy
from training.reward_models.model import RewardModelError


def verdict(letter: str) -> Verdict:
    """C is right, N has no answer, any other letter is a wrong answer of that name."""
    status = {"C": Status.CORRECT, "N": Status.NO_ANSWER}.get(letter, Status.INCORRECT)
    return Verdict(status=status, answer=letter, answer_class="" if letter == "N" else letter)


def test_sampling_at_equal_tokens_is_every_draw_of_k() -> None:
    letters, scores = ["CabN", "CCaN"], [[0.2, 0.9, 0.9, 0.1], [0.3, 0.5, 0.6, 0.7]]
    sampled = _Sampled(verdicts_P=[[verdict(each) for each in own] for own in letters], scores_P=scores)
    for k in (1, 2, 3, 4):
        for place, (own, likes) in enumerate(zip(letters, scores, strict=True)):
            vote, best, any_right = [], [], []
            for drawn in itertools.combinations(range(4), k):
                counts = {letter: sum(own[i] == letter for i in drawn) for letter in own if letter != "N"}
                leaders = [letter for letter, count in counts.items() if count and count == max(counts.values())]
                vote.append(("C" in leaders) / len(leaders) if leaders else 0.0)
                top = [own[i] for i in drawn if likes[i] == max(likes[j] for j in drawn)]
                best.append(top.count("C") / len(top))
                any_right.append("C" in [own[i] for i in drawn])
            assert sampled.majority(k)[place] == pytest.approx(np.mean(vote))
            assert sampled.best(k)[place] == pytest.approx(np.mean(best))
            assert sampled.any_right(k)[place] == pytest.approx(np.mean(any_right))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A policy and a reward model of a random head."""
    folder = tmp_path_factory.mktemp("models")
    scalar_model(folder / "policy", head_seed=3).save(folder / "reward")
    return folder / "policy", folder / "reward"


def command(models: tuple[Path, Path], out: Path, **fields: object) -> Evaluate:
    asked = {
        "model": str(models[0]),
        "benchmark": ("arithmetic",),
        "limit": 3,
        "samples": 2,
        "temperature": 1.0,
        "max_tokens": 10,
        "engine": "transformers",
        "search": ("beam", "best_first"),
        "reward_model": str(models[1]),
        "budget": (12, 90),
        "width": 2,
        "branching": 2,
        "out": out,
        **fields,
    }
    return Evaluate(**asked)  # type: ignore[arg-type]


def test_searches_stand_beside_as_many_tokens_of_samples(
    models: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(models, tmp_path / "out").run()
    assert "best of K" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "out" / "search.csv")
    assert table[["method", "budget"]].values.tolist() == [[m, b] for m in ("beam", "best_first") for b in (12, 90)]
    assert (table["tokens"] <= table["budget"]).all() and (table["tokens"] > 0).all()
    policy, task = load_policy(models[0]), TaskConfig(benchmark="arithmetic", prompt="bare")
    problems = load_problems(task, "test", 3)
    rendered = render_prompts(problems, task, policy.tokenizer)
    samples = sample_rollouts(
        TransformersSampler(models[0], eos_token_ids=[EOS]),
        policy.tokenizer,
        [(problem, each.ids) for problem, each in zip(problems, rendered, strict=True)],
        SamplingConfig(temperature=1.0, max_tokens=10),
        samples_per_problem=2,
        run_seed=0,
        step=0,
        purpose="evaluate",
    )
    length = sum(len(each.completion_ids) for each in samples) / len(samples)
    assert table["k"].tolist() == [max(1, int(tokens / length)) for tokens in table["tokens"]]
    assert table["k"].max() > 2  # more samples than were asked for were drawn for it


def test_what_has_no_reward_model_is_not_searched(models: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the fit of a reward model, and one benchmark"):
        command(models, tmp_path, reward_model=None).run()
    with pytest.raises(ValueError, match="all branches of a search would be one"):
        command(models, tmp_path, temperature=0.0).run()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "finished.json").write_text("{}")
    (tmp_path / "run" / "config.json").write_text('{"model": null}')
    with pytest.raises(RewardModelError, match="is not the fit of a reward model"):
        open_scorer(str(tmp_path / "run"), "cpu", 64)
