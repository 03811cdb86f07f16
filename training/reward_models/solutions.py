"""Given solutions as tokens whose steps end where tokens end: people's labels, and texts of other models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.labelled_steps import RatedSteps
from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout
from sampling.prompt import RenderedPrompt, continuations
from sampling.rollout import Rollout
from training.models.policy import Policy
from training.reward_models.examples import LabelError, labelled

__all__ = ["encode_solutions", "rated_examples", "solution_rollouts"]


@dataclass(frozen=True, kw_only=True)
class _Begun:
    """The first steps of a solution.

    Attributes:
        text: prompt and steps, as the next step is encoded behind them.
        ids: tokens of the steps.
        ends: index of each step's last token.
    """

    text: RenderedPrompt
    ids: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()


def encode_solutions(
    model: Policy,
    prompts: Sequence[RenderedPrompt],
    solutions: Sequence[Sequence[str]],
    *,
    ended: Sequence[bool],
    names: Sequence[str],
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Token ids of solutions, a newline behind each step, and the index of each step's last token.

    Each step is encoded where it stands, behind what comes before, so that no token is of two steps. Solutions that
    begin with the same steps share them: PRM800K has some forty completions beside each path, behind its first steps.

    Args:
        model: its tokenizer encodes.
        prompts: of each one's problem.
        solutions: texts of the steps, at least one each.
        ended: the last step ends the solution; the end-of-sequence token belongs to it.
        names: what each is called in messages.

    Raises:
        LabelError: a step has no tokens of its own, or no tokens of this tokenizer give it where it stands.
    """
    paths: list[tuple[str, ...]] = [(prompt.text,) for prompt in prompts]
    begun = {path: _Begun(text=prompt) for path, prompt in zip(paths, prompts, strict=True)}
    for number in range(max((len(steps) for steps in solutions), default=0)):
        fresh: dict[tuple[str, ...], str] = {}
        for row, (steps, whole, name) in enumerate(zip(solutions, ended, names, strict=True)):
            if number < len(steps):
                last = number == len(steps) - 1
                paths[row] = (*paths[row], steps[number] if last and whole else f"{steps[number]}\n")
                if paths[row] not in begun:
                    fresh.setdefault(paths[row], f"{name}: step {number + 1} of {len(steps)}, {steps[number][:60]!r},")
        found = _encoded(model, [begun[path[:-1]].text for path in fresh], fresh)
        for path, own in zip(fresh, found, strict=True):
            begun[path] = _with_step(begun[path[:-1]], path[-1], own)
    return [
        _ended(begun[path], model.end_token_id if whole else None, name)
        for path, whole, name in zip(paths, ended, names, strict=True)
    ]


def _ended(begun: _Begun, end_token_id: int | None, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens and ends of a solution with the token that ends it; every step must have one of its own."""
    ids, ends = begun.ids, begun.ends
    if end_token_id is not None:
        ids, ends = (*ids, end_token_id), (*ends[:-1], len(ids))
    for step, (before, end) in enumerate(zip((-1, *ends), ends, strict=False), start=1):
        if before == end:
            raise LabelError(
                f"{name}: step {step} of {len(ends)} has no tokens; expected at least one, to score the step at: join "
                "it to the step before."
            )
    return ids, ends


def _with_step(begun: _Begun, step: str, own: tuple[int, ...]) -> _Begun:
    before, ids = begun.text, (*begun.ids, *own)
    text = RenderedPrompt(text=before.text + step, ids=(*before.ids, *own), leading=before.leading)
    return _Begun(text=text, ids=ids, ends=(*begun.ends, len(ids) - 1))


def _encoded(
    model: Policy, before: Sequence[RenderedPrompt], paths: Mapping[tuple[str, ...], str]
) -> list[tuple[int, ...]]:
    """The last step of each path as tokens behind what comes before it; the paths have their names in messages."""
    steps = [path[-1] for path in paths]
    try:
        return continuations(model.tokenizer, before, steps)
    except ValueError:  # says which text, not whose
        for prompt, step, name in zip(before, steps, paths.values(), strict=True):
            try:
                continuations(model.tokenizer, [prompt], [step])
            except ValueError as error:
                raise LabelError(f"{name} cannot be encoded where it stands: {error}") from error
        raise


def solution_rollouts(
    model: Policy,
    problems: Sequence[Problem],
    prompts: Sequence[RenderedPrompt],
    solutions: Sequence[Sequence[str]],
    *,
    ended: Sequence[bool],
) -> list[tuple[Rollout, tuple[int, ...]]]:
    """Given solutions as if they had been sampled, each with the index of its steps' last tokens.

    Args:
        model: its tokenizer encodes.
        problems: what each solves.
        prompts: see `encode_solutions`.
        solutions: see `encode_solutions`; their places tell solutions of one problem apart.
        ended: see `encode_solutions`.
    """
    names = [f"problem {problem.problem_id!r}, solution {index}" for index, problem in enumerate(problems)]
    found = encode_solutions(model, prompts, solutions, ended=ended, names=names)
    return [
        (
            Rollout(
                problem=problem,
                prompt_ids=prompt.ids,
                completion_ids=ids,
                completion="\n".join(steps),
                finish_reason="stop" if whole else "length",
                sample_index=index,
                seed=index,
                policy_version=0,
            ),
            ends,
        )
        for index, (problem, prompt, steps, whole, (ids, ends)) in enumerate(
            zip(problems, prompts, solutions, ended, found, strict=True)
        )
    ]


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
    told = [item for item in zip(rated, prompts, strict=True) if any(rating in (-1, 1) for rating in item[0].ratings)]
    found = solution_rollouts(
        model,
        [item.problem for item, _ in told],
        [prompt for _, prompt in told],
        [item.steps for item, _ in told],
        ended=[item.ended for item, _ in told],
    )
    examples = []
    for (item, _), (rollout, ends) in zip(told, found, strict=True):
        if len(rollout.prompt_ids) + len(rollout.completion_ids) > max_tokens:
            continue
        kept = [(float(rating == 1), end) for rating, end in zip(item.ratings, ends, strict=True) if rating in (-1, 1)]
        labels = [label for label, _ in kept]
        examples.append(labelled(rollout, labels, [end for _, end in kept], correct=all(labels)))
    return examples
