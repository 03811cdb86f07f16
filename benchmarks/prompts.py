"""Prompts that DeepSeekMath was evaluated with, word for word.

They are strings before tokenization: no special token and no system prompt. `PROMPTS` names those that take a bare
question; `deepseek_chat` wraps any of them for a model that was trained on the paper's chat template.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["PROMPTS", "bare", "chain_of_thought", "chain_of_thought_zh", "deepseek_chat", "deepseek_chat_of_thought"]


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
