"""Fields set by name: the values that fit a field's type, and that type in words.

The one field language of the project: what `--set` and `--vary` take is decided here, for methods and recipes alike.
"""

from __future__ import annotations

import enum
import math
import sys
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["converted", "fits", "refuse_nan", "type_in_words"]


def fits(value: Any, hint: Any) -> bool:
    """Whether `value`, as JSON gives it, is one of the type `hint`; numbers are finite, and true is no number."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(hint))
    if _is_enum(hint):
        return value in list(hint)
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if hint is type(None):
        return value is None
    if origin in (tuple, list):
        if not isinstance(value, list | tuple) or len(value) != len(_of_items(hint, value)):
            return False
        return all(fits(item, part) for item, part in zip(value, _of_items(hint, value), strict=True))
    return isinstance(value, origin or hint) if isinstance(origin or hint, type) else True


def converted(value: Any, hint: Any) -> Any:
    """A value that `fits`, with text made the member of an enumeration that it names, and a list a tuple."""
    if get_origin(hint) in (Union, UnionType):
        return converted(value, next(part for part in get_args(hint) if fits(value, part)))
    if get_origin(hint) is tuple:
        return tuple(converted(item, part) for item, part in zip(value, _of_items(hint, value), strict=True))
    return hint(value) if _is_enum(hint) else value


def refuse_nan(settings: Any) -> None:
    """Of a dataclass's fields none is NaN, which every comparison with a bound lets pass.

    Raises:
        ValueError: one is.
    """
    for name, value in vars(settings).items():
        if isinstance(value, float) and math.isnan(value):
            raise ValueError(f"{name} is nan; expected a number.")


def type_in_words(hint: Any) -> str:
    """``one of 'mean', 'none'``, ``a finite float``, ``a finite int or null``."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(type_in_words, get_args(hint)))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(repr, get_args(hint)))
    if _is_enum(hint):
        return "one of " + ", ".join(repr(str(member)) for member in hint)
    if hint is type(None):
        return "null"
    if _is_fixed(hint):
        return f"a list of {', '.join(map(type_in_words, get_args(hint)))}"
    if get_origin(hint) in (tuple, list):
        return f"a list, each {type_in_words(get_args(hint)[0])}"
    return f"a finite {hint.__name__}" if hint in (int, float) else f"a {getattr(hint, '__name__', hint)}"


def _is_fixed(hint: Any) -> bool:
    """Whether it is a tuple of so many items, ``tuple[str, float]``, and not of any number, ``tuple[str, ...]``."""
    return get_origin(hint) is tuple and Ellipsis not in get_args(hint)


def _of_items(hint: Any, value: Any) -> tuple[Any, ...]:
    """The type of each item that a list or tuple of this type has."""
    return get_args(hint) if _is_fixed(hint) else (get_args(hint)[0],) * len(value)


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, enum.StrEnum)
