"""A recursive-descent parser for arithmetic and algebra, written in LaTeX or plainly.

The text must have passed `rewards.checker.normalization.normalize`. Nothing is evaluated here: the result is a tree of
`rewards.algebra.nodes`. Grammar (juxtaposition binds like ``*``)::

    sum     := [+-] product { [+-] product }
    product := power { [*/] power | power }
    power   := [+-] postfix [ ^ exponent ]
    postfix := primary { ! | % }
    primary := number | mixed number | symbol | function argument | \\frac, \\sqrt, \\binom | ( sum ) | { sum } | |sum|
             | operator, see `rewards.algebra.operators`
"""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.bounds import (
    MAX_ANSWER_CHARS,
    MAX_DIGITS,
    MAX_FACTORS,
    MAX_NESTING,
    OverBoundError,
    UnreadableError,
)
from rewards.algebra.lexer import CONSTANTS, FUNCTIONS, GREEK, Token, read_tokens
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.operators import OPERATORS, REMAINDERS, OperatorParser

__all__ = ["parse_expression"]

_OPERAND_COMMANDS = frozenset({"frac", "sqrt", "binom", "lfloor", "lceil", *OPERATORS})
_ACCENTS = frozenset({"dot", "ddot", "hat", "tilde", "bar", "overline"})
_VARIANTS = {"varphi": "phi", "varepsilon": "epsilon", "vartheta": "theta"}
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parse_expression(text: str) -> Node:
    """The tree of `text`.

    Raises:
        UnreadableError: `text` is not in the grammar.
        OverBoundError: `text` is longer, deeper or has longer numbers than `rewards.algebra.bounds` allows.
    """
    if len(text) > MAX_ANSWER_CHARS:
        raise OverBoundError(f"{len(text)} characters, at most {MAX_ANSWER_CHARS}")
    parser = _Parser(read_tokens(text))
    node = parser.sum()
    if parser.token.kind != "end":
        raise UnreadableError(f"unexpected {parser.token.text!r} in {text[:80]!r}")
    return node


def _number(text: str) -> Fraction:
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > MAX_DIGITS or (exponent and (len(exponent) > 5 or abs(int(exponent)) > MAX_DIGITS)):
        raise OverBoundError(f"a number of {len(mantissa)} digits, exponent {exponent[:9]!r}")
    return Fraction(int(text)) if text.isdecimal() else Fraction(text)


