"""What the coefficients of every method look like on the same completions: their values, where in a completion they
are large, and what completions of like length weigh together."""

from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.records.coefficient_record import CoefficientRecord

BINS = 31
POSITIONS = 10


def coefficient_histograms(record: CoefficientRecord) -> pd.DataFrame:
    """Tokens by coefficient and verdict: arm (a method), verdict ("right", "wrong"), low, high (of the bin), tokens."""
    parts = []
    for method in record.methods:
        kept = [row for row in method.coefficients if row is not None]
        edges = np.histogram_bin_edges(np.concatenate(kept), bins=BINS) if kept else np.linspace(-1, 1, BINS + 1)
        for verdict, wanted in (("right", True), ("wrong", False)):
            own = [
                row
                for row, is_right in zip(method.coefficients, record.right_B, strict=True)
                if row is not None and is_right == wanted
            ]
            counts, _ = np.histogram(np.concatenate(own) if own else np.empty(0), bins=edges)
            about = {"arm": method.name, "verdict": verdict}
            parts.append(pd.DataFrame({**about, "low": edges[:-1], "high": edges[1:], "tokens": counts}))
    return pd.concat(parts, ignore_index=True)


def coefficients_by_position(record: CoefficientRecord) -> pd.DataFrame:
    """Mean |coefficient| in each tenth of the completions: arm (a method), x (1 to 10), point.

    A tenth that holds no token, as of completions of fewer than ten, has no row.
    """
    parts = []
    for method in record.methods:
        sums, counts = np.zeros(POSITIONS), np.zeros(POSITIONS)
        for row in method.coefficients:
            if row is not None:
                tenth = np.arange(len(row)) * POSITIONS // len(row)
                np.add.at(sums, tenth, np.abs(row))
                np.add.at(counts, tenth, 1)
        held = np.flatnonzero(counts)
        parts.append(pd.DataFrame({"arm": method.name, "x": held + 1, "point": sums[held] / counts[held]}))
    return pd.concat(parts, ignore_index=True)


def coefficients_by_length(record: CoefficientRecord) -> pd.DataFrame:
    """What the tokens of completions of like length weigh together, Σ weight·|coefficient|, as a share of the method's
    total: arm (a method), group (range of lengths, a quarter of the completions each), point."""
    lengths_B = np.array([len(sequence["tokens"]) for sequence in record.sequences])
    edges = np.quantile(lengths_B, [0.25, 0.5, 0.75])
    quarter_B = np.searchsorted(edges, lengths_B, side="left")
    bounds = [int(lengths_B.min()), *map(int, edges), int(lengths_B.max())]
    groups = [f"{low}–{high}" for low, high in pairwise(bounds)]
    parts = []
    for method in record.methods:
        mass = np.zeros(4)
        for index, (row, weight) in enumerate(zip(method.coefficients, method.weights, strict=True)):
            if row is not None and weight is not None:
                mass[quarter_B[index]] += weight * np.abs(row).sum()
        shares = mass / mass.sum() if mass.sum() > 0 else mass
        parts.append(pd.DataFrame({"arm": method.name, "place": range(4), "group": groups, "point": shares}))
    return pd.concat(parts, ignore_index=True)
