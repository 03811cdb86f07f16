"""Prompts that DeepSeekMath was evaluated with, word for word.

They are strings before tokenization: no special token and no system prompt. `PROMPTS` names those that take a bare
question; `deepseek_chat` wraps any of them for a model that was trained on the paper's chat template.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.naming import did_you_mean

__all__ = [
    "PROMPTS",
    "bare",
    "chain_of_thought",
    "chain_of_thought_zh",
    "deepseek_chat",
    "deepseek_chat_of_thought",
    "load_prompt",
]


def bare(question: str) -> str:
    """The question itself."""
    return question


def chain_of_thought(question: str) -> str:
    r"""The English chain-of-thought prompt, which asks for the answer in ``\boxed{}``."""
    return f"{question}\nPlease reason step by step, and put your final answer within \\boxed{{}}."


def chain_of_thought_zh(question: str) -> str:
    r"""The Chinese chain-of-thought prompt, which asks for the answer in ``\boxed{}``."""
    return f"{question}\n请通过逐步推理来解答问题，并把最终答案放置于\\boxed{{}}中。"


def deepseek_chat(text: str) -> str:
    """DeepSeekMath's chat template around ``text``, up to where the model goes on."""
    return f"User: {text}\n\nAssistant:"


def deepseek_chat_of_thought(question: str) -> str:
    """What DeepSeekMath-Instruct and -RL were asked: the English chain-of-thought prompt inside the chat template."""
    return deepseek_chat(chain_of_thought(question))


PROMPTS: dict[str, Callable[[str], str]] = {
    "bare": bare,
    "chain_of_thought": chain_of_thought,
    "chain_of_thought_zh": chain_of_thought_zh,
    "deepseek_chat": deepseek_chat_of_thought,
}

PLACE = "{question}"


def load_prompt(name: str) -> Callable[[str], str]:
    """The prompt of that name, or of a text file that holds ``{question}`` once or more.

    Raises:
        ValueError: neither; the nearest names are given.
    """
    if name in PROMPTS:
        return PROMPTS[name]
    if not name.endswith(".txt"):
        near = did_you_mean(name, PROMPTS)
        raise ValueError(f"unknown prompt {name!r}; {near} Known: {', '.join(PROMPTS)}, or a file NAME.txt.")
    path = Path(name).expanduser()
    if not path.is_file():
        raise ValueError(f"there is no prompt file {path}; expected a text file with {PLACE} in it.")
    text = path.read_text(encoding="utf-8").removesuffix("\n")
    if PLACE not in text:
        raise ValueError(f"the prompt file {path} has no {PLACE}; expected it where the problem is to stand.")
    return lambda question: text.replace(PLACE, question)
