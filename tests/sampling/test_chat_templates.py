"""Chat templates are programs that come with a download: each ends within a second, or is refused by name."""

from __future__ import annotations

import datetime

import pytest
from transformers import PreTrainedTokenizerFast

from sampling.chat_templates import ChatTemplateError, render_chats
from tests.timing import turns
from training.models.embedded import build_embedded_tokenizer

DAY = datetime.date(2024, 2, 29)


def tokenizer_with(template: str) -> PreTrainedTokenizerFast:
    tokenizer = build_embedded_tokenizer()
    tokenizer.chat_template = template
    return tokenizer


def render(tokenizer: PreTrainedTokenizerFast, *questions: str) -> list[str]:
    asked = [[{"role": "user", "content": question}] for question in questions]
    return render_chats(tokenizer, asked, add_generation_prompt=True, day=DAY)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "does not end within"),
        ("{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}", "fails: .*RecursionError|does not end"),
        ("{% set n = 10 ** (10 ** 8) %}{{ n }}", "does not end within"),  # in one call of C
        ("{{ 'a' * 10 ** 11 }}", "fails: .*MemoryError"),
        ("{{ 'a' * 10 ** 7 }}", "fails: .*it prints 10,000,000 characters; expected at most 1,000,000"),
        ("{{ messages[0].content.nothing() }}", "fails: .*UndefinedError"),
        ("{{ raise_exception('no system prompt') }}", "fails: .*no system prompt"),
        ("{% for %}", "fails: .*TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "fails: .*SecurityError"),
    ],
)
def test_a_template_that_is_none_is_refused_by_name_at_once(template: str, why: str) -> None:
    tokenizer = tokenizer_with(template)

    def refused() -> None:
        with pytest.raises(ChatTemplateError, match=why):
            render(tokenizer, "1+1?")

    assert turns(refused) < 50e6  # of ours; the child has half a second


def test_a_template_gives_the_library_s_own_prompts() -> None:
    tokenizer = tokenizer_with(
        "{{ strftime_now('%d %b %Y') }}\n{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}\ud800{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    assert render(tokenizer, " é ", "2+2?") == [
        "29 Feb 2024\n<user>é\ud800<assistant>",
        "29 Feb 2024\n<user>2+2?\ud800<assistant>",
    ]
    assert render(tokenizer) == []


def test_a_template_that_loops_at_a_later_question_only_is_bounded_too() -> None:
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    tokenizer = tokenizer_with("{% if messages[0].content == 'bad' %}" + loop + "{% endif %}x")
    assert render(tokenizer, "good") == ["x"]
    with pytest.raises(ChatTemplateError, match="does not end within"):
        render(tokenizer, "good", "bad")
