r"""The words to a model beside the question: instructions, headings of worked examples, the paper's chat template.

The chain-of-thought and tool instructions are DeepSeekMath's, word for word (evaluation/README.md of its repository at
21cc5c6701a7); the paper asks base models alone for single programs and option likelihoods, so those instructions for
chat models are ours. The layout of worked examples is ours too, the same for all benchmarks, with the answer in
``\boxed{}``, where the paper has one a benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.prompts.prompt import PLACE, Mode

__all__ = [
    "INSTRUCTIONS",
    "LAYOUTS",
    "Layout",
    "chain_of_thought",
    "chain_of_thought_zh",
    "deepseek_chat",
]

INSTRUCTIONS: Mapping[Mode, Mapping[str, str]] = {
    Mode.WORDS: {
        "en": "{question}\nPlease reason step by step, and put your final answer within \\boxed{}.",
        "zh": "{question}\n请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。",
    },
    Mode.TOOL: {
        "en": "{question}\nPlease integrate natural language reasoning with programs to solve the problem above, and "
        "put your final answer within \\boxed{}.",
        "zh": "{question}\n请结合自然语言和Python程序语言来解答问题，并把最终答案放置于\\boxed{}中。",
    },
    Mode.PROGRAM: {
        "en": "{question}\nPlease solve the problem with one Python program, in a block that begins with ```python and "
        "ends with ```. It must print the final answer and nothing else.",
        "zh": "{question}\n请用一个Python程序来解答问题，程序放在以```python开头、以```结尾的代码块中，"
        "并且只打印最终答案。",
    },
    Mode.PROOF: {
        "en": "{question}\n\nPlease prove the formal statement, in one block of code that holds what follows it and "
        "nothing else.",
        "zh": "{question}\n\n请证明上述形式化命题，并只在一个代码块中给出命题之后的证明。",
    },
    Mode.LIKELIHOOD: {
        "en": "{question}\nPlease answer with the letter of the right option alone.",
        "zh": "{question}\n请只用正确选项的字母作答。",
    },
}
"""The user's message by mode and language of the question."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Headings of worked examples in one language.

    Attributes:
        problem: stands before a question; a completion that writes it again has run on.
        solution: stands before a solution in words.
        program: stands before a program.
        answer: stands before an answer alone.
        closing: the end of a solution that does not box its answer; ``{answer}`` is the gold answer.
    """

    problem: str
    solution: str
    program: str
    answer: str
    closing: str


LAYOUTS: Mapping[str, Layout] = {
    "en": Layout(
        problem="Problem:",
        solution="Solution:",
        program="Program:",
        answer="Answer:",
        closing="The answer is \\boxed{{answer}}.",
    ),
    "zh": Layout(
        problem="问题：", solution="解答：", program="程序：", answer="答案：", closing="答案是\\boxed{{answer}}。"
    ),
}
"""By language; questions in any other language stand in an English prompt, for which the paper has no model."""


def chain_of_thought(question: str) -> str:
    r"""The English chain-of-thought prompt, which asks for the answer in ``\boxed{}``."""
    return INSTRUCTIONS[Mode.WORDS]["en"].replace(PLACE, question)


def chain_of_thought_zh(question: str) -> str:
    r"""The Chinese chain-of-thought prompt, which asks for the answer in ``\boxed{}``."""
    return INSTRUCTIONS[Mode.WORDS]["zh"].replace(PLACE, question)


def deepseek_chat(text: str) -> str:
    """DeepSeekMath's chat template around ``text``, up to where the model goes on."""
    return f"User: {text}\n\nAssistant:"
