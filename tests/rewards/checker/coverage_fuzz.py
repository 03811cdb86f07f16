"""Coverage-guided fuzzing of `check_answer` with atheris; run by `test_fuzz_slow.py`, or by hand:

    pip install atheris  # the extra "fuzz"
    python tests/rewards/checker/coverage_fuzz.py -max_total_time=600

A byte picks a piece of notation or a character, so that the fuzzer writes LaTeX sooner than noise. A crash is any
exception but `GoldAnswerError`, a verdict that breaks its own rules, or one that takes more than two seconds.
"""

# pyright: reportAttributeAccessIssue=false, reportMissingModuleSource=false
# (atheris is an extra, and its public stub does not name what is used here)

from __future__ import annotations

import sys
import time
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
with atheris.instrument_imports(include=["rewards"]):
    from rewards import GoldAnswerError, Status, check_answer
    from rewards.algebra.symbolic import compare_symbolically

MOST_SECONDS = 2.0
PIECES = r"""
\frac{ \dfrac \sqrt{ \sqrt[3]{ \boxed{ \text{ \mathrm{ \left( \right) \begin{pmatrix} \end{pmatrix} \binom{ \log_ \ln
\sin \cos \tan \pi \infty \cup \in \pm \cdot \times \div \le \ge \ne \{ \} \% ^\circ \overline{ \sum_ \int_ \prod_
\lim_ \dots \, \! \\ & ^{ _{ }{ 10^9 1,000 0.\overline{3} 1e9 ½ √ π × − ∞ １２ 答案是 #### </think> <think> ~cm ~or~
~and~ the~answer~is~ answer:~ x= y= (B) 12_8
"""
ALPHABET = (
    [piece.replace("~", " ") for piece in PIECES.split()] + [chr(code) for code in range(32, 127)] + ["\n", "\x00"]
)


def text_of(provider: atheris.FuzzedDataProvider, most: int) -> str:
    """Up to `most` pieces; now and then a run of one piece, or any character at all."""
    pieces = []
    for _ in range(provider.ConsumeIntInRange(0, most)):
        index = provider.ConsumeIntInRange(0, len(ALPHABET) + 1)
        if index < len(ALPHABET):
            pieces.append(ALPHABET[index])
        elif index == len(ALPHABET) and pieces:
            pieces.append(pieces[-1][:20] * provider.ConsumeIntInRange(2, 200))
        else:
            pieces.append(chr(provider.ConsumeIntInRange(0, 0x10FFFF)))
    return "".join(pieces)


def one_input(data: bytes) -> None:
    """One pair, judged; raises where a rule is broken."""
    provider = atheris.FuzzedDataProvider(data)
    gold = text_of(provider, 24)
    shape = provider.ConsumeIntInRange(0, 3)
    answer = gold if provider.ConsumeBool() else text_of(provider, 24)
    completion = (f"\\boxed{{{answer}}}", f"#### {answer}", f"The answer is ${answer}$.", answer)[shape]
    start, own_start = time.monotonic(), time.process_time()
    try:
        verdict = check_answer(completion, gold)
    except GoldAnswerError:
        verdict = None
    elapsed, own = time.monotonic() - start, time.process_time() - own_start
    # The symbolic worker's second is kept by the kernel; the rest is this process, whatever else the machine does.
    assert min(elapsed, own + 1.0) < MOST_SECONDS, f"{elapsed:.2f} s: {completion!r} against {gold!r}"
    if verdict is not None:
        empty = verdict.status is Status.NO_ANSWER
        assert (verdict.answer == "") == empty == (verdict.answer_class == ""), (
            f"{verdict} for {completion!r}, {gold!r}"
        )


def main() -> None:
    compare_symbolically("4^n", "2^{2n}")  # the start of the worker is not timed
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
