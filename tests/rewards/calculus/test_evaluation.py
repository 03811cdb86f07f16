"""Operations that an answer leaves to be done: integrals, derivatives, sums, greatest common divisors, remainders."""

from __future__ import annotations

import pytest

from rewards import check_answer
from rewards.checker.structure import read_answer
from tests.timing import turns

# (gold, answer, whether they are equal), by hand.
CASES = [
    # integrals
    ("\\frac12", "\\int_0^1 x\\,dx", True),
    ("\\frac12", "\\int_0^1 x^2\\,dx", False),
    ("\\frac43", "\\int_0^1 x^2\\,dx+1", True),
    ("2", "\\int_0^\\pi \\sin x\\,dx", True),
    ("0", "\\int_0^\\pi \\sin x\\,dx", False),
    ("0", "\\int_0^{2\\pi} \\sin(x)\\,dx", True),
    ("e-1", "\\int_0^1 e^x dx", True),
    ("1", "\\int_0^1 x e^x dx", True),
    ("\\pi^2-4", "\\int_0^{\\pi} x^2 \\sin x\\,dx", True),
    ("\\frac{\\pi}{4}", "\\int_0^1 \\frac{1}{1+x^2} dx", True),
    ("\\frac{\\pi}{4}", "\\int_{0}^{1} \\frac{dx}{1+x^2}", True),
    ("\\frac{\\pi}{6}", "\\int_0^1 \\frac{dx}{3+x^2}\\cdot\\sqrt3", True),
    ("1", "\\int_1^e \\frac{dx}{x}", True),
    ("\\ln 2", "\\int_1^2 \\frac1x dx", True),
    ("\\frac23", "\\int_0^1 \\sqrt{x}\\,dx", True),
    ("\\frac{a^2}{2}", "\\int_0^a x dx", True),
    ("\\frac{a^3}{3}", "\\int_0^a x dx", False),
    ("x^2", "\\int_0^x 2t\\,dt", True),
    ("\\frac14", "\\int_0^1\\int_0^1 xy\\,dx\\,dy", True),
    ("\\frac{\\pi}{2}", "\\int_0^\\pi \\sin^2 x\\,dx", True),
    ("2\\ln 2-1", "\\int_1^2 \\ln x\\,dx", True),
    # no integrals: a pole between the ends, a branch point
    ("0", "\\int_{-1}^1 \\frac1x dx", False),
    ("-2", "\\int_{-1}^1 \\frac{1}{x^2} dx", False),
    ("-\\frac43", "\\int_{-1}^1 \\frac{1}{(2x-1)^2}dx", False),
    ("0", "\\int_{-1}^1 \\sqrt{x}\\,dx", False),
    # derivatives
    ("2x", "\\frac{d}{dx} x^2", True),
    ("x^2", "\\frac{d}{dx} x^2", False),
    ("2x+1", "\\frac{d}{dx}(x^2)+1", True),
    ("6x", "\\frac{d^2}{dx^2} x^3", True),
    ("3x^2", "\\frac{d^2}{dx^2} x^3", False),
    ("2x\\cos(x^2)", "\\frac{d}{dx}\\sin(x^2)", True),
    ("\\cos(x^2)", "\\frac{d}{dx}\\sin(x^2)", False),
    ("\\frac1x", "\\frac{d}{dx}\\ln x", True),
    ("x^x(\\ln x+1)", "\\frac{d}{dx} x^x", True),
    ("\\frac{1-x^2}{(1+x^2)^2}", "\\frac{d}{dx}\\left(\\frac{x}{1+x^2}\\right)", True),
    ("\\frac{1}{1+x^2}", "\\frac{d}{dx}\\arctan x", True),
    # sums
    ("\\frac{n(n+1)}{2}", "\\sum_{k=1}^n k", True),
    ("\\frac{n(n-1)}{2}", "\\sum_{k=1}^n k", False),
    ("\\frac{n(n-1)}{2}", "\\sum_{k=1}^{n-1} k", True),
    ("\\frac{n(n+1)(2n+1)}{6}", "\\sum_{k=1}^{n} k^2", True),
    ("\\left(\\frac{n(n+1)}{2}\\right)^2", "\\sum_{k=1}^{n} k^3", True),
    ("n^2", "\\sum_{k=1}^n (2k-1)", True),
    ("2^{n+1}-1", "\\sum_{k=0}^{n} 2^k", True),
    ("2^n-1", "\\sum_{k=0}^{n} 2^k", False),
    ("\\frac{x^{n+1}-1}{x-1}", "\\sum_{k=0}^{n} x^k", True),
    ("2", "\\sum_{k=0}^{\\infty} \\frac{1}{2^k}", True),
    ("1", "\\sum_{k=0}^{\\infty} \\frac{1}{2^k}", False),
    ("-1", "\\sum_{k=0}^{\\infty} 2^k", False),
    ("2049300", "\\sum_{k=1}^{2024} k", False),  # past the bound of a range with whole ends
    ("\\sum_{j=1}^n \\frac1j", "\\sum_{k=1}^n \\frac1k", True),
    ("\\sum_{j=1}^n \\frac1j", "\\sum_{k=1}^m \\frac1k", False),
    ("\\sum_{j=1}^n \\frac1j", "\\prod_{k=1}^n \\frac1k", False),
    # several numbers
    ("6", "\\gcd(12,18)", True),
    ("6", "gcd(12, 18)", True),
    ("3", "\\gcd(12,18,27)", True),
    ("6", "\\gcd(12,18,27)", False),
    ("36", "\\operatorname{lcm}(12,18)", True),
    ("6", "\\operatorname{lcm}(12,18)", False),
    ("5", "\\max(3,5)", True),
    ("5", "\\max\\{3,5\\}", True),
    ("5", "\\min\\{3,5\\}", False),
    ("\\pi", "\\max(3,\\pi)", True),
    ("3", "\\max(3,\\pi)", False),
    ("2", "17 \\bmod 5", True),
    ("17", "17 \\bmod 5", False),
    ("5", "17 \\bmod 5", False),
    ("2", "2^{10} \\bmod 7", True),
    ("3", "-17 \\bmod 5", True),
    ("3", "3 \\bmod 7", False),  # a residue class as often as a remainder
    ("3 \\pmod 5", "3 \\bmod 7", False),
    ("x \\equiv 3 \\pmod 5", "x \\equiv 3 \\bmod 5", True),
    ("x \\equiv 3 \\pmod 5", "x \\equiv 3 \\bmod 7", False),
    ("x \\equiv 3 \\mod 5", "x \\equiv 3 \\mod 7", False),
    ("x \\equiv 3 \\mod 5", "x \\equiv 3 (mod 5)", True),
    ("2", "10 + 7 \\bmod 5", False),
    ("3", "\\lfloor \\pi \\rfloor", True),
    ("4", "\\lceil \\pi \\rceil", True),
    ("4", "\\lfloor \\pi \\rfloor", False),
    ("x^{2n}-1", "(x^n-1)(x^n+1)", True),
    ("x^{n+2}", "x^n x^2", True),
    ("x^{n+2}", "x^{2n}", False),
    # infinity is no number
    ("\\infty", "+\\infty", True),
    ("\\infty", "-\\infty", False),
    ("\\infty-\\infty", "\\infty-\\infty", True),
    ("0", "\\infty-\\infty", False),
    ("1", "\\frac{\\infty}{\\infty}", False),
    ("0", "0\\cdot\\infty", False),
    ("1", "1^\\infty", False),
    ("1", "\\infty^0", False),
    ("5", "5+\\infty-\\infty", False),
    ("0", "\\frac{1}{\\infty}", False),
    ("\\infty", "\\infty+1", False),
    ("\\infty", "2\\infty", False),
    ("[0,0)", "[0,\\infty-\\infty)", False),
    ("x>2", "(2,\\infty)", True),
    # roots of squares
    ("0", "\\sqrt{x-x}", True),
    ("0", "\\sqrt{\\sqrt2-\\sqrt2}", True),
    ("x", "\\sqrt{x-x}", False),
    ("|x+1|", "\\sqrt{x^2+2x+1}", True),
    ("x+1", "\\sqrt{x^2+2x+1}", False),
    ("|3-x|", "\\sqrt{x^2-6x+9}", True),
    ("2|x-3|", "\\sqrt{4x^2-24x+36}", True),
    ("|x+y|", "\\sqrt{x^2+2xy+y^2}", True),
    ("|x-y|", "\\sqrt{x^2+2xy+y^2}", False),
    ("|x|+|y|", "\\sqrt{x^2+2xy+y^2}", False),
    ("x^2+1", "\\sqrt{x^4+2x^2+1}", True),
    ("x^2-1", "\\sqrt{x^4-2x^2+1}", False),
    ("|x^2-1|", "\\sqrt{x^4-2x^2+1}", True),
    ("\\frac{|x|}{|y|}", "\\sqrt{\\frac{x^2}{y^2}}", True),
    ("|x|\\cdot|y|", "|xy|", True),
    ("|x-3|", "\\frac{|6-2x|}{2}", True),
    ("|a-b|", "\\sqrt{(a+b)^2-4ab}", True),
    ("a-b", "\\sqrt{(a+b)^2-4ab}", False),
]


