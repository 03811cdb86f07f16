"""The process that does symbolic algebra; `rewards.algebra.symbolic` runs this file and talks to it through pipes.

It imports sympy, then forks a child that answers. A child that meets its deadline is killed by the kernel, in the
middle of a C extension too, and the next one is forked within milliseconds, without importing anything again. It ends
when its input ends, and its child with it.

Each message is a 4-byte big-endian length and that many bytes of JSON. In: ``{"id": number, "left": latex, "right":
latex, "deadline": seconds}``. Out: ``{"ready": pid}`` for each child, then for each message ``{"id": its number,
"equal": true | false | null, "readable": bool, "seconds": float, "retired": bool}``, or ``{"died": exit code}``: minus
the signal's number where one killed the child, `EXHAUSTED` where memory ran out. ``retired`` marks a child's last
reply. ``seconds`` and the deadline are the child's own processor time, which other processes on the machine do not use
up.

No text is evaluated. It only reaches the grammar of latex2sympy2_extended, whose numbers would pass through sympy's
``parse_expr`` and so through Python's parser: that function is replaced here by one that reads digits. Should a library
try to evaluate text all the same, or to open a file for writing, a socket or a process, an audit hook refuses.

This file imports nothing of ours, so that it starts in any folder.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import struct
import sys
import time
import warnings
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

__all__ = ["EXHAUSTED", "forbid_evaluation", "main", "read_message", "write_message"]

EXHAUSTED = 3
_RETIRED = 4
_MOST_MESSAGES = 2_000  # of one child: the grammar remembers what it has seen, without end
_MEMORY_BYTES = 1 << 30
_MAX_NUMBER_BITS = 256  # of a written integer, numerator or denominator
_MAX_BITS = 2_048  # of any number that evaluation may build
_MAX_FACTORIAL = 300  # argument of a factorial or binomial coefficient
_MAX_NESTING = 20  # brackets inside brackets: the grammar takes a second for 40
_MAX_POWER_TERMS = 500  # of a sum's integer power, multiplied out
_DIGITS = 30  # of a numeric evaluation, which only refutes
_SYMBOL_BITS = 2.0  # a variable counts as a small number
_UNBOUNDED = re.compile(r"\\(?:sum|prod|int|iint|oint|lim|operatorname|det|bigcup|bigcap)(?![A-Za-z])|\x00")
_MARKS = {"|": 8, "_": 20}  # the grammar tries every way to pair bars
_NUMBER = re.compile(r"([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,9}))?")
_REFUSED = ("os.", "subprocess.", "socket.", "shutil.", "ctypes.", "pty.", "urllib.")
_READING = ("os.listdir", "os.scandir", "os.fwalk", "os.walk")


class _OverBoundError(ArithmeticError):
    """To compare these expressions might take a number or a tree past the bounds."""


def read_message(stream: BinaryIO) -> dict[str, Any] | None:
    """The next message, ``None`` at the end of the stream."""
    header = stream.read(4)
    if len(header) < 4:
        return None
    body = stream.read(struct.unpack(">I", header)[0])
    return json.loads(body)


def write_message(stream: BinaryIO, message: dict[str, Any]) -> None:
    """Sends one message at once."""
    body = json.dumps(message).encode()
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


def main() -> None:
    """Serves comparisons until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may reach the replies
    warnings.simplefilter("ignore")
    _limit_memory()
    _import_everything()
    _read_numbers_only()
    _warm_up()
    while True:
        child = os.fork()
        if child == 0:
            forbid_evaluation()
            _serve(replies)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            return
        if code != _RETIRED:
            write_message(replies, {"died": code})


def _serve(replies: BinaryIO) -> NoReturn:
    code = 0
    try:
        write_message(replies, {"ready": os.getpid()})
        for count in range(1, _MOST_MESSAGES + 1):
            message = read_message(sys.stdin.buffer)
            if message is None:
                break
            start = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, max(message["deadline"], 0.001))  # 0 would mean never
            reply = _compare(message["left"], message["right"])
            signal.setitimer(signal.ITIMER_PROF, 0)
            code = _RETIRED if count == _MOST_MESSAGES else 0
            seconds = time.process_time() - start
            write_message(replies, reply | {"id": message["id"], "seconds": seconds, "retired": bool(code)})
    except MemoryError:
        code = EXHAUSTED
    finally:
        os._exit(code)


