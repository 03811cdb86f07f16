"""Tokens of an expression, and the words that the expression parser knows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards.algebra.bounds import UnreadableError

__all__ = ["CONSTANTS", "FUNCTIONS", "GREEK", "Cursor", "Token", "read_tokens"]

_FUNCTION_WORDS = (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp lg floor ceil abs sqrt cis cbrt"
)
_GREEK_WORDS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar mho"
)
FUNCTIONS = frozenset(_FUNCTION_WORDS.split())
GREEK = frozenset(_GREEK_WORDS.split())
CONSTANTS = {
    "pi": "pi",
    "infty": "infinity",
    "inf": "infinity",
    "infinity": "infinity",
    "oo": "infinity",
    "degree": "degree",
}
_WORDS = FUNCTIONS | {
    "gcd",
    "lcm",
    "max",
    "min",
    "mod",
    "pi",
    "inf",
    "infinity",
    "theta",
    "alpha",
    "beta",
    "gamma",
    "lambda",
    "phi",
    "omega",
}
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+(?![\d.A-Za-z\\^_{(\[]))?)|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>[A-Za-z]+)|(?P<symbol>\*\*|\\[{}]|[-+*/^_(){}\[\]|!%'=,])"
)


@dataclass(slots=True)
class Token:
    """One token; `kind` is number, name, command, symbol or end."""

    kind: str
    text: str
    spaced: bool  # whether blanks stood before it


class Cursor:
    """A place in a list of tokens that ends in an end token."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self.position = 0

    @property
    def token(self) -> Token:
        """The token here."""
        return self._tokens[self.position]

    def ahead(self, offset: int) -> Token:
        """The token so many places on, the last one past the end."""
        return self._tokens[min(self.position + offset, len(self._tokens) - 1)]

    def take(self) -> Token:
        """The token here, and goes on."""
        token = self.token
        if token.kind != "end":
            self.position += 1
        return token

    def at(self, *symbols: str) -> bool:
        """Whether one of these symbols stands here."""
        return self.token.kind == "symbol" and self.token.text in symbols

    def expect(self, symbol: str) -> None:
        """Goes past a symbol.

        Raises:
            UnreadableError: something else stands here.
        """
        if not self.at(symbol):
            raise UnreadableError(f"expected {symbol!r}, got {self.token.text!r}")
        self.position += 1


def read_tokens(text: str) -> list[Token]:
    """The tokens of `text`, an end token last; a run of letters that is no known word becomes one name a letter.

    Raises:
        UnreadableError: `text` holds a character that no expression has.
    """
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UnreadableError(f"unexpected {text[position]!r} in {text[:80]!r}")
        position = match.end()
        kind, piece = match.lastgroup or "", match.group()
        if kind == "space":
            spaced = True
            continue
        if kind == "word":
            if piece in _WORDS:
                tokens.append(Token("command", piece, spaced))
            else:
                tokens.extend(Token("name", letter, spaced and index == 0) for index, letter in enumerate(piece))
        else:
            tokens.append(Token(kind, piece.removeprefix("\\") if kind == "command" else piece, spaced))
        spaced = False
    tokens.append(Token("end", "", False))
    return tokens
