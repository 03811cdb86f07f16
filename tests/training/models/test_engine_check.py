"""The weight check on models that hardly move: it disturbs them more until it can see, and says where it never can."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampling.transformers_engine import TransformersSampler
from tests.training.models.tiny import save_tiny
from training.models.engine_check import SamplerMismatchError, check_weight_loading
from training.models.policy import Policy, load_policy

PROMPTS = [(5, 6, 7), (9, 10, 11, 12), (13, 4)]
SMALL, LEAST = 2e-4, 1e-5  # standard deviations of the weights; trained ones have 0.02 and more


class Deaf(TransformersSampler):
    """An engine that reports every load and keeps its weights."""

    def load_weights(self, named_tensors, policy_version: int) -> None:
        self.policy_version = policy_version


def opened(folder: Path, size: float) -> Policy:
    return load_policy(save_tiny("llama", folder, initializer_range=size))


def test_a_model_of_small_random_weights_is_disturbed_until_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, sampler = opened(tmp_path, SMALL), TransformersSampler(tmp_path, eos_token_ids=(2,))
    with monkeypatch.context() as patched:  # as it was before: the first disturbance alone
        patched.setattr("training.models.engine_check.SCALES", (1,))
        with pytest.raises(SamplerMismatchError, match=r"cannot see anything: .* changed 0\.1-fold"):
            check_weight_loading(sampler, policy, PROMPTS, tolerance=1e-4, policy_version=0)
    check = check_weight_loading(sampler, policy, PROMPTS, tolerance=1e-4, policy_version=0)
    assert check.disturbance > 3e-4 and check.disturbed_mean_difference < 1e-5


def test_a_deaf_engine_is_still_found_out_on_it(tmp_path: Path) -> None:
    policy, sampler = opened(tmp_path, SMALL), Deaf(tmp_path, eos_token_ids=(2,))
    with pytest.raises(SamplerMismatchError, match=r"0\.00e\+00 .* after loading the policy, .*ignores"):
        check_weight_loading(sampler, policy, PROMPTS, tolerance=1e-4, policy_version=0)


def test_where_no_disturbance_shows_the_remedy_is_named(tmp_path: Path) -> None:
    policy, sampler = opened(tmp_path, LEAST), TransformersSampler(tmp_path, eos_token_ids=(2,))
    with pytest.raises(SamplerMismatchError, match=r"cannot see anything.*lower logprob_tolerance"):
        check_weight_loading(sampler, policy, PROMPTS, tolerance=0.1, policy_version=0)
