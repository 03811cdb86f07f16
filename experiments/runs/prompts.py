"""From problems to prompts as a model gets them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.problem import Problem
from benchmarks.prompts import deepseek_chat, load_prompt
from experiments.recipes.config import TaskConfig
from experiments.runs.problems import load_problems
from sampling.prompt import RenderedPrompt, encode_prompts
from training.demonstrations import DemonstrationSource
from training.models.policy import Policy
from training.sources import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["demonstrations", "render_prompts", "training_prompts"]


def render_prompts(
    problems: Sequence[Problem], task: TaskConfig, tokenizer: PreTrainedTokenizerBase
) -> list[RenderedPrompt]:
    """Each problem's prompt: the bare question, or the prompt in a chat template.

    Raises:
        ValueError: no such prompt.
    """
    prompt = load_prompt(task.prompt)
    texts = [prompt(problem.question) for problem in problems]
    if task.prompt in ("bare", "deepseek_chat"):  # the latter is a chat template itself
        return encode_prompts(tokenizer, texts, templated=False)
    if tokenizer.chat_template is None:
        return encode_prompts(tokenizer, [deepseek_chat(text) for text in texts], templated=False)
    conversations = [[{"role": "user", "content": text}] for text in texts]
    day = datetime.date.today() if task.date is None else datetime.date.fromisoformat(task.date)
    rendered: Any = tokenizer.apply_chat_template(
        conversations,
        add_generation_prompt=True,
        tokenize=False,
        strftime_now=day.strftime,  # what templates call that print today's date
    )
    return encode_prompts(tokenizer, rendered, templated=True)


def training_prompts(task: TaskConfig, policy: Policy, *, per_step: int, seed: int) -> Prompts:
    """The training problems of a task with their prompts; every arm of a seed gets the same ones at a step."""
    problems = load_problems(task, "train", task.train_problems)
    rendered = render_prompts(problems, task, policy.tokenizer)
    return _prompts(problems, rendered, per_step=per_step, seed=f"train/{seed}")


def demonstrations(
    task: TaskConfig, policy: Policy, *, count: int | None, per_step: int, seed: str
) -> DemonstrationSource:
    """The training problems of a task with their worked solutions.

    Args:
        task: which problems, and how they are asked.
        policy: is trained on them.
        count: how many; ``None`` takes all.
        per_step: demonstrations of a step.
        seed: of their order.

    Raises:
        ValueError: see `DemonstrationSource.encode`.
    """
    problems = load_problems(task, "train", count)
    rendered = render_prompts(problems, task, policy.tokenizer)
    return DemonstrationSource.encode(policy, _prompts(problems, rendered, per_step=per_step, seed=seed), rendered)


def _prompts(problems: Sequence[Problem], rendered: Sequence[RenderedPrompt], *, per_step: int, seed: str) -> Prompts:
    ids = tuple(prompt.ids for prompt in rendered)
    return Prompts(problems=tuple(problems), prompt_ids=ids, per_step=per_step, seed=seed)