class _Parser(OperatorParser):
    """One pass over the tokens; the only state is the position and the nesting depth."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._factors = 0
        self._bars = 0  # absolute values that are open

    def sum(self) -> Node:
        """Terms with signs."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise OverBoundError(f"nesting deeper than {MAX_NESTING}")
        terms = [self.product()]
        while self.at("+", "-"):
            negative = self.take().text == "-"
            term = self.product()
            terms.append(Apply("neg", (term,)) if negative else term)
        if self.token.kind == "command" and self.token.text in REMAINDERS:
            terms = [self.remainder(terms)]
        self._depth -= 1
        return terms[0] if len(terms) == 1 else Apply("add", tuple(terms))

    def product(self) -> Node:
        """What stands between two signs."""
        node = self._power()
        while True:
            self._count_factor()
            if self.at("*", "/"):
                name = "mul" if self.take().text == "*" else "div"
                node = Apply(name, (node, self._power()))
            elif self._starts_operand():
                node = Apply("mul", (node, self._power()))
            else:
                return node

    def _starts_operand(self) -> bool:
        token = self.token
        if token.kind == "number":
            if self.position and self.ahead(-1).kind == "number":
                raise UnreadableError("two numbers side by side")
            return True
        if token.kind == "command":
            return self._is_operand_command(token.text)
        if token.text == "|":
            return self._bars == 0
        return token.kind == "name" or (token.kind == "symbol" and token.text in "({[")

    def _is_operand_command(self, name: str) -> bool:
        return (
            name in _OPERAND_COMMANDS
            or name in FUNCTIONS
            or name in GREEK
            or name in _ACCENTS
            or (name in CONSTANTS and name != "degree")
        )

    def _power(self) -> Node:
        if self.at("+", "-"):
            self._depth += 1
            if self._depth > MAX_NESTING:
                raise OverBoundError(f"more than {MAX_NESTING} signs in a row")
            negative = self.take().text == "-"
            operand = self._power()
            self._depth -= 1
            return Apply("neg", (operand,)) if negative else operand
        node = self._postfix(self.primary())
        if self.at("^", "**"):
            self.take()
            node = self._postfix(Apply("pow", (node, self.exponent())))
        return node

    def _count_factor(self) -> None:
        """Products and postfixes nest to the left, so their number bounds the depth of the tree."""
        self._factors += 1
        if self._factors > MAX_FACTORS:
            raise OverBoundError(f"more than {MAX_FACTORS} factors")

    def _postfix(self, node: Node) -> Node:
        while True:
            self._count_factor()
            if self.at("!"):
                self.take()
                if self.at("!"):
                    raise UnreadableError("n!! is the double factorial, no factorial of one")
                node = Apply("factorial", (node,))
            elif self.at("%"):
                self.take()
                node = Apply("div", (node, Number(Fraction(100))))
            elif self.token.kind == "command" and self.token.text == "degree":
                self.take()
                node = Apply("degree", (node,))
            else:
                return node

    def exponent(self) -> Node:
        """What follows ``^``."""
        if self.at("{"):
            return self._bracketed()
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise OverBoundError(f"powers nested deeper than {MAX_NESTING}")
        node = self._power()
        self._depth -= 1
        return node

    def _bracketed(self) -> Node:
        opening = self.take().text
        node = self.sum()
        self.expect(_CLOSING[opening])
        return node

    def primary(self) -> Node:
        """One operand."""
        token = self.token
        if token.kind == "number":
            return self._number()
        if token.kind == "name":
            return self._symbol(self.take().text)
        if token.kind == "command":
            return self._command()
        if self.at("(", "[", "{"):
            return self._bracketed()
        if self.at("|"):
            self.take()
            self._bars += 1
            node = self.sum()
            self._bars -= 1
            self.expect("|")
            return Apply("abs", (node,))
        raise UnreadableError(f"expected a number, a symbol or a bracket, got {token.text!r}")

    def _number(self) -> Node:
        text = self.take().text
        whole = Number(_number(text))
        if not text.isdigit():
            return whole
        fraction: Node | None = None
        plain = self.ahead(1).text == "/" and self.ahead(2).kind == "number"
        if self.token.kind == "number" and self.token.spaced and plain and self.token.text.isdigit():
            top = Number(_number(self.take().text))
            self.take()
            fraction = Apply("div", (top, Number(_number(self.take().text))))
            if not _is_proper(fraction):
                raise UnreadableError("two numbers side by side")
        elif self.token.kind == "command" and self.token.text == "frac":
            saved = self.position
            fraction = self._command()
            if self.at("^", "**", "!") or not (isinstance(fraction, Apply) and _is_proper(fraction)):
                self.position, fraction = saved, None
        return whole if fraction is None else Apply("add", (whole, fraction))

    def _symbol(self, name: str) -> Node:
        if self.at("_"):
            self.take()
            index = self._subscript()
            name = f"{name}_{index}"
        while self.at("'"):
            name += self.take().text
        return Symbol(name)

    def _subscript(self) -> str:
        if not self.at("{"):
            return self.take().text
        self.take()
        pieces: list[str] = []
        while not self.at("}"):
            if self.token.kind == "end":
                raise UnreadableError("a subscript without its closing brace")
            pieces.append(self.take().text)
        self.take()
        return "".join(pieces)

    def _command(self) -> Node:
        name = self.take().text
        if name == "frac" and (order := self.differential_order()):
            return self.derived(order)
        if name in ("frac", "binom"):
            return Apply("div" if name == "frac" else "binom", (self._argument(), self._argument()))
        if name == "sqrt":
            index: Node = Number(Fraction(2))
            if self.at("["):
                index = self._bracketed()
            return Apply("root", (self._argument(), index))
        if name in ("lfloor", "lceil"):
            node = self.sum()
            if self.take().text != ("rfloor" if name == "lfloor" else "rceil"):
                raise UnreadableError(f"\\{name} without its end")
            return Apply("floor" if name == "lfloor" else "ceil", (node,))
        if name in OPERATORS:
            return self.operator(name)
        if name in FUNCTIONS:
            return self._function(name)
        if name in CONSTANTS:
            return Symbol(CONSTANTS[name])
        if name in GREEK:
            return self._symbol(_VARIANTS.get(name, name))
        if name in _ACCENTS:
            return self._accented(name)
        raise UnreadableError(f"unknown command \\{name}")

    def _accented(self, name: str) -> Node:
        """A letter under an accent: ``\\dot{x}`` as the variable ``dot-x``, with its index."""
        braces = self.at("{")
        if braces:
            self.take()
        letter = self.take()
        if letter.kind != "name" and letter.text not in GREEK:
            raise UnreadableError(f"\\{name} over something other than a letter")
        if braces:
            self.expect("}")
        return self._symbol(f"{name}-{letter.text}")

    def _argument(self) -> Node:
        """What follows ``\\frac`` or ``\\sqrt``: a brace or bracket group, or one token."""
        if self.at("{", "("):
            return self._bracketed()
        return self.primary()

    def _function(self, name: str) -> Node:
        base: Node | None = None
        exponent: Node | None = None
        if name == "log" and self.at("_"):
            self.take()
            base = self._argument()
        if self.at("^"):
            self.take()
            exponent = self.exponent()
        node = self._function_argument()
        if exponent == Apply("neg", (Number(Fraction(1)),)) and name in ("sin", "cos", "tan"):
            return Apply("arc" + name, (node,))
        applied = Apply(name, (node,) if base is None else (node, base))
        return applied if exponent is None else Apply("pow", (applied, exponent))

    def _function_argument(self) -> Node:
        if self.at("(", "{", "|"):
            return self.primary()
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise OverBoundError(f"functions nested deeper than {MAX_NESTING}")
        node = self._power()
        while self._starts_operand() and not (self.token.kind == "command" and self.token.text in FUNCTIONS):
            if self.at("(", "["):
                break
            self._count_factor()
            node = Apply("mul", (node, self._power()))
        self._depth -= 1
        return node


def _is_proper(fraction: Apply) -> bool:
    """Whether it is a fraction of two whole numbers below one, as in the mixed number 2 1/4."""
    if fraction.name != "div":
        return False
    top, bottom = fraction.arguments
    return (
        isinstance(top, Number)
        and isinstance(bottom, Number)
        and top.value.denominator == bottom.value.denominator == 1
        and top.value < bottom.value
    )
