r"""Text and programs in turns: each program is run, and sampling goes on behind what it printed.

The protocol is DeepSeekMath's (evaluation/infer/run_tool_integrated_eval.py of its repository at 21cc5c6701a7):
programs stand in blocks ```` ```python ````, their output is put behind them in a block ```` ```output ````.
Deviations:

1. Sampling stops at the fence that closes a program, where the paper's waits for the word ```` ```output ````, which a
   model that was not trained on it never writes.
2. The paper draws twice, so that two programs are run and nothing is written after the second, and it shows 100
   characters of an output. Here both budgets are settings: `ToolRounds.turns`, `ToolRounds.output_tokens`.
3. Of a program that fails the paper shows the output alone where there is any. Here the error follows it.
4. The answer is read off the model's own words. The paper takes the last output where there is no answer in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from benchmarks.problem import Problem
from sampling.blocks import code_blocks, last_program, without_programs
from sampling.prompt import RenderedPrompt, continuations, encode_prompts
from sampling.rollout import FinishReason, Rollout
from sampling.sampler import Generation, Request, Sampler, SamplingConfig
from sampling.seeds import request_seed
from sampling.text import completion_text, cut_at, opening

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Tool", "ToolOutput", "ToolRounds", "encode_in_rounds", "sample_in_rounds"]

_CLOSED = "\n```\n"  # ends a program; what opens one has a word behind it
_CHARACTERS_OF_A_TOKEN = 64  # rarely more; runs of one character in some vocabularies


@dataclass(frozen=True, kw_only=True)
class ToolOutput:
    """What a program gave.

    Attributes:
        text: shown to the model.
        kept: whether later programs of the session find what this one defined.
    """

    text: str
    kept: bool = True


class Tool(Protocol):
    """Whatever runs programs."""

    def __call__(self, sessions: Sequence[Sequence[str]], /) -> list[ToolOutput]:
        """The output of the last program of each session; the others were run before it, and their variables are there.

        Sessions know nothing of each other.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ToolRounds:
    """The tool, and how much of it a completion may use.

    Attributes:
        tool: runs programs.
        turns: programs that are run in one completion; with one more it ends, as at its limit of tokens.
        output_tokens: tokens that are shown of an output; of a longer one the middle is left out. They count among the
            tokens of the completion (`SamplingConfig.max_tokens`).
    """

    tool: Tool
    turns: int = 4
    output_tokens: int = 128

    def __post_init__(self) -> None:
        for name in ("turns", "output_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"tool {name} is {getattr(self, name)}; expected at least 1.")


def sample_in_rounds(
    sampler: Sampler,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[tuple[Problem, tuple[int, ...]]],
    config: SamplingConfig,
    rounds: ToolRounds,
    *,
    samples_per_problem: int,
    run_seed: int,
    step: int,
    purpose: str = "train",
    on_progress: Callable[[int], None] | None = None,
) -> list[Rollout]:
    """`sampling.sampler.sample_rollouts` with a tool: one call of the engine draws the next part of every completion.

    Args:
        sampler: the engine; it finds what it drew before in its prefix cache.
        tokenizer: decodes completions, encodes outputs.
        prompts: pairs (problem, token ids of its rendered prompt).
        config: temperature, nucleus, length of the whole completion.
        rounds: the tool and its budget.
        samples_per_problem: G, completions per prompt.
        run_seed: see `sample_rollouts`; a completion without a program is the one that it gives.
        step: optimiser step the samples are drawn for.
        purpose: keeps noise apart.
        on_progress: called with the number of completions just finished.

    Returns:
        P·G rollouts, the G of a problem beside each other, in the order of `prompts`.
    """
    begun = [
        _Begun(tokenizer=tokenizer, config=config, problem=problem, index=index, prompt_ids=ids)
        for problem, ids in prompts
        for index in range(samples_per_problem)
    ]
    going, part = begun, 0
    drawing = replace(config, stop=(_CLOSED, *config.stop))
    while going:
        noise = purpose if part == 0 else f"{purpose}/part{part}"
        seeds = [request_seed(run_seed, step, each.problem.problem_id, each.index, noise) for each in going]
        requests = [each.request(seed) for each, seed in zip(going, seeds, strict=True)]
        for each, generation in zip(going, sampler.generate(requests, drawing), strict=True):
            each.take(generation, drawing.stop)
        waiting = [each for each in going if each.finish_reason is None and each.asks(rounds.turns)]
        outputs = rounds.tool([each.programs for each in waiting]) if waiting else []
        for each, output in zip(waiting, outputs, strict=True):
            each.read(output, rounds.output_tokens)
        left = [each for each in going if each.finish_reason is None]
        if on_progress is not None and len(left) < len(going):
            on_progress(len(going) - len(left))
        going, part = left, part + 1
    return [each.rollout(run_seed, step, purpose, sampler.policy_version) for each in begun]


@dataclass(kw_only=True)
class _Begun:
    """A completion that is being written."""

    tokenizer: PreTrainedTokenizerBase
    config: SamplingConfig
    problem: Problem
    index: int
    prompt_ids: tuple[int, ...]
    ids: list[int] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    turns: int = 0
    beyond: int = 0  # characters at the end that are a stop text
    end: tuple[int, ...] = ()  # the token that ended it
    finish_reason: FinishReason | None = None

    def request(self, seed: int) -> Request:
        """What is asked of the engine next."""
        return Request(
            prompt_ids=(*self.prompt_ids, *self.ids), seed=seed, max_tokens=self.config.max_tokens - len(self.ids)
        )

    def take(self, generation: Generation, stop: tuple[str, ...]) -> None:
        """Add what the model wrote, and see whether it has ended."""
        ids = generation.completion_ids
        ended = generation.finish_reason == "stop" and not generation.met_stop
        end = ids[-1:] if ended else ()
        text, kept = cut_at(self.tokenizer, ids, stop, end)
        ids = ids[:kept]
        self._add(ids, own=True, logprobs=generation.logprobs)
        if kept is None:
            self.finish_reason, self.end = generation.finish_reason, end
            return
        written = completion_text(self.tokenizer, ids)
        if any(each in written for each in self.config.stop):
            self.finish_reason, self.beyond = "stop", len(written) - len(text)
        elif len(self.ids) >= self.config.max_tokens:
            self.finish_reason = "length"

    def asks(self, turns: int) -> bool:
        """Whether it has just closed a program that is to be run; with one too many it ends."""
        program = last_program(completion_text(self.tokenizer, self.ids))
        if program is None:  # a block of something else: the model goes on
            return False
        if self.turns == turns:
            self.finish_reason = "length"
            return False
        self.turns += 1
        self.programs.append(program)
        return True

    def read(self, output: ToolOutput, most: int) -> None:
        """Put a program's output behind it; where there is no room for it and a token more, this is the end."""
        if not output.kept:
            self.programs.pop()
        ids = _output_ids(self.tokenizer, output.text, most)
        if len(self.ids) + len(ids) >= self.config.max_tokens:
            self.finish_reason = "length"
            return
        self._add(ids, own=False, logprobs=(0.0,) * len(ids) if self.config.with_logprobs else None)

    def _add(self, ids: Sequence[int], *, own: bool, logprobs: Sequence[float] | None) -> None:
        self.ids += ids
        self.own += [own] * len(ids)
        self.logprobs += (logprobs or ())[: len(ids)]

    def rollout(self, run_seed: int, step: int, purpose: str, policy_version: int) -> Rollout:
        assert self.finish_reason is not None
        own = [token for token, mine in zip(self.ids, self.own, strict=True) if mine]
        whole, words = (completion_text(self.tokenizer, ids, self.end) for ids in (self.ids, own))
        return Rollout(
            problem=self.problem,
            prompt_ids=self.prompt_ids,
            completion_ids=tuple(self.ids),
            completion=whole[: len(whole) - self.beyond],
            finish_reason=self.finish_reason,
            sample_index=self.index,
            seed=request_seed(run_seed, step, self.problem.problem_id, self.index, purpose),
            policy_version=policy_version,
            sampler_logprobs=tuple(self.logprobs) if self.config.with_logprobs else None,
            opening=opening(self.tokenizer, self.prompt_ids),
            own_tokens=tuple(self.own),
            own_words=without_programs(words[: len(words) - self.beyond]),
        )


def encode_in_rounds(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[RenderedPrompt], texts: Sequence[str]
) -> list[list[tuple[int, ...]]]:
    """The tokens of written solutions as `sample_in_rounds` would have them: own ones and an output's in turns.

    Args:
        tokenizer: of the model.
        prompts: B prompts.
        texts: what follows each; blocks ```` ```output ```` in it are outputs.

    Returns:
        Of each text its parts: own, output, own, …; a text without an output is one part.

    Raises:
        ValueError: no tokens of this tokenizer give a text behind its prompt.
    """
    parts = [_own_and_outputs(text) for text in texts]
    first = continuations(tokenizer, prompts, [own for own, *_ in parts])
    return [
        [ids, *(_behind_a_line_break(tokenizer, part) for part in rest)]
        for ids, (_, *rest) in zip(first, parts, strict=True)
    ]


def _own_and_outputs(text: str) -> list[str]:
    found, done = list[str](), 0
    for block in code_blocks(text):
        if block.closed and block.language == "output":
            end = block.end + text[block.end :].startswith("\n")
            found += [text[done : block.start], text[block.start : end]]
            done = end
    return [*found, text[done:]]


def _output_ids(tokenizer: PreTrainedTokenizerBase, text: str, most: int) -> tuple[int, ...]:
    """The tokens of an output in its block, behind a line break. It can neither close the block nor end the turn.

    Of one with more than `most` tokens the first and the last are shown. A long one is not tokenised to find them: they
    are looked for within `_CHARACTERS_OF_A_TOKEN` times `most` characters at each end.
    """
    text = text.strip().replace("```", "'''")
    for special in sorted(tokenizer.all_special_tokens, key=len, reverse=True):
        text = text.replace(special, f"{special[0]} {special[1:]}")
    side = most * _CHARACTERS_OF_A_TOKEN
    ends = [text] if len(text) <= 2 * side else [text[:side], text[-side:]]
    ids = [_behind_a_line_break(tokenizer, end) for end in ends]
    if len(ends) > 1 or len(ids[0]) > most:
        head, tail = ids[0][: most // 2], ids[-1][-(most - most // 2) :]
        text = " ... ".join(str(tokenizer.decode(list(part))).strip("\ufffd") for part in (head, tail))
    return _behind_a_line_break(tokenizer, f"```output\n{text}\n```\n")


def _behind_a_line_break(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    (line_break,) = encode_prompts(tokenizer, ["\n"], templated=True)
    try:
        (ids,) = continuations(tokenizer, [line_break], [text])
    except ValueError:  # a text that this tokenizer cannot give back
        return tuple(tokenizer(text, add_special_tokens=False).input_ids)
    return ids
