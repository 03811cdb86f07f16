"""Laws held against methods by hypothesis, and the smallest counterexample of those that break."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from algorithms.interface import Algorithm, BatchUnit
from algorithms.laws.cases import Case, cases, hypothesis_module
from algorithms.laws.catalogue import LAWS, Law
from algorithms.laws.claims import claims_of, named_laws
from algorithms.laws.functions import AdvantageFunction
from algorithms.laws.objectives import objective_of

__all__ = ["Finding", "as_method", "judge", "judge_law", "law_tests"]

EXAMPLES = 100


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What came out of one law and one method.

    Attributes:
        law: the law.
        claimed: whether the method claims it; ``None`` where it does not say.
        applies: False for a law of tokens and a plain function, and for a gradient without an objective.
        counterexample: the smallest batch found on which the law breaks, in words, or ``None``.
    """

    law: Law
    claimed: bool | None
    applies: bool
    counterexample: str | None

    @property
    def failed(self) -> bool:
        """Whether a claim is broken."""
        return bool(self.claimed) and (self.counterexample is not None or not self.applies)

    @property
    def mark(self) -> str:
        """✓ holds, ✗ broken; (✓) holds without being claimed, · broken and not claimed, – does not apply."""
        if not self.applies:
            return "✗" if self.failed else "–"
        if self.counterexample is None:
            return "(✓)" if self.claimed is False else "✓"
        return "·" if self.claimed is False else "✗"


def as_method(subject: Any) -> Algorithm:
    """A method as it is, a class of one with its defaults, a plain function wrapped.

    Raises:
        FunctionError: a function that takes neither torch nor numpy arrays of rewards and groups.
        ValueError: none of these.
    """
    built = subject() if isinstance(subject, type) else subject
    if hasattr(built, "credit") and hasattr(built, "coefficients"):
        return built
    if callable(built):
        return AdvantageFunction.of(built)
    raise ValueError(
        f"{subject!r} is a {type(subject).__name__}; expected a method with credit and coefficients, or a function "
        "advantages(rewards, groups)."
    )


def judge(
    subject: Any,
    *,
    claims: Iterable[str] | None = None,
    laws: Iterable[str] | None = None,
    examples: int = EXAMPLES,
    seed: int = 0,
    group_size: int | None = None,
) -> list[Finding]:
    """Every law held against a method, its class or a plain function; the same seed finds the same.

    Args:
        subject: see `as_method`.
        claims: names of the laws that it claims, in place of what its fields or its attribute ``claims`` say.
        laws: names of the laws to hold against it; ``None`` for all.
        examples: batches tried a law.
        seed: seed of hypothesis.
        group_size: completions of every group, for code that needs groups of one size; ``None`` for any.

    Raises:
        ValueError: no such law, or see `as_method`.
        ImportError: hypothesis is not installed.
    """
    method = as_method(subject)
    claimed = claims_of(method) if claims is None else named_laws(claims)
    asked = set(Law) if laws is None else named_laws(laws)
    options = {"examples": examples, "seed": seed, "group_size": group_size}
    return [
        Finding(
            law=law,
            claimed=None if claimed is None else law in claimed,
            applies=applies(law, method),
            counterexample=judge_law(law, method, **options) if applies(law, method) else None,
        )
        for law in LAWS
        if law in asked
    ]


def applies(law: Law, method: Algorithm) -> bool:
    """Whether the law speaks of such a method at all."""
    if law is Law.GRADIENT_OF_THE_OBJECTIVE and objective_of(method) is None:
        return False
    return not (LAWS[law].of_tokens and isinstance(method, AdvantageFunction))


def judge_law(
    law: Law, method: Algorithm, *, examples: int = EXAMPLES, seed: int = 0, group_size: int | None = None
) -> str | None:
    """The smallest counterexample to one law, in words, or ``None`` where `examples` batches hold none."""
    hypothesis, statement = hypothesis_module(), LAWS[law]

    def breach(case: Case) -> str | None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return statement.broken(method, case)
            except Exception as error:  # a user's method: anything may come, and it is the finding
                return f"{case.described()}: {type(error).__name__}: {error}"

    strategy = cases(
        method.needs, group_size=group_size, even=method.batch_unit == BatchUnit.PAIR, smallest=statement.smallest_group
    )
    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    try:
        smallest = hypothesis.find(
            strategy, lambda case: breach(case) is not None, settings=settings, random=random.Random(seed)
        )
    except hypothesis.errors.NoSuchExample:
        return None
    except hypothesis.errors.Flaky:
        return "the same batch gave two results: it is not a function of its arguments"
    return breach(smallest) or "the same batch gave two results: it is not a function of its arguments"


def law_tests(subject: Any, *laws: str, examples: int = EXAMPLES, group_size: int | None = None) -> Callable[..., None]:
    """A pytest test, one case a law, for somebody's own repository:

        from algorithms.laws import law_tests
        from my_trainer import my_advantages
        test_my_advantages = law_tests(my_advantages, "group_mean_zero", "equal_rewards_give_zero")

    Args:
        subject: see `as_method`.
        laws: what must hold; without any, what the subject claims, and all that apply where it claims nothing.
        examples: see `judge`.
        group_size: see `judge`.

    Raises:
        ValueError: no such law, or see `as_method`.
    """
    import pytest

    method = as_method(subject)
    claimed = named_laws(laws) if laws else claims_of(method)
    asked = [law for law in LAWS if (applies(law, method) if claimed is None else law in claimed)]

    @pytest.mark.parametrize("law", asked, ids=str)
    def test_law(law: Law) -> None:
        assert applies(law, method), f"{law} says nothing of such a method"
        counterexample = judge_law(law, method, examples=examples, group_size=group_size)
        if counterexample is not None:
            pytest.fail(f"{LAWS[law].says} Smallest counterexample: {counterexample}", pytrace=False)

    return test_law
