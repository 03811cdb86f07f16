"""The step that sizes are measured with is a real one, on a tiny model; the shapes are Qwen2.5's."""

from __future__ import annotations

import importlib.util

import pytest

from experiments.speed.sizes import OPTIONS, ROWS, SHAPES, measure_size, qwen_config, size_table

TINY = {
    **qwen_config("0.5B"),
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
PACKAGES = {"lora_rank": "peft", "optimizer": "torchao"}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_takes_its_steps(option: str) -> None:
    for field, package in PACKAGES.items():
        if field in OPTIONS[option] and importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    row = measure_size(TINY, "tiny", option, sequences=16, prompt=4, completion=8)
    assert row.tokens_per_second is not None and row.tokens_per_second > 0
    assert size_table([row]).splitlines()[-1].startswith(f"| tiny | {option} | 0.0 | 0.0 | ")


@pytest.mark.parametrize(("size", "billions"), [("0.5B", 0.49), ("1.5B", 1.54), ("3B", 3.09), ("7B", 7.62)])
def test_the_shapes_have_as_many_weights_as_the_models(size: str, billions: float) -> None:
    """As the models' pages state them: 0.49B, 1.54B, 3.09B and 7.61B."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    with torch.device("meta"):
        model = Qwen2ForCausalLM(Qwen2Config(**qwen_config(size)))
    assert sum(weight.numel() for weight in model.parameters()) / 1e9 == pytest.approx(billions, abs=0.01)


def test_rows_are_of_known_sizes_and_options() -> None:
    assert {size for size, _ in ROWS} == set(SHAPES)
    assert {option for _, option in ROWS} <= set(OPTIONS)