@pytest.mark.parametrize(("gold", "answer", "equal"), CASES)
def test_carried_out(gold: str, answer: str, equal: bool) -> None:
    assert check_answer(f"\\boxed{{{answer}}}", gold).correct is equal
    assert check_answer(f"\\boxed{{{gold}}}", answer).correct is equal


@pytest.mark.parametrize(
    "text",
    ["\\frac{d}{dx}" * 30 + "x^x", "\\frac{d^4}{dx^4}" + "\\sin(" * 30 + "x" + ")" * 30,
     "\\frac{d}{dx}" + "(x+1)" * 150, "\\int_0^1" * 35 + "x" + "dx" * 35, "\\int_0^1 x^{10^9} dx",
     "\\int_0^1 (1+x+x^2)^{200} dx", "\\sum_{k=1}^n (k+n+m)^{40}", "\\sum_{k=1}^{n}" * 20 + "k",
     "\\sum_{k=1}^{10^{30}} k^{20}", "\\sum_{k=1}^n 9^{9^{9^k}}", "\\gcd(" + "10^{999}," * 300 + "2)",
     "\\max(" * 38 + "1" + ",\\pi)" * 38, "\\lfloor e^{10^9} \\rfloor", "\\lfloor 10^{300}\\pi \\rfloor",
     "10^{9000} \\bmod 10^{8999}", "\\int_0^1 " + "\\frac{1}{" * 30 + "x" + "}" * 30 + "dx"],
)  # fmt: skip
def test_hostile_operations_take_no_time(text: str) -> None:
    assert turns(lambda: read_answer(text)) < 50e6
