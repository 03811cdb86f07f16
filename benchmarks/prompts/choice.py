"""The prompt for a benchmark and a model: one place decides, and `coeflab prompt` shows what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.naming import did_you_mean
from benchmarks.prompts.exemplars import Exemplar, Load, boxed_solution, exemplars_of
from benchmarks.prompts.instructions import INSTRUCTIONS, LAYOUTS, Layout, deepseek_chat
from benchmarks.prompts.prompt import PLACE, Mode, Prompt
from benchmarks.registry import BENCHMARKS, AnswerKind

__all__ = ["PROMPTS", "check_name", "choose_prompt", "language_of"]

PROMPTS: Mapping[str, str] = {
    "auto": "chain_of_thought for a model with a chat template, few_shot for one without",
    "bare": "the question itself",
    "bare_program": "the question and the beginning of a block of code, which is run",
    "bare_tool": "the question and a line break: text and programs in turns, as with tool",
    "chain_of_thought": "a user's message: the question, and to reason step by step and box the answer",
    "deepseek_chat": "chain_of_thought in DeepSeekMath's own chat template, whatever the model's is",
    "few_shot": "worked examples in words before the question, for a base model",
    "program": "one Python program, which is run: a message, or worked examples for a model without chat template",
    "few_shot_program": "worked examples with programs before the question, whatever the model",
    "tool": "a user's message: text and programs in turns, each run in one session, its output shown to the model",
    "proof": "a user's message: the problem, its informal proof and its formal statement (task.checker), to be proved",
    "likelihood": "the option letter that the model finds most likely; nothing is written",
}
"""Values of `--prompt`, beside a text file with ``{question}`` in it, with their meaning."""

BARE: Mapping[str, Prompt] = {
    "bare": Prompt(name="bare", template=PLACE, whole=True),
    "bare_program": Prompt(
        name="bare_program", template=f"{PLACE}\n```python\n", whole=True, mode=Mode.PROGRAM, stop=("\n```",)
    ),
    "bare_tool": Prompt(name="bare_tool", template=f"{PLACE}\n", whole=True, mode=Mode.TOOL),
}
"""Prompts without words, for models of the embedded task."""

_OLD_NAMES = {"chain_of_thought_zh": ("chain_of_thought", "zh")}  # configurations of coeflab 0.1 have it


def choose_prompt(
    name: str,
    benchmark: str,
    *,
    chat: bool,
    load: Load,
    language: str | None = None,
    shots: int | None = None,
) -> Prompt:
    """The prompt of that name for a benchmark.

    Args:
        name: a key of `PROMPTS`, or a text file.
        benchmark: a name of the registry; any other has no examples and asks in English.
        chat: whether the model has a chat template.
        load: gives training problems by (benchmark, split), for examples.
        language: of the prompt (`LAYOUTS`); ``None`` takes the benchmark's.
        shots: worked examples; ``None`` takes the paper's number, or all there are where the paper has none.

    Raises:
        ValueError: no such prompt or language, more shots than examples, or options where the benchmark has none.
    """
    check_name(name)
    name, language = _OLD_NAMES.get(name, (name, language))
    if name.endswith(".txt"):
        return Prompt(name=name, template=_read(Path(name).expanduser()))
    language = language_of(benchmark, language)
    if name == "auto":
        name = "chain_of_thought" if chat else "few_shot"
    if name == "likelihood":
        _check_options(benchmark)
    if name in ("few_shot", "few_shot_program") or (name in ("program", "likelihood") and not chat):
        mode = {"few_shot": Mode.WORDS, "likelihood": Mode.LIKELIHOOD}.get(name, Mode.PROGRAM)
        examples = _taken(exemplars_of(benchmark, load), benchmark, mode, shots)
        return _with_examples(name, LAYOUTS[language], examples, mode)
    if shots is not None:
        raise ValueError(f"shots is {shots}, and the prompt {name!r} has no examples; expected few_shot, or no shots.")
    if name in BARE:
        return BARE[name]
    if name == "deepseek_chat":
        return Prompt(name=name, template=deepseek_chat(INSTRUCTIONS[Mode.WORDS][language]), whole=True)
    mode = Mode.WORDS if name == "chain_of_thought" else Mode(name)
    return Prompt(name=name, template=INSTRUCTIONS[mode][language], mode=mode)


def check_name(name: str) -> None:
    """Refuse what names no prompt; nothing is loaded.

    Raises:
        ValueError: the nearest names are given; or a text file is not there or has no place for the question.
    """
    if name.endswith(".txt"):
        _read(Path(name).expanduser())
    elif name not in PROMPTS and name not in _OLD_NAMES:
        near = did_you_mean(name, PROMPTS)
        raise ValueError(f"unknown prompt {name!r}{near}Known: {', '.join(PROMPTS)}, or a file NAME.txt.")


def language_of(benchmark: str, language: str | None = None) -> str:
    """The language of a benchmark's prompt: the one that is asked for, its own, or English.

    Raises:
        ValueError: there are no prompts in the language that is asked for.
    """
    if language is not None and language not in LAYOUTS:
        raise ValueError(
            f"there is no prompt in the language {language!r}, only in {', '.join(LAYOUTS)}; write one in a text file "
            f"with {PLACE} in it and give its name as the prompt."
        )
    own = BENCHMARKS[benchmark].language if benchmark in BENCHMARKS else "en"
    return language or (own if own in LAYOUTS else "en")


def _check_options(benchmark: str) -> None:
    with_options = [name for name, known in BENCHMARKS.items() if known.answer is AnswerKind.OPTION]
    if benchmark in BENCHMARKS and benchmark not in with_options:
        raise ValueError(
            f"{benchmark} has no options whose likelihood could be compared; {', '.join(with_options)} have."
        )


def _taken(exemplars: Sequence[Exemplar], benchmark: str, mode: Mode, shots: int | None) -> Sequence[Exemplar]:
    """The first `shots` of the examples that have what the mode shows."""
    held = [exemplar for exemplar in exemplars if mode is not Mode.PROGRAM or exemplar.program is not None]
    if shots is None:
        shots = len(held)
    if not 0 <= shots <= len(held):
        kind = "examples with a program" if mode is Mode.PROGRAM else "worked examples"
        raise ValueError(f"shots is {shots} and {benchmark} has {len(held)} {kind}; expected 0 to {len(held)}.")
    return held[:shots]


def _with_examples(name: str, layout: Layout, exemplars: Sequence[Exemplar], mode: Mode) -> Prompt:
    return Prompt(
        name=name,
        template=_example(layout, PLACE, "", mode),
        examples={
            exemplar.problem_id: _example(layout, exemplar.question, _shown(exemplar, layout, mode), mode) + "\n\n"
            for exemplar in exemplars
        },
        whole=True,
        mode=mode,
        stop=("\n```",) if mode is Mode.PROGRAM else (f"\n{layout.problem}",),
    )


def _example(layout: Layout, question: str, shown: str, mode: Mode) -> str:
    """A question with what follows it; without, where the model is to go on."""
    match mode:
        case Mode.PROGRAM:
            end = f"{layout.program}\n```python" + (f"\n{shown}\n```" if shown else "\n")
        case Mode.LIKELIHOOD:
            end = layout.answer + (f" {shown}" if shown else "")
        case _:
            end = layout.solution + (f"\n{shown}" if shown else "")
    return f"{layout.problem}\n{question}\n\n{end}"


def _shown(exemplar: Exemplar, layout: Layout, mode: Mode) -> str:
    match mode:
        case Mode.PROGRAM:
            return exemplar.program or ""
        case Mode.LIKELIHOOD:
            return exemplar.answer
        case _:
            return boxed_solution(exemplar.solution, exemplar.answer, layout.closing)


def _read(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f"there is no prompt file {path}; expected a text file with {PLACE} in it.")
    try:
        text = path.read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the prompt file {path} cannot be read ({error}); expected a text file in UTF-8.") from error
    if PLACE not in text:
        raise ValueError(f"the prompt file {path} has no {PLACE}; expected it where the problem is to stand.")
    return text
