"""The coefficients that a comparison keeps: the same completions under each of its methods (coefficients.json)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.records.reading import RecordError, parse_object, printable, read_text

__all__ = ["CoefficientRecord", "MethodRecord", "read_coefficients"]

FILE_NAME = "coefficients.json"
MOST_BYTES = 1 << 28
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class MethodRecord:
    """Credit and coefficients of one method on the completions.

    Attributes:
        name: the arm.
        coefficients: GC of each token of each completion; ``None`` for a completion that the method leaves out.
        weights: aggregation weight of each token of a completion; ``None`` likewise.
    """

    name: str
    coefficients: tuple[np.ndarray | None, ...]
    weights: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class CoefficientRecord:
    """Completions under each method.

    Attributes:
        policy: whose completions they are.
        sequences: objects with problem_id, question, reward, verdict, truncated and tokens (texts).
        methods: one a method, in the order of the file.
        gradient_names: methods whose gradients were compared.
        cosines_NN: cosine of each pair of their gradients.
    """

    policy: str
    sequences: tuple[dict[str, Any], ...]
    methods: tuple[MethodRecord, ...]
    gradient_names: tuple[str, ...]
    cosines_NN: np.ndarray

    @property
    def right_B(self) -> np.ndarray:
        """Which completions are right by the verdict, whatever their reward is; (B,) bool."""
        return np.array([sequence["verdict"] == "CORRECT" for sequence in self.sequences], dtype=bool)


def read_coefficients(folder: Path) -> CoefficientRecord | None:
    """The record in a comparison's folder, ``None`` where it keeps none.

    Raises:
        RecordError: the file is not what `coeflab compare` writes.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    data = parse_object(read_text(path, MOST_BYTES), str(path), cut_short=RecordError)
    try:
        methods = tuple(
            MethodRecord(
                name=printable(str(method["name"]), LONGEST_NAME),
                coefficients=tuple(None if row is None else np.asarray(row, float) for row in method["coefficients"]),
                weights=tuple(method["weights"]),
            )
            for method in data["methods"]
        )
        record = CoefficientRecord(
            policy=str(data["policy"]),
            sequences=tuple(data["sequences"]),
            methods=methods,
            gradient_names=tuple(map(str, data["gradients"]["names"])),
            cosines_NN=np.asarray(data["gradients"]["cosines"], float),
        )
        lengths = [len(sequence["tokens"]) for sequence in record.sequences]
        for method in record.methods:
            for length, row in zip(lengths, method.coefficients, strict=True):
                if row is not None and len(row) != length:
                    raise ValueError(f"{method.name} has {len(row)} coefficients for {length} tokens")
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(
            f"{path} is not a record of coefficients ({error}); remove it, and `coeflab compare` writes it anew"
        ) from error
    return record
