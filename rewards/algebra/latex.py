"""Expression trees written back as plain LaTeX, for the symbolic worker: one spelling, decimals as fractions."""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.nodes import Node, Number, Symbol

__all__ = ["to_latex"]

_NAMES = {"pi": r"\pi", "infinity": r"\infty", "e": "e", "i": "i"}


def to_latex(node: Node) -> str:
    """The tree as LaTeX, every operand in brackets of its own.

    Raises:
        ValueError: a number is too long to be written in decimals.
    """
    if isinstance(node, Number):
        return _number(node.value)
    if isinstance(node, Symbol):
        return _symbol(node.name)
    pieces = [to_latex(argument) for argument in node.arguments]
    match node.name, pieces:
        case "add", _:
            return "+".join(f"({piece})" for piece in pieces)
        case "neg", [piece]:
            return f"-({piece})"
        case "mul", [left, right]:
            return rf"({left}) \cdot ({right})"
        case "div", [top, bottom]:
            return rf"\frac{{{top}}}{{{bottom}}}"
        case "pow", [base, exponent]:
            return f"({base})^{{{exponent}}}"
        case "root", [radicand, index]:
            return rf"\sqrt{{{radicand}}}" if index == "2" else rf"\sqrt[{index}]{{{radicand}}}"
        case "sqrt", [radicand]:
            return rf"\sqrt{{{radicand}}}"
        case "abs", [piece]:
            return f"|{piece}|"
        case "factorial", [piece]:
            return f"({piece})!"
        case "binom", [top, bottom]:
            return rf"\binom{{{top}}}{{{bottom}}}"
        case "degree", [piece]:
            return rf"\frac{{({piece}) \cdot \pi}}{{180}}"
        case "log", [piece, base]:
            return rf"\log_{{{base}}}({piece})"
        case "cbrt", [piece]:
            return rf"\sqrt[3]{{{piece}}}"
        case "cis", [piece]:
            return rf"e^{{i \cdot ({piece})}}"
        case "lg" | "log", [piece]:
            return rf"\log_{{10}}({piece})"
        case "floor" | "ceil", [piece]:
            return rf"\l{node.name} {piece} \r{node.name}"
        case "exp", [piece]:
            return f"e^{{{piece}}}"
    return rf"\{node.name}({pieces[0]})"


def _number(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _symbol(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    accent, _, letter = name.rpartition("-")
    name = letter if not accent else f"{letter}_{accent}"
    stem, _, index = name.rstrip("'").partition("_")
    stem = stem if len(stem) == 1 else "\\" + stem
    return f"{stem}_{{{index}}}" if index else stem
