"""`coeflab evaluate --search`: numbers at equal tokens against enumeration, and what it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.records.frames import column
from experiments.commands.evaluate import Evaluate
from experiments.inspection.scorer import open_scorer
from experiments.recipes.config import TaskConfig
from experiments.records.same import ConfigMismatchError, FolderDamagedError
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts
from experiments.searching.comparison import _Sampled
from sampling.sampler import Request, SamplingConfig, sample_rollouts
from sampling.transformers_engine import TransformersSampler
from tests.training.reward_models.small_model import EOS, scalar_model
from training.models.policy import load_policy
from training.reward_models.model import RewardModelError


def cells(frame: Any, *names: str) -> list[list[float]]:
    """The rows of these columns."""
    return [list(row) for row in zip(*(column(frame, name).tolist() for name in names), strict=True)]


def test_sampling_at_equal_tokens_is_every_draw_of_k() -> None:
    """C is right, N has no answer, any other letter is a wrong answer of that name."""
    letters, scores = ["CabN", "CCaN"], [[0.2, 0.9, 0.9, 0.1], [0.3, 0.5, 0.6, 0.7]]
    sampled = _Sampled(
        right_P=[[each == "C" for each in own] for own in letters],
        classes_P=[["" if each == "N" else each for each in own] for own in letters],
        scores_P=scores,
    )
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
    assert cells(table, "method", "budget") == [[m, b] for m in ("beam", "best_first") for b in (12, 90)]
    assert all(0 < tokens <= budget for tokens, budget in cells(table, "tokens", "budget"))
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
    ks = column(table, "k").tolist()
    assert ks == [max(1, int(tokens / length)) for tokens in column(table, "tokens")]
    assert max(ks) > 2  # more samples than were asked for were drawn for it
    assert column(table, "sampled_tokens").tolist() == pytest.approx([length * k for k in ks])


@pytest.mark.parametrize("lost", ["search/beam-2x2-90/000002.json", "search/samples-0-2/000000.json"])
def test_a_stopped_search_goes_on_and_ends_the_same(
    models: tuple[Path, Path], tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of two problems: without the last one, and without what came after it, only that is done again."""
    pieces = {"settings": ("chunk_problems=2",)}
    command(models, tmp_path / "whole", **pieces).run()
    command(models, tmp_path / "stopped", **pieces).run()
    (tmp_path / "stopped" / lost).unlink()
    (tmp_path / "stopped" / "search.csv").unlink()
    drawn: list[int] = []
    generate = TransformersSampler.generate

    def counted(self: TransformersSampler, requests: Sequence[Request], *rest: Any) -> Any:
        drawn.append(len(requests))
        return generate(self, requests, *rest)

    monkeypatch.setattr(TransformersSampler, "generate", counted)
    command(models, tmp_path / "stopped", **pieces).run()
    for name in ("search.csv", lost):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert 0 < sum(drawn) <= (4 if "samples" in lost else 90)  # of one piece alone
    drawn.clear()
    command(models, tmp_path / "stopped", **pieces).run()
    assert not drawn


def test_another_search_is_not_mixed_in(models: tuple[Path, Path], tmp_path: Path) -> None:
    command(models, tmp_path / "out", search=("beam",), budget=(12,)).run()
    command(models, tmp_path / "out", search=("beam",), budget=(12, 30)).run()  # another budget is one more
    with pytest.raises(ConfigMismatchError, match="temperature"):
        command(models, tmp_path / "out", temperature=0.5).run()
    other = scalar_model(models[0], head_seed=4)
    other.save(tmp_path / "other")
    with pytest.raises(ConfigMismatchError, match="reward_model"):
        command(models, tmp_path / "out", reward_model=str(tmp_path / "other")).run()
    piece = tmp_path / "out" / "search" / "beam-2x2-12" / "000000.json"
    piece.write_text(piece.read_text().replace('"right": false', '"right": true', 1))
    with pytest.raises(FolderDamagedError, match="remove it, and start the same command again"):
        command(models, tmp_path / "out", search=("beam",), budget=(12,)).run()


def test_the_figure_has_what_the_table_has(models: tuple[Path, Path], tmp_path: Path) -> None:
    command(models, tmp_path / "out").run()
    table = pd.read_csv(tmp_path / "out" / "search.csv")
    drawn = pd.read_csv(tmp_path / "out" / "accuracy_by_tokens-arithmetic.csv").groupby("arm")
    beam = table[table["method"] == "beam"]
    assert cells(drawn.get_group("beam search"), "x", "point") == cells(beam, "tokens", "found")
    votes = table.drop_duplicates("k").sort_values("k")
    assert cells(drawn.get_group("Maj@K"), "x", "point", "low", "high") == (
        cells(votes, "sampled_tokens", "majority", "majority_low", "majority_high")
    )
    for ending in ("svg", "pdf", "png"):
        assert (tmp_path / "out" / f"accuracy_by_tokens-arithmetic.{ending}").stat().st_size > 1000


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
