"""Shapley values of swapped choices: what each does to a result, averaged over the orders in which they can be swapped.

    φ_i = mean over orders π of  v(S_π(i) ∪ {i}) − v(S_π(i)),    S_π(i) = what stands before i in π

so Σ_i φ_i = v(all) − v(none), exactly (Shapley 1953). Where a set of choices makes no valid configuration, only orders
that pass by it count, as with games under precedence constraints (Faigle and Kern 1992). Up to `MOST_EXACT` choices all
orders are counted, by the number of ways to each set; beyond, orders are drawn with a seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_EXACT", "Shares", "shapley"]

MOST_EXACT = 10  # 1,024 sets
ORDERS = 400  # drawn beyond that

Player = TypeVar("Player", bound=str)
Value = Callable[[frozenset[str]], NDArray[np.float64] | None]


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The contribution of each choice.

    Attributes:
        values: by choice, of the shape of the value; they sum to v(all) − v(none).
        standard_error: by choice, of the mean over drawn orders; 0 where every order was counted.
        sets: sets whose value was computed.
        orders: orders drawn, or ``None`` where all were counted.
    """

    values: dict[str, NDArray[np.float64]]
    standard_error: dict[str, NDArray[np.float64]]
    sets: int
    orders: int | None


def shapley(
    players: Sequence[str], value: Value, *, most_exact: int = MOST_EXACT, orders: int = ORDERS, seed: int = 0
) -> Shares:
    """Shares of `players` in v(all) − v(none).

    Args:
        players: the choices, by name.
        value: v of a set of choices, an array; ``None`` where the set makes no valid configuration.
        most_exact: up to so many choices every order is counted.
        orders: drawn beyond that.
        seed: of the drawn orders.

    Raises:
        ValueError: the empty or the full set has no value, or no order leads from one to the other.
    """
    known: dict[frozenset[str], NDArray[np.float64] | None] = {}

    def of(chosen: frozenset[str]) -> NDArray[np.float64] | None:
        if chosen not in known:
            known[chosen] = value(chosen)
        return known[chosen]

    if of(frozenset()) is None or of(frozenset(players)) is None:
        raise ValueError("the two ends have no value; expected two valid configurations.")
    if len(players) <= most_exact:
        values = _counted(players, of)
        errors = {player: np.zeros_like(share) for player, share in values.items()}
        return Shares(values=values, standard_error=errors, sets=len(known), orders=None)
    values, errors = _drawn(players, of, orders, random.Random(seed))
    return Shares(values=values, standard_error=errors, sets=len(known), orders=orders)


def _counted(players: Sequence[str], of: Value) -> dict[str, NDArray[np.float64]]:
    """Every step from a set to a larger one, weighted by the orders that take it."""
    sets = [frozenset(p for place, p in enumerate(players) if bits >> place & 1) for bits in range(1 << len(players))]
    by_size = sorted((chosen for chosen in sets if of(chosen) is not None), key=len)
    ways_to = {frozenset[str](): 1}
    for chosen in by_size[1:]:
        ways_to[chosen] = sum(ways_to.get(chosen - {player}, 0) for player in chosen)
    ways_from = {frozenset(players): 1}
    for chosen in reversed(by_size[:-1]):
        ways_from[chosen] = sum(ways_from.get(chosen | {player}, 0) for player in players if player not in chosen)
    total = ways_to[frozenset(players)]
    if total == 0:
        raise ValueError(f"no order of {', '.join(players)} passes by valid configurations only.")
    empty = of(frozenset())
    assert empty is not None
    shares = {player: np.zeros_like(empty) for player in players}
    for chosen in by_size:
        before = of(chosen)
        for player in set(players) - chosen:
            after = of(chosen | {player})
            taken = ways_to[chosen] * ways_from.get(chosen | {player}, 0)
            if before is not None and after is not None and taken:
                shares[player] = shares[player] + (after - before) * (taken / total)
    return shares


def _drawn(
    players: Sequence[str], of: Value, orders: int, generator: random.Random
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Mean and standard error of each choice's step over drawn orders that pass by valid sets only."""
    steps: dict[str, list[NDArray[np.float64]]] = {player: [] for player in players}
    for _ in range(orders):
        for player, step in _one_order(players, of, generator).items():
            steps[player].append(step)
    values = {player: np.mean(found, axis=0) for player, found in steps.items()}
    errors = {player: np.std(found, axis=0, ddof=1) / np.sqrt(orders) for player, found in steps.items()}
    return values, errors


def _one_order(players: Sequence[str], of: Value, generator: random.Random) -> dict[str, NDArray[np.float64]]:
    for _ in range(1000):
        order = list(players)
        generator.shuffle(order)
        chosen, steps, before = frozenset[str](), {}, of(frozenset())
        for player in order:
            chosen |= {player}
            after = of(chosen)
            if before is None or after is None:
                break
            steps[player] = after - before
            before = after
        else:
            return steps
    raise ValueError(f"no order of {', '.join(players)} passes by valid configurations only (1,000 drawn).")