def forbid_evaluation() -> None:
    """From now on this process can evaluate no text, write no file, and open no process and no connection."""
    sys.dont_write_bytecode = True
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event in ("compile", "exec"):
        refused = _is_text(args[1] if event == "compile" else args[0].co_filename) and not _makes_a_product()
    elif event == "open":
        refused = bool(args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
    else:
        refused = event.startswith(_REFUSED) and event not in _READING
    if refused:
        raise PermissionError(f"{event}: the symbolic worker evaluates no text and touches nothing outside")


def _is_text(filename: Any) -> bool:
    """Whether code comes from text; that of modules, which may be imported late, comes from a file or is frozen."""
    name = os.fsdecode(filename) if isinstance(filename, str | bytes) else ""
    return not name.endswith(".py") and not name.startswith("<frozen ")


def _makes_a_product() -> bool:
    """Whether sympy's polynomials ask: they write their products of n exponents as code, from nothing but n."""
    code = sys._getframe(2).f_code
    return code.co_name == "_build" and Path(code.co_filename).parts[-3:] == ("sympy", "polys", "monomials.py")


def _read_numbers_only() -> None:
    """Every way from text to a sympy object goes through this one function, which `sympify` looks up at each call."""
    from sympy.parsing import sympy_parser

    sympy_parser.parse_expr = _number


def _number(text: str, *_: Any, **__: Any) -> Any:
    """An exact rational from digits with an optional point and power of ten; nothing else is read."""
    from sympy import Rational

    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"got {text[:40]!r}, expected digits")
    whole, decimals, exponent = match.group(1), match.group(2) or "", int(match.group(3) or 0)
    shift = exponent - len(decimals)
    _bounded(abs(shift), _MAX_NUMBER_BITS)
    digits = int(whole + decimals or "0")
    return Rational(digits * 10**shift) if shift >= 0 else Rational(digits, 10**-shift)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _import_everything() -> None:
    """Imports what sympy would import at first use, when the guards are up and refuse parts of it."""
    import latex2sympy2_extended  # noqa: F401
    import sympy

    x = sympy.Symbol("x")
    for method in (sympy.radsimp, sympy.trigsimp, sympy.simplify):
        method(sympy.sqrt(x) + sympy.log(x) + sympy.sin(x) * sympy.factorial(x) / 2**x)
    sympy.expand_log(sympy.log(2 * x), force=True)


def _warm_up() -> None:
    """Builds the tables of the grammar."""
    for text in (r"\sqrt{x} + \log_{2}(x)", r"\frac{\sin(x)}{2}", r"|x|", r"\binom{n}{2}", "2^{2n}"):
        _compare(text, "4^n")


def _compare(left: str, right: str) -> dict[str, Any]:
    """The verdict on two LaTeX expressions. Library code meets any text here: every error means "cannot tell"."""
    if not (_is_bounded(left) and _is_bounded(right)):
        return {"equal": None, "readable": False}
    try:
        first, second = _parse(left), _parse(right)
    except MemoryError:
        raise
    except Exception:  # the grammar raises bare exceptions
        return {"equal": None, "readable": False}
    try:
        return {"equal": _equal(_evaluated(first), _evaluated(second)), "readable": True}
    except MemoryError:
        raise
    except Exception:  # sympy raises many kinds on odd input
        return {"equal": None, "readable": True}


def _is_bounded(text: str) -> bool:
    """Whether the grammar reads `text` in reasonable time, and none of it names a computation without end."""
    depth = deepest = 0
    for character in text:
        depth += (character in "({[") - (character in ")}]")
        deepest = max(deepest, depth)
    marked = any(text.count(mark) > most for mark, most in _MARKS.items())
    return deepest <= _MAX_NESTING and not marked and _UNBOUNDED.search(text) is None


