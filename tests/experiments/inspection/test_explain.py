"""Shapley shares against hand computation, and `coeflab explain`: shares sum to the change."""

from __future__ import annotations

import json
import math
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.cli import main
from experiments.inspection.explain import explain
from experiments.inspection.frozen_batch import parse_batch
from experiments.inspection.shapley import shapley

GLOVES = {("a",): 0.0, ("b",): 0.0, ("c",): 0.0, ("a", "b"): 1.0, ("a", "c"): 1.0, ("b", "c"): 0.0}


def of(chosen: frozenset[str], table: dict[tuple[str, ...], float], full: float) -> np.ndarray:
    return np.array([{(): 0.0, ("a", "b", "c"): full, **table}[tuple(sorted(chosen))]])


def test_the_glove_game() -> None:
    """One left glove and two right ones: 2/3, 1/6, 1/6 (Shapley 1953's textbook case)."""
    shares = shapley(("a", "b", "c"), lambda chosen: of(chosen, GLOVES, 1.0))
    assert {name: pytest.approx(value[0]) for name, value in shares.values.items()} == {
        "a": 2 / 3,
        "b": 1 / 6,
        "c": 1 / 6,
    }
    assert shares.orders is None and shares.sets == 8


def random_game(players: tuple[str, ...], seed: int) -> Any:
    generator = np.random.default_rng(seed)
    table = {}

    def value(chosen: frozenset[str]) -> np.ndarray:
        key = tuple(sorted(chosen))
        if key not in table:
            table[key] = generator.normal(size=3)
        return table[key]

    return value


def test_exact_shares_are_the_mean_over_all_orders_and_sum_to_the_change() -> None:
    players, value = ("p", "q", "r", "s"), random_game(("p",), 3)
    expected = {player: np.zeros(3) for player in players}
    for order in permutations(players):
        for place, player in enumerate(order):
            step = value(frozenset(order[: place + 1])) - value(frozenset(order[:place]))
            expected[player] += step / math.factorial(4)
    shares = shapley(players, value)
    for player in players:
        np.testing.assert_allclose(shares.values[player], expected[player], rtol=1e-12)
    change = value(frozenset(players)) - value(frozenset())
    np.testing.assert_allclose(sum(shares.values.values()), change, rtol=1e-12, atol=1e-12)


def test_drawn_shares_sum_exactly_too_and_are_within_their_error() -> None:
    players, value = tuple("abcde"), random_game(tuple("abcde"), 5)
    exact, drawn = shapley(players, value), shapley(players, value, most_exact=0, orders=500, seed=1)
    change = value(frozenset(players)) - value(frozenset())
    np.testing.assert_allclose(sum(drawn.values.values()), change, rtol=1e-12, atol=1e-12)
    far = [np.abs(drawn.values[player] - exact.values[player]) / drawn.standard_error[player] for player in players]
    assert drawn.orders == 500 and 0 < np.max(far) < 4
    again = shapley(players, value, most_exact=0, orders=500, seed=1)
    other = shapley(players, value, most_exact=0, orders=500, seed=2)
    assert all(np.array_equal(again.values[player], drawn.values[player]) for player in players)
    assert any(not np.array_equal(other.values[player], drawn.values[player]) for player in players)


@pytest.mark.parametrize("most_exact", [10, 0])
def test_orders_by_way_of_an_invalid_set_do_not_count(most_exact: int) -> None:
    """b needs a: only the orders a b c, a c b, c a b are left; the steps are those of these, by hand."""

    def value(chosen: frozenset[str]) -> np.ndarray | None:
        return None if "b" in chosen and "a" not in chosen else np.array([float(len(chosen)) ** 2])

    shares = shapley(("a", "b", "c"), value, most_exact=most_exact, orders=3000)
    # a first twice and second once: (1 + 1 + 3)/3; b second, third, third: (3 + 5 + 5)/3; c third, second, first
    expected = {"a": 5 / 3, "b": 13 / 3, "c": 9 / 3}
    assert {name: float(v[0]) for name, v in shares.values.items()} == pytest.approx(
        expected, rel=0 if most_exact else 0.05, abs=1e-12
    )
    with pytest.raises(ValueError, match="no order of a, b passes by valid"):
        shapley(("a", "b"), lambda s: None if len(s) == 1 else np.zeros(1), most_exact=most_exact)


def batch() -> dict[str, Any]:
    """Rewards 1 and 0 on completions of one and two tokens; every policy the same."""
    sequences = [
        {"group": "q", "reward": 1.0, "policy_logprobs": [-1.0], "old_logprobs": [-1.0]},
        {"group": "q", "reward": 0.0, "policy_logprobs": [-1.0, -1.0], "old_logprobs": [-1.0, -1.0]},
    ]
    for sequence in sequences:
        sequence["reference_logprobs"] = [-1.0] * len(sequence["policy_logprobs"])
    return {"sequences": sequences, "max_length": 4}


def written(folder: Path, source: str) -> str:
    (folder / "mine.py").write_text(source, encoding="utf-8")
    return str(folder / "mine.py")


PRESETS = """\
from dataclasses import dataclass
from functools import partial
from algorithms import GRPO, Aggregation
a = partial(GRPO, kl_coef=0.0)
b = partial(GRPO, kl_coef=0.0, scale="none", aggregation=Aggregation.CONSTANT)
"""


