from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from rewards import CORRECT_CLASS, Status, check_answer

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
