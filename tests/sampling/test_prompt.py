"""Prompts and what follows them, as the tokens that a model gets and writes."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from sampling.prompt import continuations, encode_prompts
from tests.sampling.tokenizers import llama
from training.models.embedded import build_embedded_tokenizer


def tokens(tokenizer: PreTrainedTokenizerFast, ids: tuple[int, ...]) -> list[str]:
    return [str(tokenizer.convert_ids_to_tokens(token)) for token in ids]


@pytest.mark.parametrize("eos_behind", [False, True])
def test_a_prompt_begins_with_bos_and_never_ends_with_eos(eos_behind: bool) -> None:
    """A tokenizer that appends EOS to every text would tell the model that the problem is over before it answers."""
    (prompt,) = encode_prompts(llama(eos_behind=eos_behind), ["sold?"], templated=False)
    assert tokens(llama(), prompt.ids) == ["<s>", "▁", "s", "o", "l", "d", "?"]
    assert (prompt.text, prompt.leading) == ("sold?", 1)


def test_a_chat_template_writes_its_own_bos() -> None:
    (prompt,) = encode_prompts(llama(), ["<s>sold"], templated=True)
    assert tokens(llama(), prompt.ids).count("<s>") == 1 and prompt.leading == 0


def test_a_tokenizer_without_bos_gets_none() -> None:
    (prompt,) = encode_prompts(build_embedded_tokenizer(), ["1+1"], templated=False)
    assert prompt.ids == tuple(build_embedded_tokenizer()("1+1").input_ids) and prompt.leading == 0


def test_a_solution_is_encoded_where_it_stands() -> None:
    """Alone it would begin with ▁Natalia, which the model cannot write right behind a colon."""
    tokenizer = llama()
    (prompt,) = encode_prompts(tokenizer, ["sold:"], templated=False)
    (ids,) = continuations(tokenizer, [prompt], ["Natalia"])
    assert tokens(tokenizer, ids) == ["Na", "talia"]
    assert tokens(tokenizer, tuple(tokenizer("Natalia", add_special_tokens=False).input_ids)) == ["▁Natalia"]


def test_a_token_over_the_border_is_split_there() -> None:
    """Together, ``Na`` joins the prompt's N and the text's a; the prompt that is asked ends in N all the same."""
    tokenizer = llama()
    (prompt,) = encode_prompts(tokenizer, ["N"], templated=False)
    (ids,) = continuations(tokenizer, [prompt], ["atalia"])
    assert tokens(tokenizer, prompt.ids) == ["<s>", "▁", "N"]
    assert tokens(tokenizer, ids) == ["a", "talia"]
    assert tokenizer.decode([*prompt.ids, *ids], skip_special_tokens=True) == "Natalia"


def test_texts_that_no_tokens_give_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = llama()
    (prompt,) = encode_prompts(tokenizer, ["N"], templated=False)
    monkeypatch.setattr(tokenizer, "decode", lambda ids: str(len(ids)))  # no number of tokens reads like another
    with pytest.raises(ValueError, match=r"give the text 'atalia' behind its prompt; end the prompt with a line break"):
        continuations(tokenizer, [prompt], ["atalia"])
