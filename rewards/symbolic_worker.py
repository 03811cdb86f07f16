"""The process that does symbolic algebra; started by `rewards.symbolic` as ``python -m rewards.symbolic_worker``.

Each message is a 4-byte big-endian length and that many bytes of JSON. In: ``{"left": latex, "right": latex}``. Out:
first ``{"ready": true}`` once the imports are done, then for each message ``{"equal": true | false | null, "readable":
bool, "seconds": float}``, with ``"exhausted": true`` where memory ran out. It ends when its input ends. Text only ever
reaches the grammar of latex2sympy2_extended, never Python's parser.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import time
import warnings
from typing import Any, BinaryIO

__all__ = ["main", "read_message", "write_message"]

_MEMORY_BYTES = 1 << 30
_LAST_RESORT_SECONDS = 10  # the parent kills long before; this is for a parent that died in between


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
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may reach the replies
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    import latex2sympy2_extended  # noqa: F401
    import sympy  # noqa: F401

    _limit_memory()
    write_message(replies, {"ready": True})
    while (message := read_message(sys.stdin.buffer)) is not None:
        signal.alarm(_LAST_RESORT_SECONDS)
        start = time.monotonic()
        reply = _compare(message["left"], message["right"])
        reply["seconds"] = time.monotonic() - start
        signal.alarm(0)
        write_message(replies, reply)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _compare(left: str, right: str) -> dict[str, Any]:
    """The verdict on two LaTeX expressions. Library code meets any text here: every error means "cannot tell"."""
    try:
        first, second = _parse(left), _parse(right)
    except MemoryError:
        return {"equal": None, "readable": True, "exhausted": True}
    except Exception:  # the grammar raises bare exceptions
        return {"equal": None, "readable": False}
    try:
        return {"equal": _equal(first, second), "readable": True}
    except MemoryError:
        return {"equal": None, "readable": True, "exhausted": True}
    except Exception:  # sympy raises many kinds on odd input
        return {"equal": None, "readable": True}


def _parse(text: str) -> Any:
    from latex2sympy2_extended import latex2sympy
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig
    from sympy import E, Float, I, Rational, Symbol, pi

    value: Any = latex2sympy(
        text, is_real=None, conversion_config=ConversionConfig(lowercase_symbols=False), normalization_config=None
    )
    floats = value.atoms(Float)
    exact = {number: Rational(str(number)) for number in floats}
    return value.xreplace(exact | {Symbol("e"): E, Symbol("i"): I, Symbol("pi"): pi})


def _equal(left: Any, right: Any) -> bool | None:
    import sympy

    if left == right:
        return True
    if not (isinstance(left, sympy.Expr) and isinstance(right, sympy.Expr)):
        return None
    difference = left.doit() - right.doit()
    for method in (sympy.expand, sympy.radsimp, sympy.trigsimp, sympy.expand_log, sympy.simplify, _rewritten):
        difference = method(difference)
        if difference == 0:
            return True
        if difference.is_number and difference.is_zero is False and not difference.has(sympy.Float):
            return False
    return None


def _rewritten(difference: Any) -> Any:
    import sympy

    positive = {symbol: sympy.Dummy(symbol.name, positive=True) for symbol in difference.free_symbols}
    return sympy.simplify(sympy.expand_log(difference.xreplace(positive), force=True))


if __name__ == "__main__":
    main()
