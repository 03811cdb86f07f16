"""Names that are proposed for one that is not there."""

from __future__ import annotations

import pytest

from benchmarks.naming import did_you_mean, nearest_names

METHODS = ("dapo", "dpo", "grpo", "gmpo", "gspo", "grpo_process", "grpo@trl-1.16", "dpo@trl-1.16", "reinforce")


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("gpro", METHODS, ["grpo"]),  # letters that changed places; gspo and gmpo are other methods
        ("grpo_proces", METHODS, ["grpo_process"]),
        ("grpo@trl-1.6", METHODS, ["grpo@trl-1.16"]),
        ("GRPO", METHODS, ["grpo"]),
        ("reinforce++", ("reinforce", "reinforce_plus_plus"), ["reinforce_plus_plus"]),
        ("raft++", ("raft", "rft", "raft_plus_plus"), ["raft_plus_plus"]),
        ("nosuch", METHODS, []),  # was answered with 'reinforce'
        ("online_offline", ("online-offline", "arithmetic"), ["online-offline"]),
        ("arith", ("arithmetic", "arithmetic-rates", "gsm8k-grpo"), ["arithmetic", "arithmetic-rates"]),
        ("temp", ("chat_template", "temperature"), ["temperature"]),
        ("kl", ("kl_coef", "kl_form", "clip_low", "skill"), ["kl_coef", "kl_form"]),
        ("mean_zero", ("group_mean_zero", "finite"), ["group_mean_zero"]),
        ("answr", ("question", "completion", "answer"), ["answer"]),
        ("gsm8kk", ("gsm8k", "gsm_hard"), ["gsm8k"]),
        ("", ("gsm8k",), []),
        ("gsm8k", (), []),
    ],
)
def test_the_nearest_names_and_no_others_are_proposed(name: str, known: tuple[str, ...], near: list[str]) -> None:
    assert nearest_names(name, known) == near


def test_proposals_end_where_the_message_goes_on() -> None:
    assert f"no such method{did_you_mean('gpro', METHODS)}Known: …" == "no such method; did you mean 'grpo'? Known: …"
    assert f"no such method{did_you_mean('nosuch', METHODS)}Known: …" == "no such method. Known: …"
