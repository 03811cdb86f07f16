"""Bounds on what is computed from untrusted text: checked before a number is built.

Past a bound a value is opaque: it equals only its own normalised text.
"""

from __future__ import annotations

__all__ = [
    "MAX_ANSWER_CHARS",
    "MAX_ATOM_CHARS",
    "MAX_BITS",
    "MAX_DIGITS",
    "MAX_EXPANSION",
    "MAX_FACTORIAL",
    "MAX_FACTORS",
    "MAX_ITEMS",
    "MAX_NESTING",
    "MAX_TERMS",
    "MAX_WORK",
    "OverBoundError",
    "UnreadableError",
]

MAX_ANSWER_CHARS = 2_000  # characters of a final answer
MAX_NESTING = 40  # brackets inside brackets
MAX_FACTORS = 400  # operands and operators of one expression
MAX_DIGITS = 1_000  # digits of one written number
MAX_BITS = 30_000  # bits of a computed numerator or denominator
MAX_FACTORIAL = 2_500  # argument of a factorial or binomial coefficient
MAX_EXPANSION = 40  # integer power up to which a sum is multiplied out
MAX_ATOM_CHARS = 10_000  # characters of the canonical form of a function's argument
MAX_TERMS = 200  # terms of a multiplied-out sum
MAX_WORK = 60_000  # products of two terms while one expression is brought into its canonical form
MAX_ITEMS = 400  # entries of a list, set, tuple or matrix


class OverBoundError(ArithmeticError):
    """The text is well formed and its value is past a bound."""


class UnreadableError(ValueError):
    """The text is no expression that the exact parser knows."""