def _parse(text: str) -> Any:
    from latex2sympy2_extended import latex2sympy
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig
    from sympy import evaluate

    config = ConversionConfig(lowercase_symbols=False)
    with evaluate(False):  # the grammar would carry out binomials and the like at once, whatever their size
        return latex2sympy(text, is_real=None, conversion_config=config, normalization_config=None)


def _evaluated(value: Any) -> Any:
    """The tree with its constants named and every operation carried out, if that stays within bounds."""
    from sympy import E, I, Symbol, pi

    _log_size(value)
    return value.xreplace({Symbol("e"): E, Symbol("i"): I, Symbol("pi"): pi}).doit()


def _log_size(value: Any) -> float:
    """Upper estimate of the bits of any number that evaluating `value` builds; only written numbers are read.

    Raises:
        _OverBoundError: it is past a bound.
    """
    import sympy

    if isinstance(value, sympy.Rational):
        return _bounded(max(abs(value.p), value.q).bit_length(), _MAX_NUMBER_BITS)
    arguments: Any = getattr(value, "args", ())
    sizes = [_log_size(argument) for argument in arguments]
    if not sizes:
        return _SYMBOL_BITS
    if isinstance(value, sympy.Pow):
        count = _magnitude(arguments[1], sizes[1])
        if isinstance(arguments[0], sympy.Add):
            _bounded(_power_terms(len(arguments[0].args), count), _MAX_POWER_TERMS)
        size = sizes[0] * count
    elif isinstance(value, sympy.factorial | sympy.binomial):
        count = max(_magnitude(*pair) for pair in zip(arguments, sizes, strict=True))
        size = _bounded(count, _MAX_FACTORIAL) * max(sizes)
    elif isinstance(value, sympy.Add):
        size = max(sizes) + len(sizes)
    elif isinstance(value, sympy.Mul):
        size = sum(sizes)
    else:
        size = max(sizes)
    return _bounded(size, _MAX_BITS)


def _bounded(size: float, most: float) -> float:
    if size > most:
        raise _OverBoundError
    return size


def _magnitude(value: Any, size: float) -> float:
    """Upper estimate of ``|value|``, at least 1."""
    import sympy

    if isinstance(value, sympy.Rational):
        return max(1.0, abs(float(value)))
    return 2.0 ** min(size, 1_000.0)


def _power_terms(num_terms: int, exponent: float) -> float:
    """Terms of a sum's power, multiplied out."""
    if exponent > 1_000:
        return math.inf
    return math.comb(math.ceil(exponent) + num_terms - 1, num_terms - 1)


def _equal(left: Any, right: Any) -> bool | None:
    import sympy

    if any(side.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan) for side in (left, right)):
        return None  # ∞ + 1 evaluates to ∞, and 1/0 + 1 to 1/0
    if left == right:
        return True
    if not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)):
        return None
    if _surely_different(left, right):
        return False
    difference = left - right
    for method in (sympy.expand, sympy.radsimp, sympy.trigsimp, sympy.expand_log, sympy.simplify, _rewritten):
        difference = method(difference)
        if difference == 0:
            return True
        if difference.is_number and difference.is_zero is False and not difference.has(sympy.Float):
            return False
    return None


def _surely_different(left: Any, right: Any) -> bool:
    """Whether the values at a fixed positive number for each variable differ by far more than rounding."""
    import sympy

    numbers = {
        symbol: sympy.Rational(9_973 + zlib.crc32(symbol.name.encode()) % 9_973, 9_973)
        for symbol in left.free_symbols | right.free_symbols
    }
    first, second = (side.xreplace(numbers).evalf(_DIGITS) for side in (left, right))
    excess = abs(first - second) - sympy.Max(abs(first), abs(second), 1) * sympy.Float(10) ** (-_DIGITS // 2)
    return bool(excess.is_Float and excess > 0)


def _rewritten(difference: Any) -> Any:
    import sympy

    positive = {symbol: sympy.Dummy(symbol.name, positive=True) for symbol in difference.free_symbols}
    return sympy.simplify(sympy.expand_log(difference.xreplace(positive), force=True))


if __name__ == "__main__":
    main()
