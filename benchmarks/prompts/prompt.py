"""The types that `benchmarks.prompts` hands on."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PLACE", "Mode", "Prompt"]

PLACE = "{question}"


class Mode(enum.StrEnum):
    """The ways in which an answer comes out of a model."""

    WORDS = "words"  # it writes a solution; the final answer is read off the text
    LIKELIHOOD = "likelihood"  # it writes nothing; the option letter that it finds most likely is its answer
    PROGRAM = "program"  # it writes one program, which is run; what that prints is the answer
    PROOF = "proof"  # it proves a formal statement, and a proof checker judges that
    TOOL = "tool"  # it writes text and programs in turns, reads what they print, and says the answer in words


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The text around a question.

    Attributes:
        name: what it is called on the command line; ``auto`` is resolved.
        template: with ``{question}`` once or more.
        examples: worked examples that stand before it, as text, by the id of their problem.
        whole: all that the model gets; otherwise it is a user's message, for a chat template to wrap.
        mode: how the answer comes out.
        stop: texts at which a completion ends; they are no part of it.
    """

    name: str
    template: str
    examples: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    mode: Mode = Mode.WORDS
    stop: tuple[str, ...] = ()

    def text(self, question: str, *, problem_id: str | None = None) -> str:
        """The prompt with a question in it; a problem is never its own example."""
        examples = [example for name, example in self.examples.items() if name != problem_id]
        return "".join(examples) + self.template.replace(PLACE, question)
