"""Constants that are equal and do not look it: proofs, near misses, and the one rule where no proof is at hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from rewards import Status, check_answer
from rewards.algebra.nodes import Node
from rewards.algebra.numeric import agree, surely_different
from rewards.checker.structure import read_answer
from rewards.checker.values import Scalar
from rewards.constants.algebraic import value_in
from rewards.constants.equality import proved_equal
from rewards.constants.separation import Field, vanishes
from tests.timing import turns


def tree(text: str) -> Node:
    value = read_answer(text)
    assert isinstance(value, Scalar) and value.node is not None, text
    return value.node


# Identities from the literature and from textbooks.
EQUAL = [
    ("\\sqrt[3]{2+\\sqrt5}+\\sqrt[3]{2-\\sqrt5}", "1"),
    ("\\sqrt[3]{20+14\\sqrt2}+\\sqrt[3]{20-14\\sqrt2}", "4"),
    ("\\sqrt{\\sqrt[3]{5}-\\sqrt[3]{4}}", "\\frac13(\\sqrt[3]{2}+\\sqrt[3]{20}-\\sqrt[3]{25})"),  # Ramanujan
    ("\\sqrt[3]{\\sqrt[3]{2}-1}", "\\sqrt[3]{\\frac19}-\\sqrt[3]{\\frac29}+\\sqrt[3]{\\frac49}"),  # Ramanujan
    ("\\sqrt{2+\\sqrt3}", "\\frac{\\sqrt6+\\sqrt2}{2}"),
    ("\\sqrt{10+\\sqrt{24}+\\sqrt{40}+\\sqrt{60}}", "\\sqrt2+\\sqrt3+\\sqrt5"),
    ("\\sqrt{11+6\\sqrt2}+\\sqrt{11-6\\sqrt2}", "6"),
    ("(2+\\sqrt3)^{1/2}", "\\frac{1+\\sqrt3}{\\sqrt2}"),
    ("\\cos\\frac{2\\pi}{7}+\\cos\\frac{4\\pi}{7}+\\cos\\frac{6\\pi}{7}", "-\\frac12"),
    ("\\cos\\frac{\\pi}{7}\\cos\\frac{2\\pi}{7}\\cos\\frac{3\\pi}{7}", "\\frac18"),
    ("\\sin 10^\\circ\\sin 50^\\circ\\sin 70^\\circ", "\\frac18"),
    ("\\tan 20^\\circ\\tan 40^\\circ\\tan 80^\\circ", "\\sqrt3"),
    ("\\prod_{k=1}^{6}\\sin\\frac{k\\pi}{7}", "\\frac{7}{64}"),
    ("4\\sin 18^\\circ", "\\sqrt5-1"),
    (
        "\\cos\\frac{2\\pi}{17}",  # Gauss
        "\\frac{-1+\\sqrt{17}+\\sqrt{34-2\\sqrt{17}}+2\\sqrt{17+3\\sqrt{17}-\\sqrt{34-2\\sqrt{17}}-2\\sqrt{34+2\\sqrt{17}}}}{16}",
    ),
    ("\\arctan\\frac12+\\arctan\\frac13", "\\frac{\\pi}{4}"),
    ("4\\arctan\\frac15-\\arctan\\frac1{239}", "\\frac{\\pi}{4}"),  # Machin
    ("\\arctan 1+\\arctan 2+\\arctan 3", "\\pi"),
    ("\\arcsin\\frac35", "\\arctan\\frac34"),
    ("\\arccos\\frac79", "2\\arcsin\\frac13"),
    ("\\arccos(-\\frac13)", "\\pi-\\arccos\\frac13"),
    ("\\arctan(\\sqrt2-1)", "\\frac{\\pi}{8}"),
    ("\\cos(\\arctan\\frac34)", "\\frac45"),
    ("\\cos(\\frac12\\arccos\\frac19)", "\\frac{\\sqrt5}{3}"),
    ("\\tan(\\arctan\\frac12+\\frac{\\pi}{4})", "3"),
    ("\\ln(\\sqrt2+1)", "-\\ln(\\sqrt2-1)"),
    ("\\log_{1+\\sqrt2}(3+2\\sqrt2)", "2"),
    ("e^{2\\ln(1+\\sqrt2)}", "3+2\\sqrt2"),
    ("e^{\\sqrt{3+2\\sqrt2}}", "e^{1+\\sqrt2}"),
    ("\\sqrt{3+4i}", "2+i"),
    ("|3+4i|", "5"),
    ("|1-\\sqrt2|", "\\sqrt2-1"),
]  # fmt: skip

# Numbers that lie close together, and branches that are easily mixed up.
DIFFERENT = [
    ("e^{\\pi\\sqrt{163}}", "262537412640768744"),
    ("e^{\\pi\\sqrt{163}}-262537412640768743", "1"),
    ("\\frac{\\ln(640320^3+744)}{\\sqrt{163}}", "\\pi"),
    ("\\sqrt[4]{\\frac{2143}{22}}", "\\pi"),
    ("\\frac{355}{113}", "\\pi"),
    ("\\sqrt{10^{40}+1}", "10^{20}"),
    ("\\sqrt{1000001}+\\sqrt{1000025}", "\\sqrt{1000013}\\cdot 2"),
    ("\\sqrt[3]{2+\\sqrt5}+\\sqrt[3]{2-\\sqrt5}", "1+10^{-40}"),
    ("\\cos\\frac{2\\pi}{7}+\\cos\\frac{4\\pi}{7}", "-\\frac12"),
    ("\\arctan 1+\\arctan 2+\\arctan 3", "0"),
    ("\\arctan 2+\\arctan 3", "-\\frac{\\pi}{4}"),
    ("\\arccos(-\\frac13)", "-\\arccos\\frac13"),
    ("\\arcsin\\frac35", "\\pi-\\arctan\\frac34"),
    ("\\ln(\\sqrt2+1)", "\\ln(\\sqrt2-1)"),
    ("\\sqrt{3+4i}", "-2-i"),
    ("\\tanh 600", "1"),
    ("\\tanh 40", "1"),
    ("e^{-1300}", "0"),
    ("1+e^{-1300}", "1"),
    ("\\arctan(10^{600})", "\\frac{\\pi}{2}"),
    ("\\frac{22}{7}", "\\pi"),
    ("\\frac{\\pi^4+\\pi^5}{e^6}", "1"),
    ("\\cos(\\cos(\\cos 1))", "\\cos(\\cos 1)"),
    ("e^{\\pi}-\\pi", "20"),
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_constants_are_proved_equal(left: str, right: str) -> None:
    for gold, answer in ((left, right), (right, left)):
        verdict = check_answer(f"\\boxed{{{answer}}}", gold)
        assert (verdict.status, verdict.reason) == (Status.CORRECT, "")


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_near_misses_are_different(left: str, right: str) -> None:
    for gold, answer in ((left, right), (right, left)):
        assert not check_answer(f"\\boxed{{{answer}}}", gold).correct


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_a_slight_change_is_seen(left: str, right: str) -> None:
    """Each identity plus 10⁻⁴⁰, which the 50 digits of a quick look would not tell from zero where they cancel."""
    first, second = tree(left), tree(f"({right}) + 10^{{-40}}")
    assert proved_equal(first, second) is not True
    assert not agree(first, second)


# No proof here, and 500 digits.
AGREEING = [
    ("\\arcsin(\\sin 3)", "\\pi-3"),
    ("\\sqrt[3]{\\cos\\frac{2\\pi}{7}}+\\sqrt[3]{\\cos\\frac{4\\pi}{7}}+\\sqrt[3]{\\cos\\frac{8\\pi}{7}}",
     "\\sqrt[3]{\\frac{5-3\\sqrt[3]{7}}{2}}"),  # Ramanujan
    ("\\ln(\\sin 1)-\\ln(\\cos 1)", "\\ln(\\tan 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), AGREEING)
def test_where_no_proof_is_at_hand_the_verdict_says_so(left: str, right: str) -> None:
    verdict = check_answer(f"\\boxed{{{left}}}", right)
    assert verdict.correct
    assert "500 digits" in verdict.reason and "without a proof" in verdict.reason


@pytest.mark.parametrize(
    "text",
    ["\\tanh 600", "\\frac{\\sinh 700}{\\cosh 700}", "1 + e^{-1300}", "1 + (10^{-15})^{40}", "1 + 10^{-600}",
     "1 + \\frac{1}{300!}", "1 + (\\sqrt2 \\cdot \\sqrt3 - \\sqrt6)", "1 + x - x", "(e^{-30})^{50} + 1",
     "\\cos(10^{-300})", "1 + \\left(\\frac12\\right)^{2000} \\cdot e", "\\sqrt[99]{1 + e^{-1300}}"],
)  # fmt: skip
def test_what_drowns_in_a_step_does_not_agree(text: str) -> None:
    assert not agree(tree(text), tree("1"))


def test_the_bound_is_one_that_a_nonzero_number_passes() -> None:
    """|√a + √b − √c| for whole numbers below 400: zero where it is by squaring twice, and else not."""
    for a in range(1, 12):
        for b in range(a, 40, 7):
            square = (a + b) ** 2  # (√a + √b)² = a + b + 2√(ab)
            for c in range(max(1, a + b), 2 * (a + b) + 1):
                zero = (c - a - b) ** 2 == 4 * a * b
                node = tree(f"\\sqrt{{{a}}}+\\sqrt{{{b}}}-\\sqrt{{{c}}}")
                assert vanishes(lambda field, node=node: value_in(field, node)) is zero, (a, b, c, square)


def test_bounds_hold_for_all_conjugates() -> None:
    """3 + 2√2 over 5: its numerator's conjugates are at most 3 + 2√2, its denominator is 5."""
    value = value_in(field := Field(64), tree("\\frac{3+2\\sqrt2}{5}"))
    assert field.degree == 2
    assert 2**value.top / 2**value.bottom >= float(3 + 2 * 2**0.5) / 5 * (1 - 1e-12)
    assert field.number(Fraction(3, 8)).bottom == 3.0


