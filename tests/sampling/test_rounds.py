"""Completions with programs in them: what is run, what is shown, what is the model's own."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from benchmarks.problem import Problem
from sampling import Generation, Request, SamplingConfig, sample_rollouts
from sampling.blocks import code_blocks, last_program, without_programs
from sampling.rollout import Rollout
from sampling.rounds import ToolOutput, ToolRounds, _behind_a_line_break, _output_ids, sample_in_rounds
from sampling.stopping import StopFinder
from tests.sampling.tokenizers import llama


def by_bytes() -> PreTrainedTokenizerFast:
    """A token a byte, and one for a fence."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: index for index, piece in enumerate(["<eos>", "<|end|>", *alphabet, "``", "```"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("`", "`"), ("``", "`")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<eos>",
        additional_special_tokens=["<|end|>"],
        clean_up_tokenization_spaces=False,
    )


TOKENIZER = by_bytes()
PROBLEMS = [Problem(problem_id=name, benchmark="b", question=name, gold_answer="5") for name in ("p", "q")]


def ids(text: str) -> tuple[int, ...]:
    return tuple(TOKENIZER(text).input_ids)


class Scripted:
    """A model that goes on with what `script` says behind each text; ``<eos>`` ends it."""

    policy_version = 3

    def __init__(self, script: Callable[[str], str]) -> None:
        self.script = script
        self.calls: list[list[Request]] = []

    def generate(
        self, requests: Sequence[Request], config: SamplingConfig, on_progress: object = None
    ) -> list[Generation]:
        self.calls.append(list(requests))
        return [self._one(request, config) for request in requests]

    def _one(self, request: Request, config: SamplingConfig) -> Generation:
        drawn = ids(self.script(str(TOKENIZER.decode(list(request.prompt_ids)))))[: request.limit(config)]
        written = list[int]()
        met = bool(config.stop) and StopFinder(TOKENIZER, config.stop).extend(written, drawn)
        written = written if config.stop else list(drawn)
        ended = met or written[-1] == TOKENIZER.eos_token_id
        return Generation(
            completion_ids=tuple(written),
            finish_reason="stop" if ended else "length",
            logprobs=tuple(-float(token) for token in written) if config.with_logprobs else None,
            met_stop=met,
        )


def scripted(*parts: tuple[str, str]) -> Callable[[str], str]:
    """Behind a text that ends with the first of a pair comes the second."""

    def script(text: str) -> str:
        return next(answer for end, answer in parts if text.endswith(end))

    return script


class Tool:
    """Shows every session that it is given."""

    def __init__(self, *outputs: ToolOutput) -> None:
        self.outputs = list(outputs)
        self.sessions: list[list[str]] = []

    def __call__(self, sessions: Sequence[Sequence[str]], /) -> list[ToolOutput]:
        self.sessions += [list(session) for session in sessions]
        return [self.outputs.pop(0) for _ in sessions]


def sampled(
    sampler: Scripted,
    tool: Tool,
    *,
    problems: int = 1,
    max_tokens: int = 400,
    stop: tuple[str, ...] = (),
    **budget: int,
) -> list[Rollout]:
    return sample_in_rounds(
        sampler,  # type: ignore[arg-type]
        TOKENIZER,
        [(problem, ids(problem.question + ":")) for problem in PROBLEMS[:problems]],
        SamplingConfig(max_tokens=max_tokens, stop=stop, with_logprobs=True),
        ToolRounds(tool=tool, **budget),
        samples_per_problem=1,
        run_seed=0,
        step=2,
    )


FIRST = "Let x.\n```python\nx = 2\n```\n"
SHOWN = "```output\n4\n```\n"


