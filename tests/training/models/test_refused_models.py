"""What cannot be trained is refused by its folder, one sentence a kind; what ends a completion is found there too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.training.models.tiny import save_tiny, tiny_config
from training.models.embedded import build_embedded_tokenizer
from training.models.folder import ModelNotFoundError, end_tokens, resolve_model
from training.models.policy import load_policy

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def edit(path: Path, **changed: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@pytest.mark.parametrize(
    ("kind", "changed", "message"),
    [
        (
            "bloom",
            {"max_position_embeddings": None},
            r"\(bloom\) names no longest sequence: its config.json has no max_position_embeddings",
        ),
        ("mamba", {"max_position_embeddings": None}, r"\(mamba\) names no longest sequence"),
        ("opt", {"word_embed_proj_dim": 32, "ffn_dim": 64}, r"projects its embeddings .* 32 to hidden_size 64"),
        (
            "qwen3_next",
            {"num_key_value_heads": 1, "num_experts": 2, "moe_intermediate_size": 8, "head_dim": 32},
            r"\(qwen3_next\) reads a sequence through a recurrent state",
        ),
    ],
)
def test_architectures_that_are_not_trained_here(kind: str, changed: dict, message: str, tmp_path: Path) -> None:
    tiny_config(kind, architectures=["SomeForCausalLM"], **changed).save_pretrained(tmp_path)
    with pytest.raises(ModelNotFoundError, match=message):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vision_config": {"depth": 2}}, "a model of several modalities: its config.json has vision_config"),
        ({"audio_config": {}, "image_token_id": 5}, "has audio_config, image_token_id"),
        (
            {"architectures": ["T5ForConditionalGeneration"]},
            "not a causal language model: .* T5ForConditionalGeneration",
        ),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, r"quantised weights \(gptq\)"),
        ({"quantization": "fp8"}, r"quantised weights \(fp8\)"),
    ],
)
def test_weights_that_are_not_trained_here(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    save_tiny("llama", tmp_path)
    resolve_model(str(tmp_path))
    edit(tmp_path / "config.json", **changed)
    with pytest.raises(ModelNotFoundError, match=message):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize(("base", "named"), [({"base_model_name_or_path": "org/base"}, "org/base"), ({}, "its base")])
def test_an_adapter_without_its_base(base: dict[str, str], named: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **base}))
    with pytest.raises(
        ModelNotFoundError, match=rf"an adapter alone, without the model that it changes \({named}.*coeflab convert"
    ):
        resolve_model(str(tmp_path))


@pytest.mark.parametrize("kind", ["gpt2", "opt"])
def test_their_whole_kin_is_trained(kind: str, tmp_path: Path) -> None:
    """Else the refusals above would be of the family."""
    changed = {"ffn_dim": 64} if kind == "opt" else {}
    policy = load_policy(save_tiny(kind, tmp_path, **changed))
    assert policy.eos_token_ids == (2,) and policy.max_positions == 64


def test_an_end_of_sequence_outside_the_vocabulary(tmp_path: Path) -> None:
    """GPT-2's configuration names 50256 whatever its size."""
    save_tiny("gpt2", tmp_path)
    edit(tmp_path / "generation_config.json", eos_token_id=50256)
    with pytest.raises(ModelNotFoundError, match=r"end-of-sequence token 50256 .* vocabulary of 64 .* own is 2"):
        load_policy(tmp_path)
    edit(tmp_path / "generation_config.json", eos_token_id=[2, 64])
    with pytest.raises(ModelNotFoundError, match="end-of-sequence token 64"):
        load_policy(tmp_path)
    endless = build_embedded_tokenizer()
    edit(tmp_path / "generation_config.json", eos_token_id=None)
    endless.eos_token = None
    with pytest.raises(ModelNotFoundError, match=r"names no end-of-sequence token, .*; expected one: set eos_token_id"):
        end_tokens(tmp_path, endless)


def test_a_tokenizer_of_more_tokens_than_the_model_has(tmp_path: Path) -> None:
    save_tiny("llama", tmp_path, vocab_size=21)  # the tokenizer's highest is 21
    with pytest.raises(ModelNotFoundError, match="the tokenizer has token 21 and the model a vocabulary of 21"):
        load_policy(tmp_path)


def test_tokens_that_were_added_beyond_the_vocabulary_do_no_harm(tmp_path: Path) -> None:
    """As in Gemma 3, whose image token no text gives, and where padding was added without a row for it."""
    save_tiny("llama", tmp_path, vocab_size=22)
    tokenizer = build_embedded_tokenizer()
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(tmp_path)
    assert tokenizer.pad_token_id == 22
    assert load_policy(tmp_path).pad_token_id == 2


@pytest.mark.parametrize(("template", "expected"), [(TEMPLATE, (2, 23)), ("{{ messages[1].content }}\n", (2,))])
def test_the_token_with_which_the_chat_template_ends_an_answer_ends_completions(
    template: str, expected: tuple[int, ...], tmp_path: Path
) -> None:
    """The generation configuration names 2 alone, as those of many base models with a chat template do."""
    save_tiny("llama", tmp_path)
    tokenizer = build_embedded_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = template
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") == 23
    assert end_tokens(tmp_path, tokenizer).eos_token_ids == expected
    tokenizer.save_pretrained(tmp_path)
    assert load_policy(tmp_path).eos_token_ids == expected


@pytest.mark.parametrize("said", [{"temperature": 0.6}, {"top_p": 0.9}, {"temperature": 0.6, "top_k": 20}])
def test_a_generation_configuration_that_transformers_refuses_to_save_is_mended(said: dict, tmp_path: Path) -> None:
    """Published models have a temperature beside sampling switched off; that loads, and crashed the first save."""
    save_tiny("llama", tmp_path / "start")
    edit(tmp_path / "start" / "generation_config.json", do_sample=False, **said)
    unmended: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "start")
    with pytest.raises(ValueError, match="GenerationConfig"):
        unmended.save_pretrained(tmp_path / "never")
    policy = load_policy(tmp_path / "start")
    policy.save(tmp_path / "now")
    saved = json.loads((tmp_path / "now" / "generation_config.json").read_text())
    assert {name: saved[name] for name in said} == said and saved["eos_token_id"] == 2
    again = load_policy(tmp_path / "now")
    assert all(torch.equal(a, b) for a, b in zip(policy.model.parameters(), again.model.parameters(), strict=True))