@pytest.mark.parametrize(
    "text",
    ["+".join(f"\\sqrt{{{n}}}" for n in range(2, 60)),
     "\\sqrt{1+" * 30 + "2" + "}" * 30,
     "\\sqrt[63]{1+" * 20 + "2" + "}" * 20,
     "+".join(f"\\cos\\frac{{{n}\\pi}}{{9973}}" for n in range(1, 60)),
     "(1+\\sqrt2)^{64}-(1-\\sqrt2)^{64}+\\sqrt[50]{7}",
     "64\\arctan\\frac{1}{7}+63\\arctan\\frac{3}{79}+\\arctan\\frac{12345}{67890}",
     "\\ln(2+\\sqrt3)" * 1 + "".join(f"+\\frac{{1}}{{{n}}}\\ln({n}+\\sqrt3)" for n in range(2, 40)),
     "\\sum_{k=1}^{900}\\sqrt{k}", "\\prod_{k=1}^{999}\\cos\\frac{k\\pi}{999}",
     "\\sum_{a=1}^{99}\\sum_{b=1}^{99}\\sum_{c=1}^{99}\\cos(abc)"],
)  # fmt: skip
def test_hostile_constants_take_no_time(text: str) -> None:
    def ask() -> None:
        value = read_answer(text)
        assert isinstance(value, Scalar)
        if value.node is not None:
            for other in (value.node, tree("1+\\sqrt2")):
                for question in (surely_different, proved_equal, agree):
                    question(value.node, other)

    assert turns(ask) < 200e6  # 60 for the slowest, the product of 999 cosines; without bounds the others never end
