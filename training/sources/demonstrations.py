"""Demonstrations (q, o ~ P_sft, Table 10): worked solutions, encoded where they stand: behind their prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.problem import Problem
from sampling.prompt import RenderedPrompt
from sampling.rollout import Rollout
from sampling.rounds import encode_in_rounds
from training.models.policy import Policy
from training.sources.prompts import Prompts

__all__ = ["DemonstrationSource"]


@dataclass(frozen=True, kw_only=True)
class DemonstrationSource:
    """Worked solutions, ended by the end-of-sequence token; the prompt is not trained on.

    Attributes:
        prompts: problems, every one with a solution; `per_step` demonstrations make a step.
        completion_ids: token ids of each solution by the id of its problem.
        own_tokens: which of them a policy would have drawn, for solutions with outputs of programs in them.
    """

    prompts: Prompts
    completion_ids: Mapping[str, tuple[int, ...]]
    own_tokens: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)

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
                    f"problem {problem.problem_id!r} has no worked solution; SFT needs one for every problem: write it "
                    "into the training file, or leave the problem out."
                )
            solutions.append(problem.solution)
        names = [problem.problem_id for problem in prompts.problems]
        encoded = [(*ids, (policy.end_token_id,)) for ids in encode_in_rounds(policy.tokenizer, rendered, solutions)]
        source = cls(
            prompts=prompts,
            completion_ids={
                name: tuple(token for part in parts for token in part)
                for name, parts in zip(names, encoded, strict=True)
            },
            own_tokens={
                name: (*(number % 2 == 0 for number, part in enumerate(parts[:-1]) for _ in part), True)
                for name, parts in zip(names, encoded, strict=True)
                if len(parts) > 2
            },
        )
        source.check_lengths(policy.max_positions)
        return source

    def check_lengths(self, limit: int) -> None:
        """Refuse demonstrations of more tokens than the model has positions for.

        Raises:
            ValueError: says how many there are, and names the longest.
        """
        lengths = {problem.problem_id: n for problem, n in zip(self.prompts.problems, self.lengths, strict=True)}
        too_long = [name for name, length in lengths.items() if length > limit]
        if too_long:
            longest = max(too_long, key=lengths.__getitem__)
            raise ValueError(
                f"{len(too_long)} of {len(lengths):,} demonstrations are longer than the {limit} tokens that the model "
                f"takes; the longest, {longest!r}, has {lengths[longest]:,} with its prompt. Leave these problems out "
                "of the training file, or start from a model with more positions."
            )

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each demonstration with its prompt."""
        pairs = zip(self.prompts.problems, self.prompts.prompt_ids, strict=True)
        return tuple(len(ids) + len(self.completion_ids[problem.problem_id]) for problem, ids in pairs)

    def rollouts(self, step: int) -> list[Rollout]:
        """P demonstrations."""
        return [self._shown(problem, prompt_ids) for problem, prompt_ids in self.prompts.of_step(step)]

    def rollout(self, index: int) -> Rollout:
        """One demonstration."""
        return self._shown(self.prompts.problems[index], self.prompts.prompt_ids[index])

    def _shown(self, problem: Problem, prompt_ids: tuple[int, ...]) -> Rollout:
        return Rollout(
            problem=problem,
            prompt_ids=prompt_ids,
            completion_ids=self.completion_ids[problem.problem_id],
            completion=problem.solution or "",
            finish_reason="stop",
            sample_index=0,
            seed=0,
            policy_version=0,
            own_tokens=self.own_tokens.get(problem.problem_id),
        )

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """Nothing is drawn, but what is read takes its time."""
        return elapsed
