"""The prompts, against the strings that the DeepSeekMath repository prints in its README."""

from __future__ import annotations

from benchmarks.prompts import PROMPTS, chain_of_thought, chain_of_thought_zh, deepseek_chat

QUESTION = "What is {1} + 1 \\times 1?"  # braces and backslashes must come through


def test_english_chain_of_thought_word_for_word():
    assert chain_of_thought(QUESTION) == (
        "What is {1} + 1 \\times 1?\nPlease reason step by step, and put your final answer within \\boxed{}."
    )


def test_chinese_chain_of_thought_word_for_word():
    assert chain_of_thought_zh("1+1=?") == "1+1=?\n请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。"


def test_chat_template_word_for_word():
    assert deepseek_chat("Hello") == "User: Hello\n\nAssistant:"


def test_every_named_prompt():
    prompts = {name: prompt("1+1=?") for name, prompt in PROMPTS.items()}
    assert prompts == {
        "bare": "1+1=?",
        "chain_of_thought": "1+1=?\nPlease reason step by step, and put your final answer within \\boxed{}.",
        "chain_of_thought_zh": "1+1=?\n请通过逐步推理来解答问题，并把最终答案放置于\\boxed{}中。",
        "deepseek_chat": (
            "User: 1+1=?\nPlease reason step by step, and put your final answer within \\boxed{}.\n\nAssistant:"
        ),
    }
