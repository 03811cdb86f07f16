"""From problems to prompts as a model gets them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.problem import Problem
from benchmarks.prompts import Mode, Prompt, choose_prompt, deepseek_chat
from experiments.recipes.config import TaskConfig
from experiments.records.folder import RunFolder
from experiments.runs.problems import load_beyond, load_problems, load_split
from rewards.proof import statement_of
from sampling.chat_templates import ChatTemplateError, render_chats
from sampling.prompt import RenderedPrompt, encode_prompts
from training.config import FORMS
from training.models.policy import Policy
from training.sources.demonstrations import DemonstrationSource
from training.sources.mixture import forms_of
from training.sources.prompts import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["demonstrations", "record_training_prompts", "render_prompts", "task_prompt", "training_prompts"]


def task_prompt(task: TaskConfig, tokenizer: PreTrainedTokenizerBase, *, shown: bool = False) -> Prompt:
    """The prompt of a task for a model: `benchmarks.prompts.choose_prompt` with all that the task says.

    Args:
        task: says how problems are asked.
        tokenizer: of the model.
        shown: a solution follows, which takes the place of worked examples: a model without a chat template gets a
            message too, in the paper's template.

    Raises:
        ValueError: no such prompt, or fewer examples than are asked for; or a system prompt or chat template is given
            to a prompt that has no use for it.
    """
    prompt = choose_prompt(
        task.prompt,
        task.benchmark,
        chat=shown or tokenizer.chat_template is not None or task.chat_template is not None,
        load=lambda benchmark, split: load_split(benchmark, split, task.data_dir),
        language=task.language,
        shots=task.shots,
    )
    templated = not prompt.whole and (tokenizer.chat_template is not None or task.chat_template is not None)
    for field in ("system", "chat_template"):
        if getattr(task, field) is not None and not templated:
            why, remedy = "the model has no chat template", "give one, chat_template=FILE.jinja"
            if prompt.whole:
                why, remedy = (
                    f"the prompt {prompt.name!r} is all that the model gets",
                    "choose the prompt chain_of_thought",
                )
            raise ValueError(f"task.{field} is given, and {why}; leave it out, or {remedy}.")
    return prompt


def render_prompts(
    problems: Sequence[Problem], task: TaskConfig, tokenizer: PreTrainedTokenizerBase, prompt: Prompt | None = None
) -> list[RenderedPrompt]:
    """Each problem's prompt, whole: in a chat template where it is a user's message.

    Args:
        problems: what is asked.
        task: how it is asked.
        tokenizer: of the model.
        prompt: in place of the task's own.

    Raises:
        ValueError: see `task_prompt`; or a chat template is broken, or refuses a system prompt.
    """
    prompt = task_prompt(task, tokenizer) if prompt is None else prompt
    questions = [_question(problem, task, prompt) for problem in problems]
    texts = [
        prompt.text(question, problem_id=problem.problem_id)
        for problem, question in zip(problems, questions, strict=True)
    ]
    if prompt.whole:
        return encode_prompts(tokenizer, texts, templated=False)
    if tokenizer.chat_template is None and task.chat_template is None:
        return encode_prompts(tokenizer, [deepseek_chat(text) for text in texts], templated=False)
    return encode_prompts(tokenizer, _in_template(texts, task, tokenizer), templated=True)


def _question(problem: Problem, task: TaskConfig, prompt: Prompt) -> str:
    """What is asked: the question, and where it is to be proved its informal proof and the formal statement."""
    if prompt.mode is not Mode.PROOF:
        return problem.question
    statement = statement_of(problem, task.checker or "")
    informal = "" if not problem.solution else f"\n\nInformal proof:\n{problem.solution}"
    formal = f"{statement.header}{statement.text}".strip()
    return f"{problem.question}{informal}\n\nFormal statement ({statement.language}):\n```\n{formal}\n```"


def _in_template(texts: Sequence[str], task: TaskConfig, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    system = [] if task.system is None else [{"role": "system", "content": _read(task.system, "system prompt")}]
    conversations = [[*system, {"role": "user", "content": text}] for text in texts]
    day = datetime.date.today() if task.date is None else datetime.date.fromisoformat(task.date)
    template = None if task.chat_template is None else _read(task.chat_template, "chat template")
    try:
        return render_chats(tokenizer, conversations, template=template, add_generation_prompt=True, day=day)
    except ChatTemplateError as error:
        whose = task.chat_template or "the model's"
        raise ValueError(
            f"the chat template ({whose}) {error}. {'Leave task.system out, or give' if system else 'Give'} another "
            "template in task.chat_template."
        ) from error


def _read(file: str, what: str) -> str:
    path = Path(file).expanduser()
    try:
        return path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as the {what} ({error}); expected a text file in UTF-8.") from error


def training_prompts(
    task: TaskConfig,
    policy: Policy,
    *,
    per_step: int,
    seed: int,
    purpose: str = "train",
    demonstrated: int | None = None,
) -> Prompts:
    """The training problems of a task with their prompts; every arm of a seed gets the same ones at a step.

    Args:
        task: which problems, and how they are asked.
        policy: its tokenizer encodes.
        per_step: problems of a step.
        seed: of their order.
        purpose: told from other orders by it.
        demonstrated: see `load_beyond`.
    """
    problems = load_beyond(task, demonstrated)
    rendered = render_prompts(problems, task, policy.tokenizer)
    return _prompts(problems, rendered, per_step=per_step, seed=f"{purpose}/{seed}")


def record_training_prompts(folder: RunFolder[Any], policy: Policy, prompts: Prompts) -> None:
    """Keep the training prompts of a run in its folder: see `RunFolder.record_prompts`."""
    ids = prompts.prompt_ids
    folder.record_prompts("training", ids, str(policy.tokenizer.decode(list(ids[0]))))


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
    if task.forms is None:
        rendered = render_prompts(problems, task, policy.tokenizer)
    else:
        problems, rendered = _in_forms(problems, task, policy.tokenizer, seed=seed)
    return DemonstrationSource.encode(policy, _prompts(problems, rendered, per_step=per_step, seed=seed), rendered)


def _in_forms(
    problems: Sequence[Problem], task: TaskConfig, tokenizer: PreTrainedTokenizerBase, *, seed: str
) -> tuple[list[Problem], list[RenderedPrompt]]:
    """Each problem with its solution in the form that is drawn for it, and the prompt that asks for that form."""
    chosen = forms_of(problems, dict(task.forms or ()), seed=seed)
    kept = [number for number, form in enumerate(chosen) if form is not None]
    shown, rendered = dict[int, Problem](), dict[int, RenderedPrompt]()
    for form, _ in task.forms or ():
        names = {"program": "program", "tool": "tool"}
        bare = "bare_" if task.prompt == "bare" else ""
        asked = task if form == "words" else replace(task, prompt=bare + names[form], shots=None)
        prompt = task_prompt(asked, tokenizer, shown=form != "words")
        of_form = [number for number in kept if chosen[number] == form]
        for number in of_form:
            text = getattr(problems[number], FORMS[form])
            if form == "program":
                text = f"{text}\n```" if prompt.whole else f"```python\n{text}\n```"
            shown[number] = replace(problems[number], solution=text)
        texts = render_prompts([shown[number] for number in of_form], asked, tokenizer, prompt)
        rendered |= dict(zip(of_form, texts, strict=True))
    return [shown[number] for number in kept], [rendered[number] for number in kept]


def _prompts(problems: Sequence[Problem], rendered: Sequence[RenderedPrompt], *, per_step: int, seed: str) -> Prompts:
    ids = tuple(prompt.ids for prompt in rendered)
    return Prompts(problems=tuple(problems), prompt_ids=ids, per_step=per_step, seed=seed)
