"""Search over solutions step by step, guided by a score of prefixes, at a stated budget of tokens.

Beam search keeps the `width` best prefixes and draws `branching` next steps of each (Snell et al. 2024, arXiv
2408.03314, section 5.2, where a step is a line too); best-first search draws the next steps of the single best prefix,
and stops at `width` solutions. A score comes from outside: a process reward model's word on a solution so far.

Problems are searched side by side, one request to the engine a round, and no result depends on which others are
searched with it. Prefixes that agree token by token are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmarks.problem import Problem
from sampling.rollout import Rollout
from sampling.sampler import Generation, Request, Sampler, SamplingConfig
from sampling.seeds import request_seed
from sampling.text import TextTokenizer, cut_at, opening

__all__ = ["Candidate", "Score", "SearchConfig", "Searched", "search"]

Score = Callable[[Sequence[Rollout]], Sequence[float]]
"""How good each solution is so far; higher is better."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How solutions are searched.

    Attributes:
        method: ``"beam"`` or ``"best_first"``.
        width: beams, or solutions after which best-first search ends.
        branching: next steps drawn of a prefix; the first round draws `width` · `branching` first steps.
        budget: most tokens drawn for a problem, every branch included; what the score reads is not counted.
        step_end: text that ends a step.
    """

    method: Literal["beam", "best_first"] = "beam"
    width: int = 4
    branching: int = 4
    budget: int = 1024
    step_end: str = "\n"

    def __post_init__(self) -> None:
        for name in ("width", "branching", "budget"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of a search is {getattr(self, name)}; expected at least 1.")
        if self.budget < self.width * self.branching:
            raise ValueError(
                f"budget is {self.budget} tokens for {self.width * self.branching} first steps (width · branching); "
                "expected at least one token each."
            )
        if not self.step_end:
            raise ValueError("step_end is empty; expected the text that ends a step, such as a newline.")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A solution that was found, or begun, and its score.

    Attributes:
        rollout: the completion; cut off (``"length"``) where the budget or the room ended before it did.
        score: of the whole.
    """

    rollout: Rollout
    score: float


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What was found for a problem.

    Attributes:
        candidates: at least one; finished ones before others, the best first, of equals the one found first.
        tokens: drawn for it.
        rounds: in which something was drawn.
    """

    candidates: tuple[Candidate, ...]
    tokens: int
    rounds: int

    @property
    def best(self) -> Rollout:
        """The solution that is given as the answer."""
        return self.candidates[0].rollout


def search(
    sampler: Sampler,
    tokenizer: TextTokenizer,
    prompts: Sequence[tuple[Problem, tuple[int, ...]]],
    sampling: SamplingConfig,
    config: SearchConfig,
    score: Score,
    *,
    run_seed: int,
    step: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> list[Searched]:
    """Search solutions of every problem.

    Args:
        sampler: the engine; holds the policy.
        tokenizer: decodes.
        prompts: pairs (problem, token ids of its rendered prompt).
        sampling: temperature, nucleus, and the longest solution; not greedy, where all branches would agree.
        config: how.
        score: of prefixes and solutions.
        run_seed: with problem, round and number it fixes every draw.
        step: optimiser step of the policy.
        on_progress: called with the number of steps just drawn.

    Returns:
        One a problem, in order.

    Raises:
        ValueError: the temperature is 0 and more than one branch is asked for.
    """
    if sampling.temperature == 0 and config.width * config.branching > 1:
        raise ValueError(
            "temperature is 0, so that all branches of a search would be one; expected a temperature above."
        )
    asked = replace(sampling, stop=(config.step_end, *sampling.stop), with_logprobs=False)
    trees = [
        _Tree(
            problem=problem,
            prompt_ids=ids,
            config=config,
            opening=opening(tokenizer, ids),
            max_tokens=sampling.max_tokens,
            seeds=(run_seed, step),
            version=sampler.policy_version,
        )
        for problem, ids in prompts
    ]
    while True:
        plan = [(tree, prefix, request) for tree in trees for prefix, request in tree.expansions()]
        if not plan:
            return [tree.searched() for tree in trees]
        generations = sampler.generate([request for _, _, request in plan], asked, on_progress)
        grown = [
            (tree, tree.grow(tokenizer, prefix, request.seed, generation, sampling.stop))
            for (tree, prefix, request), generation in zip(plan, generations, strict=True)
        ]
        fresh = [(tree, child) for tree, child in grown if child is not None]
        scores = score([child.rollout for _, child in fresh]) if fresh else ()
        for (tree, child), number in zip(fresh, scores, strict=True):
            tree.take(replace(child, score=float(number)))


@dataclass(frozen=True, kw_only=True)
class _Node:
    """A prefix: its rollout, its score, and whether it can grow."""

    rollout: Rollout
    score: float
    open: bool

    @property
    def ids(self) -> tuple[int, ...]:
        return self.rollout.completion_ids


@dataclass(kw_only=True)
class _Tree:
    """The search of one problem.

    Attributes:
        nodes: open prefixes that may grow, in the order in which they were found.
        ended: solutions that are whole, or as long as they may be.
        known: every prefix that was found, as token ids.
        requested: steps drawn so far.
    """

    problem: Problem
    prompt_ids: tuple[int, ...]
    config: SearchConfig
    opening: str
    max_tokens: int
    seeds: tuple[int, int]
    version: int
    nodes: list[_Node] = field(default_factory=list)
    ended: list[_Node] = field(default_factory=list)
    known: set[tuple[int, ...]] = field(default_factory=set)
    tokens: int = 0
    rounds: int = 0
    requested: int = 0

    def expansions(self) -> list[tuple[_Node | None, Request]]:
        """What is drawn in this round; nothing where the search has ended. ``None`` stands for the prompt alone."""
        chosen = self._chosen()
        parents: list[_Node | None] = [node for node in chosen for _ in range(self.config.branching)]
        if not self.rounds:
            parents = [None] * (self.config.width * self.config.branching)
        room = (self.config.budget - self.tokens) // len(parents) if parents else 0
        if room < 1:
            return []
        self.rounds += 1
        # beam search forgets the prefixes that it does not keep, best-first search keeps them for later
        self.nodes = [] if self.config.method == "beam" else [node for node in self.nodes if node not in chosen]
        return [(node, self._request(node, room)) for node in parents]

    def grow(
        self, tokenizer: TextTokenizer, parent: _Node | None, seed: int, generation: Generation, stop: tuple[str, ...]
    ) -> _Node | None:
        """The child of a prefix, without its score; ``None`` where it is known."""
        self.tokens += len(generation.completion_ids)
        ids = (*(() if parent is None else parent.ids), *generation.completion_ids)
        ended = generation.finish_reason == "stop" and not generation.met_stop
        text, kept = cut_at(tokenizer, ids, stop, ids[-1:] if ended else ())
        if kept is not None:
            ids, ended = ids[:kept], True
        if ids in self.known:
            return None
        self.known.add(ids)
        rollout = Rollout(
            problem=self.problem,
            prompt_ids=self.prompt_ids,
            completion_ids=ids,
            completion=text,
            opening=self.opening,
            finish_reason="stop" if ended else "length",
            sample_index=len(self.known) - 1,
            seed=seed,
            policy_version=self.version,
        )
        return _Node(rollout=rollout, score=0.0, open=not ended and len(ids) < self.max_tokens)

    def take(self, node: _Node) -> None:
        """Keep a scored child: among the nodes to expand, or among the ended ones."""
        (self.nodes if node.open else self.ended).append(node)

    def searched(self) -> Searched:
        """All candidates, whole ones first, then by falling score."""
        found = sorted([*self.ended, *self.nodes], key=lambda node: (node.rollout.truncated, -node.score))
        return Searched(
            candidates=tuple(Candidate(rollout=node.rollout, score=node.score) for node in found),
            tokens=self.tokens,
            rounds=self.rounds,
        )

    def _chosen(self) -> list[_Node]:
        """The prefixes that are to grow now."""
        if self.config.method == "beam":
            beam = sorted([*self.ended, *self.nodes], key=lambda node: -node.score)[: self.config.width]
            return [node for node in beam if node.open]
        if len(self.ended) >= self.config.width:
            return []
        return sorted(self.nodes, key=lambda node: -node.score)[:1]

    def _request(self, node: _Node | None, room: int) -> Request:
        prefix = () if node is None else node.ids
        self.requested += 1
        return Request(
            prompt_ids=(*self.prompt_ids, *prefix),
            seed=request_seed(*self.seeds, self.problem.problem_id, self.requested - 1, "search"),
            max_tokens=min(room, self.max_tokens - len(prefix)),
        )
