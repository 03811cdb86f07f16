from __future__ import annotations

import importlib.util
import random
import re
from fractions import Fraction
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rewards import CORRECT_CLASS, GoldAnswerError, Status, check_answer
from rewards.checker.equivalence import decide_exactly, values_equal
from rewards.checker.structure import read_answer
from rewards.checker.values import Value, value_key

rationals = st.fractions(min_value=-10_000, max_value=10_000, max_denominator=999)


def _renderings(value: Fraction) -> list[str]:
    top, bottom = value.numerator, value.denominator
    sign = "-" if top < 0 else ""
    texts = [
        f"{top}/{bottom}",
        f"\\frac{{{top}}}{{{bottom}}}",
        f"{sign}\\dfrac{{{abs(top)}}}{{{bottom}}}",
        f"\\frac{{{3 * top}}}{{{3 * bottom}}}",
        f"${top} \\div {bottom}$",
        f"({top}) \\cdot {bottom}^{{-1}}",
        f"x = \\frac{{{top}}}{{{bottom}}}",
        f"\\frac{{{100 * top}}}{{{bottom}}} \\%",
        f"\\left(\\frac{{{top}}}{{{bottom}}}\\right)",
    ]
    whole, rest = divmod(abs(top), bottom)
    if whole and rest:
        texts += [f"{sign}{whole}\\frac{{{rest}}}{{{bottom}}}", f"{sign}{whole} {rest}/{bottom}"]
    if bottom == 1:
        texts += [str(top), f"{top}.00", f"{top:,}", f"{top}\\text{{ cm}}"]
    return texts


@settings(max_examples=150, deadline=None)
@given(value=rationals, data=st.data())
def test_a_rational_equals_itself_and_not_itself_plus_one(value: Fraction, data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(_renderings(value)))
    same = data.draw(st.sampled_from(_renderings(value)))
    other = data.draw(st.sampled_from(_renderings(value + 1)))
    assert check_answer(f"\\boxed{{{same}}}", gold).status is Status.CORRECT
    assert check_answer(f"\\boxed{{{other}}}", gold).status is Status.INCORRECT


coefficients = st.integers(min_value=-9, max_value=9)


@settings(max_examples=100, deadline=None)
@given(a=coefficients, b=coefficients, root=st.sampled_from([2, 3, 5, 6, 7, 10]), factor=st.integers(1, 6))
def test_a_surd_equals_itself_and_not_itself_plus_one(a: int, b: int, root: int, factor: int) -> None:
    gold = f"{a} + {b}\\sqrt{{{factor * factor * root}}}"
    same = f"{b * factor}\\sqrt{{{root}}} + {a}"
    assert check_answer(f"\\boxed{{{same}}}", gold).status is Status.CORRECT
    assert check_answer(f"\\boxed{{{same} + 1}}", gold).status is Status.INCORRECT


@settings(max_examples=100, deadline=None)
@given(a=coefficients, b=coefficients, c=st.integers(1, 9))
def test_a_product_equals_its_expansion(a: int, b: int, c: int) -> None:
    gold = f"(x + {a})({c}x + {b})"
    same = f"{c}x^2 + {a * b} + {b + a * c}x"
    assert check_answer(f"\\boxed{{{same}}}", gold).status is Status.CORRECT
    assert check_answer(f"\\boxed{{{same} + 1}}", gold).status is Status.INCORRECT


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    for completion in (text, f"\\boxed{{{text}}}", f"#### {text}", f"\\boxed{{\\frac{{{text}}}{{2}}}}"):
        verdict = check_answer(completion, "\\frac{7919}{2}")
        assert (verdict.answer == "") == (verdict.status is Status.NO_ANSWER) == (verdict.answer_class == "")


def test_answer_classes() -> None:
    gold = "\\frac{1}{2}"
    right = {check_answer(f"\\boxed{{{answer}}}", gold).answer_class for answer in ("1/2", "0.5", "x=0.5", "50\\%")}
    assert right == {CORRECT_CLASS}
    same = {check_answer(f"\\boxed{{{answer}}}", gold).answer_class for answer in ("3/4", "0.75", "\\frac{6}{8}")}
    assert len(same) == 1
    different = ["3/4", "0.75 \\text{ cm}", "x=0.75", "y=0.75", "\\{0.75\\}", "(3/4, 1)", "correct", "4/3"]
    classes = [check_answer(f"\\boxed{{{answer}}}", gold).answer_class for answer in different]
    assert len({*classes, CORRECT_CLASS}) == len(different) + 1
    assert all(classes)


def _pool() -> list[tuple[str, Value]]:
    """Every answer of the tables, read."""
    texts: set[str] = set()
    for name in ("answer_families", "answer_families_of_shapes"):
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for gold, _, equal, different in module.FAMILIES:
            texts |= {gold, *equal, *different}
    return [(text, read_answer(text)) for text in sorted(texts)]


POOL = _pool()


def test_any_two_answers_are_judged_the_same_both_ways() -> None:
    """40,000 pairs by the exact rules, without the symbolic worker: as likely across families as within one."""
    generator = random.Random(0)
    for _ in range(40_000):
        (text, value), (other_text, other) = generator.choice(POOL), generator.choice(POOL)
        verdict = values_equal(value, other, decide_exactly)
        assert values_equal(other, value, decide_exactly) is verdict, (text, other_text)
        if value_key(value) == value_key(other):
            assert verdict is not False, (text, other_text)


def _respelled(text: str, generator: random.Random) -> str:
    """The same answer in another spelling."""
    rewrites = [
        lambda t: f" {t} ",
        lambda t: f"${t}$" if "$" not in t else t,
        lambda t: f"\\({t}\\)" if "\\(" not in t and "$" not in t else t,
        lambda t: f"{{{t}}}" if t.count("{") == t.count("}") and "｝" not in t else t,
        lambda t: f"{t}." if not t.endswith((".", "…", "dots", "。")) else t,
        lambda t: t.replace("\\frac", "\\dfrac"),
        lambda t: t.replace("\\text{", "\\mathrm{"),
        lambda t: re.sub(r"\\pm(?!o)", "±", t.replace("\\pi", "π").replace("\\infty", "∞").replace("\\cup", "∪")),
        lambda t: t.replace(", ", ",").replace(",", ",  ") if not re.search(r",\d{3}|\\[!,]|\{,\}", t) else t,
        lambda t: t.replace("=", " = ") if not re.search(r"[:!<>]=", t) else t,
    ]
    return generator.choice(rewrites)(text)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_a_respelled_answer_equals_itself_and_keeps_its_class(seed: int) -> None:
    generator = random.Random(seed)
    text, value = generator.choice(POOL)
    respelled = _respelled(_respelled(text, generator), generator)
    other = read_answer(respelled)
    assert value_key(other) == value_key(value), (text, respelled)
    try:
        assert check_answer(f"\\boxed{{{respelled}}}", text).correct, (text, respelled)
    except GoldAnswerError:
        assert check_answer(f"\\boxed{{{respelled}}}", "7919").status is not Status.CORRECT
