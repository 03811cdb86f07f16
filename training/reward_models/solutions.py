"""Given solutions as tokens whose steps end where tokens end: people's labels, and texts of other models."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.labelled_steps import RatedSteps
from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout
from sampling.prompt import RenderedPrompt, continuations
from sampling.rollout import Rollout
from training.models.policy import Policy
from training.reward_models.examples import LabelError, labelled

__all__ = ["encode_solution", "rated_examples", "solution_rollout"]


def encode_solution(
    model: Policy, prompt: RenderedPrompt, steps: Sequence[str], *, ended: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Token ids of a solution, a newline behind each step, and the index of each step's last token.

    Each step is encoded where it stands, behind what comes before, so that no token is of two steps.

    Args:
        model: its tokenizer encodes.
        prompt: of the problem.
        steps: texts, at least one.
        ended: the last step ends the solution; the end-of-sequence token belongs to it.

    Raises:
        LabelError: a step has no tokens of its own, or no tokens of this tokenizer give it where it stands.
    """
    before, ids, ends = prompt, list[int](), list[int]()
    for number, step in enumerate(steps, start=1):
        last = number == len(steps)
        text = step if last and ended else f"{step}\n"
        try:
            [own] = continuations(model.tokenizer, [before], [text])
        except ValueError as error:
            raise LabelError(f"step {number} of {len(steps)} cannot be encoded where it stands: {error}") from error
        own = (*own, model.end_token_id) if last and ended else own
        if not own:
            raise LabelError(f"step {number} of {len(steps)}, {step[:60]!r}, has no tokens; steps must end on tokens.")
        ids += own
        ends.append(len(ids) - 1)
        before = RenderedPrompt(text=before.text + text, ids=(*before.ids, *own), leading=before.leading)
    return tuple(ids), tuple(ends)


def solution_rollout(
    model: Policy, problem: Problem, prompt: RenderedPrompt, steps: Sequence[str], *, ended: bool = True, index: int = 0
) -> tuple[Rollout, tuple[int, ...]]:
    """A given solution as if it had been sampled, and the index of each step's last token.

    Args:
        model: its tokenizer encodes.
        problem: what is solved.
        prompt: of the problem.
        steps: see `encode_solution`.
        ended: see `encode_solution`.
        index: told from other solutions of the problem by it.
    """
    try:
        ids, ends = encode_solution(model, prompt, steps, ended=ended)
    except LabelError as error:
        raise LabelError(f"problem {problem.problem_id!r}, solution {index}: {error}") from error
    rollout = Rollout(
        problem=problem,
        prompt_ids=prompt.ids,
        completion_ids=ids,
        completion="\n".join(steps),
        finish_reason="stop" if ended else "length",
        sample_index=index,
        seed=index,
        policy_version=0,
    )
    return rollout, ends


def rated_examples(
    model: Policy, rated: Sequence[RatedSteps], prompts: Sequence[RenderedPrompt], *, max_tokens: int
) -> list[ScoredRollout]:
    """PRM800K as labelled completions: 1 for a rating of 1, 0 for −1; a rating of 0, "neither", is no label.

    Args:
        model: its tokenizer encodes.
        rated: from `benchmarks.labelled_steps.load_prm800k`.
        prompts: of each one's problem.
        max_tokens: those with a prompt and steps of more tokens are left out.
    """
    examples = []
    for index, (item, prompt) in enumerate(zip(rated, prompts, strict=True)):
        told = [place for place, rating in enumerate(item.ratings) if rating in (-1, 1)]
        if not told:
            continue
        rollout, ends = solution_rollout(model, item.problem, prompt, item.steps, ended=item.ended, index=index)
        if len(rollout.prompt_ids) + len(rollout.completion_ids) > max_tokens:
            continue
        labels = [float(item.ratings[place] == 1) for place in told]
        examples.append(labelled(rollout, labels, [ends[place] for place in told], correct=all(labels)))
    return examples