def test_two_fields_by_hand(tmp_path: Path) -> None:
    """GRPO to Dr. GRPO on two completions, every number worked out on paper.

    a: A = ±1/√2; weights 1/2 and 1/4 a token: g = (.5, −.25, −.25)/√2.
    scale alone: A = ±1/2, same weights. aggregation alone: A = ±1/√2, weights 1/8. both: ±1/2 and 1/8.
    """
    name = written(tmp_path, PRESETS)
    found = explain(parse_batch(batch()), f"{name}:a", f"{name}:b").shares.set_index("field")
    root = math.sqrt(2)
    # coefficients: only the scale moves them, by 1/√2 − 1/2 at each of three tokens
    assert found.loc["scale", "coefficients"] == pytest.approx(math.sqrt(3) * (1 / root - 0.5), rel=1e-12)
    assert found.loc["aggregation", "coefficients"] == pytest.approx(0, abs=1e-15)
    # direction: only the aggregation turns it, from (2, −1, −1) to (1, −1, −1)
    assert found.loc["scale", "cosine"] == pytest.approx(0, abs=1e-15)
    assert found.loc["aggregation", "cosine"] == pytest.approx(4 / math.sqrt(18) - 1, rel=1e-12)
    # norm: √6/4 or √3/8, times 1/√2 or 1/2
    long, short = math.sqrt(6) / 4, math.sqrt(3) / 8
    scale = ((long / 2 - long / root) + (short / 2 - short / root)) / 2
    aggregation = ((short / root - long / root) + (short / 2 - long / 2)) / 2
    assert found.loc["scale", "norm"] == pytest.approx(scale, rel=1e-12)
    assert found.loc["aggregation", "norm"] == pytest.approx(aggregation, rel=1e-12)


def long_batch() -> dict[str, Any]:
    generator = np.random.default_rng(0)
    sequences = []
    for row in range(6):
        length = 2 + row % 3
        policy = -1 - np.abs(generator.normal(size=length))
        arrays = {
            f"{name}_logprobs": (policy - 0.4 * generator.normal(size=length).clip(-2, 2)).clip(max=0).tolist()
            for name in ("old", "reference", "sampler")
        }
        sequences.append(
            {
                "group": row // 3,
                "reward": float(row % 2),
                "truncated": row == 2,
                "policy_logprobs": policy.tolist(),
                **arrays,
            }
        )
    return {"sequences": sequences, "max_length": 4}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("grpo@trl-1.16", "grpo@paper"),
        ("grpo@openrlhf-0.11", "grpo@nemo-rl"),  # kl_gradient "score" does not go with kl_place "advantage"
        ("grpo", "dapo"),
        ("dpo", "dpo@trl-1.16"),
    ],
)
def test_shares_sum_to_the_change_exactly(before: str, after: str) -> None:
    data = long_batch()
    for row, sequence in enumerate(data["sequences"]):
        sequence |= {"pair": row // 2, "chosen": row % 2 == 1}
    found = explain(parse_batch(data), before, after)
    totals = found.totals.set_index("quantity").to_dict("index")
    for name in ("coefficients", "cosine", "norm"):
        total = totals[name]
        assert found.shares[name].to_numpy().sum() == pytest.approx(total["change"], rel=1e-9, abs=1e-12)
        assert total["to"] - total["from"] == pytest.approx(total["change"], abs=1e-15)
    per_token = found.tokens[list(found.shares["field"])].sum(axis=1)
    np.testing.assert_allclose(per_token, found.tokens["to"] - found.tokens["from"], rtol=1e-9, atol=1e-12)
    assert totals["norm"]["change"] != 0


def coeflab(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["coeflab", "explain", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_command_writes_figure_and_tables(monkeypatch, tmp_path: Path, capsys) -> None:
    (tmp_path / "batch.json").write_text(json.dumps(long_batch()), encoding="utf-8")
    ends = ("--from", "grpo@trl-1.16", "--to", "grpo@paper")
    assert coeflab(monkeypatch, str(tmp_path / "batch.json"), *ends, "--out", str(tmp_path / "out")) == 0
    out = capsys.readouterr().out
    assert "│aggregation" in out and "every order of swaps" in out
    starts = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    for kind, start in starts.items():
        assert (tmp_path / "out" / f"explain.{kind}").read_bytes().startswith(start)
    assert coeflab(monkeypatch, str(tmp_path / "batch.json"), *ends, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    table = pd.read_csv(tmp_path / "out" / "explain.csv")
    assert [row["field"] for row in printed["shares"]] == list(table["field"])
    assert sum(row["norm"] for row in printed["shares"]) == pytest.approx(printed["totals"][2]["change"])


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("--from", "grpo", "--to", "ppo"), "grpo is a GRPO and ppo a PPO; expected two presets of one class"),
        (("--from", "grpo", "--to", "grpo@paper"), "have the same fields"),
        (("--from", "grpo", "--to", "remax"), "remax needs greedy_reward"),
    ],
)
def test_what_cannot_be_explained_is_refused(monkeypatch, tmp_path: Path, capsys, ends, message: str) -> None:
    (tmp_path / "batch.json").write_text(json.dumps(long_batch()), encoding="utf-8")
    assert coeflab(monkeypatch, str(tmp_path / "batch.json"), *ends) == 1
    assert message in capsys.readouterr().err


def test_a_zero_gradient_has_no_direction() -> None:
    data = batch()
    data["sequences"][1]["reward"] = 1.0  # equal rewards: nothing to learn under either

    found = explain(parse_batch(data), "grpo", "grpo@verl-0.9")
    assert found.totals.set_index("quantity").loc["cosine", "from"] == 0
