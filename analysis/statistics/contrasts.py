"""The questions of a comparison, declared before anything runs: a mean of some arms minus a mean of others.

A recipe declares its contrasts (`Recipe.contrasts`, else `default_contrasts`), each at a temperature; `coeflab compare`
writes them into `comparison.json` before the first run, and the report answers these and no others with a verdict,
corrected together, whatever their temperature. A comparison without a declaration gets the default ones, and the report
says that they were not declared.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.records.schema import START_ARM

TUNED_START = "tuned_start"  # the start policy at its best temperature (`decoding.tuned_start`), a control
ONLINE, OFFLINE = ("online_rft", "grpo"), ("rft", "dpo")


def is_start(arm: str) -> bool:
    """Whether this is a start policy, as it is or at its best temperature, of one start or of several."""
    return arm.startswith((START_ARM, TUNED_START))


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """The mean of the arms `plus` minus the mean of the arms `minus`, in Pass@1 of their last policies.

    Attributes:
        name: unique among the contrasts of a comparison.
        plus, minus: arms by name; `TUNED_START` is the start policy at its own best temperature, whichever is asked.
        temperature: at which the arms are decoded, 0 greedily; ``None`` is that of the evaluation.
    """

    name: str
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.temperature is not None and not 0 <= self.temperature < math.inf:
            raise ValueError(
                f"contrast {self.name!r}: temperature is {self.temperature}; expected 0 (greedy), a finite number "
                "above, or null for that of the evaluation"
            )
        if not self.plus or not self.minus or set(self.plus) & set(self.minus):
            raise ValueError(
                f"contrast {self.name!r}: plus {list(self.plus)}, minus {list(self.minus)}; expected at least one arm "
                "on each side and none on both"
            )

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm that it needs."""
        return (*self.plus, *self.minus)

    @property
    def names_start(self) -> bool:
        """Whether a start policy is among them."""
        return any(is_start(arm) for arm in self.arms)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of `arms`; they sum to 0."""
        return (*(1 / len(self.plus) for _ in self.plus), *(-1 / len(self.minus) for _ in self.minus))


def paper_contrasts(arms: Collection[str]) -> tuple[Contrast, ...]:
    """The questions of DeepSeekMath, section 5.2, that these arms can answer."""
    wanted = (
        Contrast(name="online − offline", plus=ONLINE, minus=OFFLINE),
        Contrast(name="GRPO − online RFT", plus=("grpo",), minus=("online_rft",)),
        Contrast(name="PS − outcome", plus=("grpo_process",), minus=("grpo",)),
        Contrast(name="DPO − RFT", plus=("dpo",), minus=("rft",)),
    )
    return tuple(contrast for contrast in wanted if set(contrast.arms) <= set(arms))


def default_contrasts(
    arms: Sequence[str], *, start: str | None, controls: Collection[str], tuned: bool = False
) -> tuple[Contrast, ...]:
    """The paper's questions, then each method minus the start policy.

    Args:
        arms: all arms, in order.
        start: the arm that the others are compared with; None has no such contrasts.
        controls: arms that are controls and no methods.
        tuned: whether the start is decoded at several temperatures, and the methods are compared with its best.
    """
    declared = list(paper_contrasts(arms))
    if start is not None:
        base, name = (TUNED_START, "tuned start") if tuned else (start, start)
        methods = [arm for arm in arms if arm not in controls and arm != start]
        declared += [Contrast(name=f"{arm} − {name}", plus=(arm,), minus=(base,)) for arm in methods]
    return tuple(declared)


def to_records(contrasts: Sequence[Contrast]) -> list[dict[str, Any]]:
    """As `comparison.json` holds them."""
    return [
        {"name": each.name, "plus": list(each.plus), "minus": list(each.minus), "temperature": each.temperature}
        for each in contrasts
    ]


def from_records(records: object) -> tuple[Contrast, ...]:
    """The contrasts that a `comparison.json` declares.

    Raises:
        ValueError: it is no list of objects with name, plus and minus, or a name stands there twice.
    """
    if not isinstance(records, list):
        raise ValueError(f"contrasts: {records!r}; expected a list of objects with name, plus and minus")
    return check_names([_contrast(record) for record in records])


def check_names(contrasts: Sequence[Contrast]) -> tuple[Contrast, ...]:
    """The contrasts, each of which has a name of its own.

    Raises:
        ValueError: two have the same.
    """
    names = [each.name for each in contrasts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"contrasts: {', '.join(map(repr, twice))} stands there twice; expected different names")
    return tuple(contrasts)


def _contrast(record: object) -> Contrast:
    if isinstance(record, Mapping):
        sides = {side: record.get(side) for side in ("plus", "minus")}
        named, temperature = isinstance(record.get("name"), str), record.get("temperature")
        measured = temperature is None or (isinstance(temperature, int | float) and not isinstance(temperature, bool))
        if named and measured and all(_is_names(side) for side in sides.values()):
            return Contrast(
                name=record["name"],
                plus=tuple(sides["plus"] or ()),
                minus=tuple(sides["minus"] or ()),
                temperature=temperature,
            )
    raise ValueError(
        f'contrasts: {record!r}; expected an object such as {{"name": "DPO − RFT", "plus": ["dpo"], "minus": ["rft"]}}'
    )


def _is_names(side: object) -> bool:
    return isinstance(side, list) and all(isinstance(name, str) for name in side)