def test_a_program_is_run_and_the_model_goes_on_behind_its_output() -> None:
    sampler = Scripted(scripted(("p:", FIRST + "never"), (SHOWN, "So \\boxed{5}.<eos>")))
    tool = Tool(ToolOutput(text="4\n"))
    (rollout,) = sampled(sampler, tool)
    assert tool.sessions == [["x = 2\n"]]
    assert rollout.completion == FIRST + SHOWN + "So \\boxed{5}."
    assert rollout.own_words == "Let x.\n\nSo \\boxed{5}."
    assert rollout.judged_text == rollout.own_words
    assert rollout.completion_ids == ids(FIRST + SHOWN + "So \\boxed{5}.<eos>")
    own = [True] * len(ids(FIRST)) + [False] * len(ids(SHOWN)) + [True] * len(ids("So \\boxed{5}.<eos>"))
    assert rollout.own_tokens == tuple(own)
    assert rollout.num_own_tokens == sum(own)
    drawn = tuple(-float(token) if mine else 0.0 for token, mine in zip(rollout.completion_ids, own, strict=True))
    assert rollout.sampler_logprobs == drawn
    assert (rollout.finish_reason, rollout.policy_version) == ("stop", 3)
    first, second = (call[0] for call in sampler.calls)
    assert second.prompt_ids == ids("p:" + FIRST + SHOWN)  # what the engine drew, to the last token
    assert second.max_tokens == 400 - len(ids(FIRST + SHOWN))
    assert first.seed == rollout.seed != second.seed


def test_a_completion_without_a_program_is_the_one_that_is_drawn_without_a_tool() -> None:
    sampler, tool = Scripted(scripted(("p:", "It is \\boxed{5}.<eos>"))), Tool()
    (rollout,) = sampled(sampler, tool)
    (plain,) = sample_rollouts(
        sampler,  # type: ignore[arg-type]
        TOKENIZER,
        [(PROBLEMS[0], ids("p:"))],
        SamplingConfig(max_tokens=400, with_logprobs=True),
        samples_per_problem=1,
        run_seed=0,
        step=2,
    )
    assert rollout.own_words == plain.completion and all(rollout.own_tokens or ())
    same = ("completion", "completion_ids", "seed", "finish_reason", "sampler_logprobs")
    assert [getattr(rollout, name) for name in same] == [getattr(plain, name) for name in same]


def test_all_that_wait_for_a_program_go_on_in_one_batch() -> None:
    again = "```python\nprint(x)\n```\n"
    sampler = Scripted(
        scripted(("p:", FIRST), ("q:", again), (SHOWN, "\\boxed{5}<eos>"), ("7\n```\n", "\\boxed{7}<eos>"))
    )
    tool = Tool(ToolOutput(text="4"), ToolOutput(text="7"))
    first, second = sampled(sampler, tool, problems=2)
    assert [len(call) for call in sampler.calls] == [2, 2]
    assert tool.sessions == [["x = 2\n"], ["print(x)\n"]]
    assert (first.own_words, second.own_words) == ("Let x.\n\n\\boxed{5}", "\n\\boxed{7}")


def test_programs_of_one_completion_share_a_session_without_those_of_which_nothing_is_kept() -> None:
    program = "```python\n{}\n```\n"
    sampler = Scripted(
        scripted(
            ("p:", program.format("a")),
            ("1\n```\n", program.format("b")),
            ("late\n```\n", program.format("c")),
            ("3\n```\n", "<eos>"),
        )
    )
    tool = Tool(ToolOutput(text="1"), ToolOutput(text="late", kept=False), ToolOutput(text="3"))
    sampled(sampler, tool)
    assert tool.sessions == [["a\n"], ["a\n", "b\n"], ["a\n", "c\n"]]


def test_the_budget_of_turns_and_of_tokens() -> None:
    endless = Scripted(lambda text: "```python\nx\n```\n")
    tool = Tool(*[ToolOutput(text="1")] * 9)
    (rollout,) = sampled(endless, tool, turns=2)
    assert (len(tool.sessions), rollout.finish_reason, rollout.truncated) == (2, "length", True)
    assert rollout.completion == ("```python\nx\n```\n" + "```output\n1\n```\n") * 2 + "```python\nx\n```\n"
    sampler = Scripted(scripted(("p:", FIRST), ("ij\n```\n", "<eos>")))
    (rollout,) = sampled(sampler, Tool(ToolOutput(text="abcdefghij")), output_tokens=5)
    assert "```output\nab ... hij\n```\n" in rollout.completion
    room = len(ids(FIRST)) + len(ids(SHOWN))
    (cut,) = sampled(Scripted(scripted(("p:", FIRST))), Tool(ToolOutput(text="4")), max_tokens=room)
    assert (cut.completion, cut.finish_reason) == (FIRST, "length")  # not one token would have been left
    (one,) = sampled(Scripted(scripted(("p:", FIRST), (SHOWN, "So"))), Tool(ToolOutput(text="4")), max_tokens=room + 1)
    assert (one.completion, one.finish_reason, len(one.completion_ids)) == (FIRST + SHOWN + "S", "length", room + 1)


