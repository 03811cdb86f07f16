"""The asking of problems: instructions, worked examples, and the choice among them by benchmark, language and model."""

from benchmarks.prompts.choice import PROMPTS, choose_prompt
from benchmarks.prompts.exemplars import Exemplar, boxed_solution, exemplars_of
from benchmarks.prompts.instructions import chain_of_thought, chain_of_thought_zh, deepseek_chat
from benchmarks.prompts.prompt import Mode, Prompt

__all__ = [
    "PROMPTS",
    "Exemplar",
    "Mode",
    "Prompt",
    "boxed_solution",
    "chain_of_thought",
    "chain_of_thought_zh",
    "choose_prompt",
    "deepseek_chat",
    "exemplars_of",
]
