"""A cell of somebody's samples as what it stands for: one entry, a text, a whole number, a verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from analysis.records.reading import RecordError

__all__ = ["only_entry", "text_of", "verdict_of", "whole_number"]


def only_entry(value: Any, field: str, path: Path, number: int) -> Any:
    """The only entry of a list of one, and what is no list as it is.

    Raises:
        RecordError: a list of several texts or numbers, which is not read as its JSON.
    """
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(listed, list) or (listed and all(isinstance(entry, dict) for entry in listed)):
        return value
    if len(listed) != 1:
        raise RecordError(
            f"{path}, row {number}: the {field} is a list of {len(listed)}; expected one; write a row a completion, "
            "with one gold answer"
        )
    return listed[0]


def text_of(value: Any) -> str:
    """A text as it is, a number as a text, a conversation as its last message."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list) and value and all(isinstance(message, dict) for message in value):
        return text_of(value[-1].get("content"))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def whole_number(value: Any, field: str, path: Path, number: int) -> int:
    """The whole number of a cell, "10.0" of a CSV too; a step is 0 or more.

    Raises:
        RecordError: it is none.
    """
    try:
        whole = int(float(value)) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    least = 0 if field == "step" else -(1 << 63)
    if whole is None or whole != float(value) or not least <= whole < 1 << 63:
        of = " of 0 or more; make the start step 0" if field == "step" else " of 64 bits"
        raise RecordError(f"{path}, row {number}: the {field} is {value!r}; expected a whole number{of}")
    return whole


def verdict_of(value: Any, path: Path, number: int) -> bool | None:
    """The tool's verdict: a truth value, or a score that is right above 0; ``None`` where it has none.

    Raises:
        RecordError: a text that is neither.
    """
    if value is None or value == "" or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        words = {"true": 1.0, "false": 0.0}
        try:
            value = words.get(value.strip().lower()) if value.strip().lower() in words else float(value)
        except ValueError:
            raise RecordError(
                f"{path}, row {number}: correct is {value!r}; expected true, false or a score, right above 0"
            ) from None
        return verdict_of(value, path, number)
    return float(value) > 0
