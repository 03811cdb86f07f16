r"""The operators of the expression parser: sums, products, integrals, derivatives; ``\\gcd``, ``\\max``, ``\\bmod``."""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.bounds import MAX_ITEMS, MAX_NESTING, OverBoundError, UnreadableError
from rewards.algebra.lexer import Cursor, Token
from rewards.algebra.nodes import Apply, Node, Number, Symbol

__all__ = ["OPERATORS", "REMAINDERS", "OperatorParser"]

_OF_SEVERAL = ("gcd", "lcm", "max", "min")
OPERATORS = frozenset({"sum", "prod", "int", *_OF_SEVERAL})
REMAINDERS = ("bmod", "mod")
_ORDERS = {"2": 2, "3": 3, "4": 4}


class OperatorParser(Cursor):
    """What the grammar says of operators, for a parser of the rest."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self._depth = 0

    def sum(self) -> Node:
        """Terms with signs."""
        raise NotImplementedError

    def product(self) -> Node:
        """What stands between two signs."""
        raise NotImplementedError

    def primary(self) -> Node:
        """One operand."""
        raise NotImplementedError

    def exponent(self) -> Node:
        """What follows ``^``."""
        raise NotImplementedError

    def operator(self, name: str) -> Node:
        """What follows the name of one of `OPERATORS`.

        Raises:
            UnreadableError: it is not in the grammar.
            OverBoundError: operators are nested deeper than `MAX_NESTING`.
        """
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise OverBoundError(f"operators nested deeper than {MAX_NESTING}")
        node = (
            self._of_several(name) if name in _OF_SEVERAL else self._integral() if name == "int" else self._series(name)
        )
        self._depth -= 1
        return node

    def remainder(self, terms: list[Node]) -> Node:
        """``17 \\bmod 5``; of a sum nobody can tell whether all of it is meant."""
        self.take()
        if len(terms) > 1:
            raise UnreadableError("a remainder of a sum without brackets")
        return Apply("mod", (terms[0], self.product()))

    def differential_order(self) -> int:
        """The order of the derivative that a fraction stands for: ``{d}{dx}``, ``{d^2}{dx^2}``; 0 for any other."""
        texts = [self.ahead(offset).text for offset in range(12)]
        if texts[:5] == ["{", "d", "}", "{", "d"] and texts[6] == "}":
            return 1 if self.ahead(5).kind == "name" else 0
        if texts[:3] == ["{", "d", "^"] and texts[4:7] == ["}", "{", "d"] and texts[8:11] == ["^", texts[3], "}"]:
            return _ORDERS.get(texts[3], 0) if self.ahead(7).kind == "name" else 0
        return 0

    def derived(self, order: int) -> Node:
        """The derivative of the product behind such a fraction."""
        for _ in range(5 if order == 1 else 7):
            self.take()
        variable = Symbol(self.take().text)
        while not self.at("}"):
            self.take()
        self.take()
        return Apply("derivative", (self.product(), variable, Number(Fraction(order))))

    def _series(self, name: str) -> Node:
        """An index with its first value, a last value, and the term."""
        self.expect("_")
        self.expect("{")
        index = self.primary()
        self.expect("=")
        low = self.sum()
        self.expect("}")
        self.expect("^")
        high = self.exponent()
        term = self.product()
        if not isinstance(index, Symbol):
            raise UnreadableError(f"\\{name} over something other than a variable")
        return Apply(name, (index, low, high, term))

    def _of_several(self, name: str) -> Node:
        """Numbers in brackets or braces, between commas."""
        if self.at("("):
            closing = ")"
        elif self.at("\\{"):
            closing = "\\}"
        else:
            raise UnreadableError(f"{name} without brackets")
        self.take()
        parts = [self.sum()]
        while self.at(","):
            self.take()
            parts.append(self.sum())
            if len(parts) > MAX_ITEMS:
                raise OverBoundError(f"more than {MAX_ITEMS} arguments")
        self.expect(closing)
        if len(parts) < 2:
            raise UnreadableError(f"{name} of one number")
        return Apply(name, tuple(parts))

    def _integral(self) -> Node:
        """Both ends, and an integrand up to its differential, which may stand in the numerator of a fraction."""
        self.expect("_")
        low = self._end()
        self.expect("^")
        high = self._end()
        variable = self._without_differential()
        body = self.sum()
        if self.token.kind != "differential":
            raise UnreadableError("an integrand that does not end in its differential")
        self.take()
        return Apply("int", (variable, low, high, body))

    def _end(self) -> Node:
        """An end of an integral: braces, or one token, of a number one digit."""
        if self.at("{"):
            self.take()
            node = self.sum()
            self.expect("}")
            return node
        if self.token.kind == "number" and len(self.token.text) > 1:
            raise UnreadableError("an end of several digits without braces")
        if self.at("+", "-"):
            raise UnreadableError("an end with a sign without braces")
        return Number(Fraction(self.take().text)) if self.token.kind == "number" else self.primary()

    def _without_differential(self) -> Symbol:
        """Turns the ``dx`` that belongs to the integral here into one token at the integrand's end; its variable."""
        depth, opened = 0, 1
        for place in range(self.position, len(self._tokens) - 1):
            token = self._tokens[place]
            depth += (token.text in ("{", "(", "[")) - (token.text in ("}", ")", "]"))
            if depth < 0:
                break
            opened += token.kind == "command" and token.text == "int"
            follower = self._tokens[place + 1]
            if token.kind == "name" and token.text == "d" and (follower.kind == "name" or follower.text == "theta"):
                opened -= 1
                if opened == 0:
                    return self._moved(place, depth)
        raise UnreadableError("an integral without its differential")

    def _moved(self, place: int, depth: int) -> Symbol:
        variable = self._tokens[place + 1].text
        mark = Token("differential", "", False)
        if depth == 0:
            self._tokens[place : place + 2] = [mark]
            return Symbol(variable)
        start = self.position
        if depth > 1 or [token.text for token in self._tokens[start : start + 2]] != ["frac", "{"]:
            raise UnreadableError("a differential inside brackets")
        empty = place == start + 2 and self._tokens[place + 2].text == "}"
        self._tokens[place : place + 2] = [Token("number", "1", False)] if empty else []
        end, groups, level = start + 1, 0, 0
        while groups < 2 and self._tokens[end].kind != "end":
            text = self._tokens[end].text
            level += (text == "{") - (text == "}")
            groups += text == "}" and level == 0
            end += 1
        self._tokens.insert(end, mark)
        return Symbol(variable)
