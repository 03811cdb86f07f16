"""Chat templates of models, rendered in a child process within bounds: they are programs that come with a download."""

from __future__ import annotations

import datetime
import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["ChatTemplateError", "render_chats"]

FIRST_SECONDS = 0.5  # of processor time, for the first conversation; a template of 20,000 characters takes 0.05
MORE_SECONDS = 0.01  # for each other one; usually 0.0002
PATIENCE = 120.0  # seconds by the clock for a child that gets no processor
MORE_MEMORY = 1 << 30  # bytes beyond what the process has
LONGEST_TEXT = 1_000_000  # characters


class ChatTemplateError(ValueError):
    """A chat template that fails, does not end, or prints what is no prompt; says which, as "fails: why"."""


def render_chats(
    tokenizer: PreTrainedTokenizerBase,
    conversations: Sequence[Sequence[Mapping[str, str]]],
    *,
    template: str | None = None,
    add_generation_prompt: bool,
    day: datetime.date | None = None,
) -> list[str]:
    """The text of each conversation.

    Args:
        tokenizer: of the model; its template is taken where none is given.
        conversations: messages of "role" and "content".
        template: in place of the tokenizer's.
        add_generation_prompt: end where the model goes on.
        day: what a template prints that prints today's date; today where it is ``None``.

    Raises:
        ChatTemplateError: the template fails, or takes more time, memory or room than any does that is meant to be one.
    """
    if not conversations:
        return []
    import jinja2  # here rather than in every child  # noqa: F401

    def render(some: Sequence[Any]) -> list[str]:
        rendered: Any = tokenizer.apply_chat_template(
            list(some),
            chat_template=template,
            add_generation_prompt=add_generation_prompt,
            tokenize=False,
            strftime_now=(day or datetime.date.today()).strftime,  # what templates call that print today's date
        )
        return rendered

    def work() -> list[str]:
        signal.setitimer(signal.ITIMER_PROF, FIRST_SECONDS)
        texts = render(conversations[:1])
        signal.setitimer(signal.ITIMER_PROF, FIRST_SECONDS + MORE_SECONDS * len(conversations))
        texts += render(conversations[1:]) if len(conversations) > 1 else []
        longest = max(map(len, texts))
        if longest > LONGEST_TEXT:
            raise ValueError(f"it prints {longest:,} characters; expected at most {LONGEST_TEXT:,}")
        return texts

    texts, why = _in_a_child(work)
    if texts is None:
        raise ChatTemplateError(why)
    return texts


def _in_a_child(work: Callable[[], list[str]]) -> tuple[list[str] | None, str]:
    """The result of `work` in a fork of this process, or ``None`` and the reason.

    The bound is a timer whose signal kills: it also ends what is within one call of C, in whatever thread this is.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (_memory() + MORE_MEMORY, most))
            try:
                told = {"texts": work()}
            except BaseException as error:  # whatever it is, its words are for the parent
                told = {"why": f"fails: {str(error)[:300]} ({type(error).__name__})"}
            with os.fdopen(writing, "w", encoding="utf-8", errors="surrogatepass") as out:
                json.dump(told, out)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    content = _read(reading, time.monotonic() + PATIENCE)
    os.kill(child, signal.SIGKILL)  # of no effect on one that has ended
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return None, f"does not end within its {FIRST_SECONDS} s of processor time"
    try:
        told = json.loads(content)
    except ValueError:
        return None, f"ends its process without a word (status {status})"
    return told.get("texts"), told.get("why", "")


def _read(reading: int, deadline: float) -> bytes:
    """Everything that comes through a pipe until it is closed or the time is over."""
    content = b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = pipe.read(1 << 20)
            if not piece:
                break
            content += piece
    return content


def _memory() -> int:
    """Bytes of address space of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