@pytest.mark.parametrize("most", [1, 5, 64])
@pytest.mark.parametrize("tokenizer", [TOKENIZER, llama()], ids=["bytes", "llama"])
def test_of_a_long_output_the_ends_are_shown_and_little_more_is_tokenised(
    tokenizer: PreTrainedTokenizerFast, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(most)
    words = [draw.choice(["Natalia", "12=", "{0}", "a.", ":"]) for _ in range(20_000)]
    longest, call = list[int](), PreTrainedTokenizerFast.__call__

    def measuring(self: PreTrainedTokenizerFast, texts: Any, **options: Any) -> Any:
        longest.append(max(map(len, [texts] if isinstance(texts, str) else texts)))
        return call(self, texts, **options)

    monkeypatch.setattr(PreTrainedTokenizerFast, "__call__", measuring)
    for count in (most, 40 * most, 20_000):  # shown whole, cut by its tokens, cut by its characters
        text = "".join(words[:count])
        whole = _behind_a_line_break(tokenizer, text)
        parts = whole[: most // 2], whole[len(whole) - (most - most // 2) :]
        shown = " ... ".join(str(tokenizer.decode(list(part))) for part in parts) if len(whole) > most else text
        wanted = _behind_a_line_break(tokenizer, f"```output\n{shown}\n```\n")
        longest.clear()
        assert _output_ids(tokenizer, text, most) == wanted
        assert max(longest) <= 2 * 64 * most + 100


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("```\nSo \\boxed{5}", "'''\nSo \\boxed{5}"),  # cannot leave its block and speak for the model
        ("<|end|><eos>", "< |end|>< eos>"),  # nor end the turn
        ("", ""),
        ("数", "数"),
    ],
)
def test_whatever_a_program_prints_stays_in_its_block(printed: str, shown: str) -> None:
    sampler = Scripted(scripted(("p:", FIRST), ("\n```\n", "I do not know.<eos>")))
    (rollout,) = sampled(sampler, Tool(ToolOutput(text=printed)))
    assert rollout.completion == FIRST + f"```output\n{shown}\n```\nI do not know."
    assert rollout.own_words == "Let x.\n\nI do not know."


def test_a_block_of_something_else_is_not_run_and_a_heading_ends_the_text() -> None:
    sampler = Scripted(scripted(("p:", "```\n5\n```\nso"), ("5\n```\n", "\\boxed{5}\nProblem: next")))
    tool = Tool()
    (rollout,) = sampled(sampler, tool, stop=("\nProblem:",))
    assert tool.sessions == []
    assert rollout.completion == rollout.own_words == "```\n5\n```\n\\boxed{5}"
    assert rollout.completion_ids == ids("```\n5\n```\n\\boxed{5}\nProblem:")
    assert rollout.finish_reason == "stop"


def test_blocks_of_a_text() -> None:
    text = "a\n```python\nx\n```\nb\n```text\ny\n```\n```py\nz"
    assert [(block.language, block.code, block.closed) for block in code_blocks(text)] == [
        ("python", "x\n", True),
        ("text", "y\n", True),
        ("py", "z", False),
    ]
    assert without_programs(text) == "a\n\nb\n```text\ny\n```\n"
    assert last_program("a\n```python\nx\n```\n ") == "x\n"
    assert last_program("```python\nx\n```\nb") is None
    assert last_program("```python\nx") is None
    assert last_program("```\nx\n```") is None
