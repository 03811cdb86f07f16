"""Demonstrations (q, o ~ P_sft, Table 10): worked solutions, encoded where they stand: behind their prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sampling.prompt import RenderedPrompt, continuations
from sampling.rollout import Rollout
from training.models.policy import Policy
from training.sources import Prompts

__all__ = ["DemonstrationSource"]


@dataclass(frozen=True, kw_only=True)
class DemonstrationSource:
    """Worked solutions, ended by the end-of-sequence token; the prompt is not trained on.

    Attributes:
        prompts: problems, every one with a solution; `per_step` demonstrations make a step.
        completion_ids: token ids of each solution by the id of its problem.
    """

    prompts: Prompts
    completion_ids: Mapping[str, tuple[int, ...]]

    @classmethod
    def encode(cls, policy: Policy, prompts: Prompts, rendered: Sequence[RenderedPrompt]) -> DemonstrationSource:
        """Every demonstration, once it is sure that all can be trained on.

        Args:
            policy: its tokenizer encodes, its positions are the limit.
            prompts: problems with their prompts.
            rendered: the same prompts with their texts.

        Raises:
            ValueError: a problem has no solution, or prompt and solution are longer than the model takes.
        """
        solutions = list[str]()
        for problem in prompts.problems:
            if problem.solution is None:
                raise ValueError(
                    f"problem {problem.problem_id!r} has no worked solution; SFT needs one for every problem."
                )
            solutions.append(problem.solution)
        encoded = continuations(policy.tokenizer, rendered, solutions)
        source = cls(
            prompts=prompts,
            completion_ids={
                problem.problem_id: (*ids, policy.end_token_id)
                for problem, ids in zip(prompts.problems, encoded, strict=True)
            },
        )
        source.check_lengths(policy.max_positions)
        return source

    def check_lengths(self, limit: int) -> None:
        """Refuse demonstrations of more tokens than the model has positions for.

        Raises:
            ValueError: says how many there are, and names the longest.
        """
        lengths = {
            problem.problem_id: len(prompt_ids) + len(self.completion_ids[problem.problem_id])
            for problem, prompt_ids in zip(self.prompts.problems, self.prompts.prompt_ids, strict=True)
        }
        too_long = [name for name, length in lengths.items() if length > limit]
        if too_long:
            longest = max(too_long, key=lengths.__getitem__)
            raise ValueError(
                f"{len(too_long)} of {len(lengths):,} demonstrations are longer than the {limit} tokens that the model "
                f"takes; the longest, {longest!r}, has {lengths[longest]:,} with its prompt. Leave these problems out "
                "of the training file, or start from a model with more positions."
            )

    def rollouts(self, step: int) -> list[Rollout]:
        """P demonstrations."""
        return [
            Rollout(
                problem=problem,
                prompt_ids=prompt_ids,
                completion_ids=self.completion_ids[problem.problem_id],
                completion=problem.solution or "",
                finish_reason="stop",
                sample_index=0,
                seed=0,
                policy_version=0,
            )
            for problem, prompt_ids in self.prompts.of_step(step)
        ]

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """Nothing is drawn, but what is read takes its time."""
        return elapsed
