r"""Values as programs print them: Python, numpy and sympy, rewritten as the notation that the checker reads.

``Rational(1, 2)``, ``np.float64(0.5)``, ``Matrix([[1, 2]])``, ``Interval.open(0, oo)``, ``{x: 3, y: 4}``, ``3+4j``,
``x**2*log(2)``. The text is parsed by `ast`, never evaluated; what is not in the tables here is left alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

__all__ = ["other_spellings", "rewrite_printed"]

_INDIAN = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")
_PRINTED_LIST = re.compile(r"\[([^\[\](){},]+(?:, [^\[\](){},]+)+)\]")
_PLAIN_LOG = re.compile(r"(?<![A-Za-z\\_])log(?=\s*\()")
_WRAPPERS_TEXT = (
    "Integer Float Decimal mpf float int float16 float32 float64 int8 int16 int32 int64 uint8 uint64 longdouble "
    "array tensor list set tuple frozenset sorted S sympify nsimplify simplify N FiniteSet"
)
_WRAPPERS = frozenset(_WRAPPERS_TEXT.split())
_MATRICES = frozenset({"Matrix", "ImmutableMatrix", "MutableDenseMatrix", "ImmutableDenseMatrix"})
_INTERVALS = {"Interval": "[]", "Interval.open": "()", "Interval.Lopen": "(]", "Interval.Ropen": "[)"}
_NAMES = {
    "oo": r"\infty",
    "inf": r"\infty",
    "pi": r"\pi",
    "I": "i",
    "E": "e",
    "EmptySet": r"\emptyset",
    "Reals": r"\mathbb{R}",
    "S.Reals": r"\mathbb{R}",
    "S.EmptySet": r"\emptyset",
    "np.pi": r"\pi",
    "math.pi": r"\pi",
    "np.inf": r"\infty",
    "math.inf": r"\infty",
    "True": "True",
    "False": "False",
}
_GREEK_TEXT = "alpha beta gamma delta epsilon theta lambda mu rho sigma tau phi psi omega"
_GREEK = frozenset(_GREEK_TEXT.split())
_FUNCTIONS = {"log": r"\ln", "ln": r"\ln", "asin": r"\arcsin", "acos": r"\arccos", "atan": r"\arctan"} | {
    name: f"\\{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "exp")
}
_OTHER_CALLS = (
    "factorial binomial cbrt Interval Rational Fraction Union Eq Ne Lt Le Gt Ge Abs Or And complex asin acos atan"
)
_CALLS = sorted([*_WRAPPERS, *_MATRICES, *_OTHER_CALLS.split()], key=len, reverse=True)
_MARKS = re.compile(
    rf"(?<![A-Za-z_])(?:{'|'.join(_CALLS)})(?:\.\w+)?\(|\*\*|(?<![A-Za-z])(?:I\*|oo(?![A-Za-z])|zoo)"
    rf"|\*I(?![A-Za-z])|(?<=[\d.])j\b"
    r"|^\[?\{'?[A-Za-z_]\w*'?:|^\[[({[]|(?<=[A-Za-z0-9)])\*(?:log|sqrt|exp)\(|(?:EmptySet|Reals|I)$"
    r"|\) [&|] \(|^-?(?:np|numpy"
    r"|math)\.(?:inf|pi)"
)
_RUN_ON = re.compile(r"(?<![A-Za-z_])\d+(?!(?:[eE][-+]?\d|[jJ]\b))[A-Za-z_]")
_NUMBERS_IN_BLANKS = re.compile(r"\[[\[\]\d.\s+-]*\]")
_COMPARISONS = {ast.Eq: "=", ast.NotEq: r"\ne", ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge"}
_RELATIONS = {"Eq": "=", "Ne": r"\ne", "Lt": "<", "Le": r"\le", "Gt": ">", "Ge": r"\ge"}
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}


class _NotPrintedError(ValueError):
    """No value that a program prints."""


def rewrite_printed(text: str) -> str:
    """`text` in LaTeX where it is a value as a program prints it, else unchanged."""
    if text.startswith("[") and " " in text and "," not in text and _NUMBERS_IN_BLANKS.fullmatch(text):
        text = re.sub(r"\.(?=[\s\]])", ".0", re.sub(r"(?<=[\d.\]])\s+(?=[-+\d.\[])", ", ", text))
    elif "\\" in text or "$" in text or _MARKS.search(text) is None:
        return text
    if _RUN_ON.search(text):
        return text  # Python would warn of it on the standard error output
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return _Writer(text.strip()).top(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def other_spellings(text: str, *, is_number: bool, is_list: bool) -> Iterator[str]:
    """What else a text may say: ``12,34,567`` with Indian separators where a number is asked, ``[1, 2]`` as Python's
    list of the solutions 1, 2 where a list is asked, ``log(2)`` as the natural logarithm that programs mean.
    """
    stripped = text.strip().strip("$").strip()
    if is_list and "\\" not in text and (items := _PRINTED_LIST.fullmatch(stripped)) is not None:
        yield items.group(1)
    if is_number and _INDIAN.fullmatch(stripped):
        yield stripped.replace(",", "")
    if "\\" not in text and _PLAIN_LOG.search(text):
        yield _PLAIN_LOG.sub("ln", text)


class _Writer:
    """A tree of Python's grammar, written as LaTeX."""

    def __init__(self, source: str) -> None:
        self._source = source

    def top(self, node: ast.expr) -> str:
        """The whole value: a list of solutions as its items, a set as a set."""
        if isinstance(node, ast.List) and node.elts and isinstance(node.elts[0], ast.Tuple | ast.Dict | ast.Set):
            groups = [self.write(item) for item in node.elts]
            return ("; " if isinstance(node.elts[0], ast.Dict) else ", ").join(groups)
        return self.write(node)

    def write(self, node: ast.expr) -> str:
        """One value.

        Raises:
            _NotPrintedError: it is none that is known here.
        """
        match node:
            case ast.Constant(value=bool() | str()):
                return str(node.value)
            case ast.Constant(value=complex()):
                return self._segment(node)[:-1] + "i"
            case ast.Constant(value=int() | float()):
                return self._segment(node)
            case ast.Name() | ast.Attribute():
                name = _dotted(node)
                return _NAMES.get(name) or (f"\\{name}" if name in _GREEK else self._plain(name))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"-{self._factor(operand)}"
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.write(operand)
            case ast.BinOp():
                return self._binary(node)
            case ast.Compare(left=left, ops=ops, comparators=others):
                pieces = [self.write(left)]
                for op, other in zip(ops, others, strict=True):
                    if type(op) not in _COMPARISONS:
                        raise _NotPrintedError("an operator that no answer has")
                    pieces += [_COMPARISONS[type(op)], self.write(other)]
                return " ".join(pieces)
            case ast.Tuple(elts=items):
                return f"({', '.join(map(self.write, items))})"
            case ast.List(elts=[ast.List(), *others]) if all(isinstance(item, ast.List) for item in others):
                return self._matrix(node)
            case ast.List(elts=items):
                return f"[{', '.join(map(self.write, items))}]"
            case ast.Set(elts=items):
                return f"\\{{{', '.join(map(self.write, items))}\\}}"
            case ast.Dict(keys=keys, values=values):
                pairs = [(key, value) for key, value in zip(keys, values, strict=True) if key is not None]
                return ", ".join(f"{self.write(key)} = {self.write(value)}" for key, value in pairs)
            case ast.Call(func=func, args=arguments):
                return self._call(_dotted(func), arguments)
        raise _NotPrintedError(f"no value: {type(node).__name__}")

    def _segment(self, node: ast.expr) -> str:
        return (ast.get_source_segment(self._source, node) or "").replace("_", "")

    def _plain(self, name: str) -> str:
        if re.fullmatch(r"[A-Za-z](?:_?\w{1,2})?", name) is None:
            raise _NotPrintedError(f"unknown name {name}")
        return name if len(name) == 1 else f"{name[0]}_{{{name[1:].lstrip('_')}}}"

    def _factor(self, node: ast.expr) -> str:
        text = self.write(node)
        return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare) else text

    def _binary(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            return (
                f"{self.write(node.left)} {'and' if isinstance(node.op, ast.BitAnd) else 'or'} {self.write(node.right)}"
            )
        left, right = self._factor(node.left), self._factor(node.right)
        if isinstance(node.op, ast.Pow):
            return f"({left})^{{{right}}}"
        if isinstance(node.op, ast.Div):
            return f"\\frac{{{left}}}{{{right}}}"
        if type(node.op) not in _OPERATORS:
            raise _NotPrintedError("an operator that no answer has")
        return f"{left}{_OPERATORS[type(node.op)]}{right}"

    def _call(self, name: str, arguments: list[ast.expr]) -> str:
        name = (
            name.removeprefix("np.")
            .removeprefix("numpy.")
            .removeprefix("sympy.")
            .removeprefix("math.")
            .removeprefix("sp.")
        )
        pieces = [self.write(argument) for argument in arguments]
        match name, pieces:
            case "Rational" | "Fraction" | "S.Rational", [top, bottom]:
                return f"\\frac{{{top}}}{{{bottom}}}"
            case "sqrt", [piece]:
                return f"\\sqrt{{{piece}}}"
            case "cbrt", [piece]:
                return f"\\sqrt[3]{{{piece}}}"
            case "Abs" | "abs", [piece]:
                return f"|{piece}|"
            case "factorial", [piece]:
                return f"({piece})!"
            case "binomial", [top, bottom]:
                return f"\\binom{{{top}}}{{{bottom}}}"
            case "complex", [real, imaginary]:
                return f"{real}+({imaginary})*i"
            case "log", [piece, base]:
                return f"\\log_{{{base}}}({piece})"
            case "Union", [_, _, *_]:
                return r" \cup ".join(pieces)
            case "Or" | "And", [_, _, *_]:
                return f" {name.lower()} ".join(pieces)
            case "FiniteSet", _:
                return f"\\{{{', '.join(pieces)}\\}}"
            case "set" | "frozenset" | "EmptySet", []:
                return r"\emptyset"
            case "set" | "frozenset", [piece]:
                return f"\\{{{piece[1:-1]}\\}}" if isinstance(arguments[0], ast.List) else piece
        if name in _RELATIONS and len(pieces) == 2:
            return f"{pieces[0]} {_RELATIONS[name]} {pieces[1]}"
        if name in _INTERVALS and len(pieces) in (2, 3, 4):
            return self._interval(name, arguments, pieces)
        if name in _MATRICES and len(arguments) == 1 and isinstance(arguments[0], ast.List):
            return self._matrix(arguments[0])
        if name in _FUNCTIONS and len(pieces) == 1:
            return f"{_FUNCTIONS[name]}({pieces[0]})"
        if name in _WRAPPERS | {"Rational", "Fraction"} and pieces:
            return pieces[0]
        raise _NotPrintedError(f"unknown call {name}")

    def _interval(self, name: str, arguments: list[ast.expr], pieces: list[str]) -> str:
        opening, closing = _INTERVALS[name]
        flags = [isinstance(item, ast.Constant) and item.value is True for item in arguments[2:]]
        low, high = pieces[:2]
        opening = "(" if "infty" in low or flags[:1] == [True] else opening
        closing = ")" if "infty" in high or flags[1:] == [True] else closing
        return f"{opening}{low}, {high}{closing}"

    def _matrix(self, rows: ast.List) -> str:
        lines = [row.elts if isinstance(row, ast.List) else [row] for row in rows.elts]
        body = r" \\ ".join(" & ".join(map(self.write, line)) for line in lines)
        return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    if isinstance(node, ast.Name):
        return node.id
    raise _NotPrintedError("a call of something without a name")
