"""`coeflab coefficients`: what it prints for a batch that can be worked by hand, and what it says of a broken one."""

from __future__ import annotations

import copy
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from algorithms import METHODS
from experiments.cli import main
from experiments.inspection.coefficients import coefficients_of
from experiments.inspection.frozen_batch import parse_batch, read_batch

ARRAYS = ("policy_logprobs", "old_logprobs", "reference_logprobs", "sampler_logprobs", "values")


def sequence(group: str, reward: float, length: int, pair: str, chosen: bool) -> dict[str, Any]:
    return {
        "group": group,
        "reward": reward,
        **{name: [-0.5] * length for name in ARRAYS},
        "entropies": [0.5] * length,
        "step_rewards": [reward],
        "step_ends": [length - 1],
        "pair": pair,
        "chosen": chosen,
        "truncated": False,
        "greedy_reward": 0.0,
        "tokens": [f"t{place}" for place in range(length)],
    }


def batch() -> dict[str, Any]:
    """Two problems with two completions each; policy, old, reference and sampler agree."""
    return {
        "sequences": [
            sequence("q1", 1.0, 2, "p1", True),
            sequence("q1", 0.0, 3, "p1", False),
            sequence("q2", 0.0, 1, "p2", False),
            sequence("q2", 4.0, 2, "p2", True),
        ],
        "max_length": 10,
        "kl_estimate": 0.25,
    }


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, data: Any, *options: str) -> int:
    file = tmp_path / "batch.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["coeflab", "coefficients", "--batch", str(file), *options])
    try:
        main()
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


def test_one_method_is_one_json_object(monkeypatch, tmp_path, capsys) -> None:
    """On-policy at the reference GRPO's coefficient is ±1/√2: the std of two rewards is their distance over √2."""
    assert run(monkeypatch, tmp_path, batch(), "--algorithm", "grpo", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"algorithm", "aggregation", "credit", "coefficients", "weights"}
    assert (printed["algorithm"], printed["aggregation"]) == ("grpo", "sequence_mean")
    half = 1 / math.sqrt(2)
    for found in (printed["credit"], printed["coefficients"]):
        assert [len(row) for row in found] == [2, 3, 1, 2]
        assert [row[0] for row in found] == pytest.approx([half, -half, -half, half], rel=1e-12)
    assert printed["weights"] == pytest.approx([1 / 8, 1 / 12, 1 / 4, 1 / 8])


def test_several_methods_are_a_list_and_fields_are_set(monkeypatch, tmp_path, capsys) -> None:
    options = ["--algorithm", "dpo", "--algorithm", "dpo@trl-1.16", "--set", "dpo_beta=0.5", "--json"]
    assert run(monkeypatch, tmp_path, batch(), *options) == 0
    normalised, published = json.loads(capsys.readouterr().out)
    for printed in (normalised, published):  # margin 0: ±β/2
        assert [row[0] for row in printed["coefficients"]] == [0.25, -0.25, -0.25, 0.25]
    assert normalised["weights"] == pytest.approx([1 / 4, 1 / 6, 1 / 2, 1 / 4])  # 1/|o| over two pairs
    assert published["weights"] == [0.5] * 4


def test_a_dropped_group_has_weight_zero_and_is_not_divided_by(monkeypatch, tmp_path, capsys) -> None:
    data = batch()
    data["sequences"][0]["reward"] = 0.0
    assert run(monkeypatch, tmp_path, data, "--algorithm", "dapo", "--json") == 0
    assert json.loads(capsys.readouterr().out)["weights"] == pytest.approx([0, 0, 1 / 3, 1 / 3])


def test_explained_parts_make_up_the_coefficient(monkeypatch, tmp_path, capsys) -> None:
    data = batch()
    for index, item in enumerate(data["sequences"]):
        for shift, name in enumerate(ARRAYS):
            item[name] = [value - 0.1 * shift * (index + 1) for value in item[name]]
    options = ["--algorithm", "grpo@trl-1.16", "--set", "kl_coef=0.3", "--set", "entropy_coef=0.1", "--explain"]
    assert run(monkeypatch, tmp_path, data, *options, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["factors"]) == {"ratio", "clip", "mismatch"} and set(printed["terms"]) == {"kl", "entropy"}
    for index, row in enumerate(printed["coefficients"]):
        for place, value in enumerate(row):
            product = printed["credit"][index][place]
            for part in printed["factors"].values():
                product *= part[index][place]
            assert value == pytest.approx(product + sum(part[index][place] for part in printed["terms"].values()))


def test_tables_show_sequences_and_tokens(monkeypatch, tmp_path, capsys) -> None:
    assert run(monkeypatch, tmp_path, batch(), "--algorithm", "grpo") == 0
    table = capsys.readouterr().out
    assert "grpo · aggregation sequence_mean" in table and "0.7071" in table and "0.08333" in table
    assert run(monkeypatch, tmp_path, batch(), "--algorithm", "grpo", "--explain") == 0
    explained = capsys.readouterr().out
    assert "sequence 3, group q2, reward 4.0" in explained and "× ratio" in explained and "t1" in explained


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_a_batch_that_holds_everything(name: str) -> None:
    result = coefficients_of(parse_batch(batch()), name, {})
    assert [len(row) for row in result.coefficients] == [2, 3, 1, 2]
    assert any(value != 0 for row in result.coefficients for value in row)


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    data = copy.deepcopy(data)
    for item in data["sequences"]:
        for name in names:
            del item[name]
    return data


def changed(index: int, **fields: Any) -> dict[str, Any]:
    data = batch()
    data["sequences"][index].update(fields)
    return data


@pytest.mark.parametrize(
    ("method", "unread"),
    [
        ("sft", ("reward", "group", *ARRAYS, "step_rewards", "step_ends", "pair", "chosen", "truncated")),
        ("rft", ("group", *ARRAYS, "step_rewards", "step_ends", "pair", "chosen", "greedy_reward")),
        ("dpo", ("reward", "group", "old_logprobs", "sampler_logprobs", "values", "step_rewards", "step_ends")),
        ("grpo_process", ("reward", "sampler_logprobs", "values", "pair", "chosen", "tokens")),
        ("dr_grpo", ("reference_logprobs", "sampler_logprobs", "values", "step_rewards", "step_ends")),
    ],
)
def test_what_a_method_does_not_read_may_be_absent(method: str, unread: tuple[str, ...]) -> None:
    whole = coefficients_of(parse_batch(batch()), method, {})
    assert coefficients_of(parse_batch(without(batch(), *unread)), method, {}) == whole


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("grpo", "old_logprobs"),
        ("grpo", "reference_logprobs"),
        ("grpo", "group"),
        ("grpo", "reward"),
        ("grpo", "policy_logprobs"),
        ("rft", "reward"),
        ("ppo", "values"),
        ("dpo", "pair"),
        ("dpo", "chosen"),
        ("remax", "greedy_reward"),
        ("dapo_top_entropy", "entropies"),
        ("grpo@trl-1.16", "sampler_logprobs"),
    ],
)
def test_a_missing_array_is_named(method: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"^{method} needs {missing}, which this batch does not hold"):
        coefficients_of(parse_batch(without(batch(), missing)), method, {})


def test_kto_needs_the_estimate_of_the_kl() -> None:
    """At log-ratio 0 and z₀ = 10: p = σ(−1), and a coefficient ±0.1·p(1 − p)."""
    data = batch()
    del data["kl_estimate"]
    with pytest.raises(ValueError, match="kto needs kl_estimate, which this batch does not hold; add it beside"):
        coefficients_of(parse_batch(data), "kto", {})
    found = coefficients_of(parse_batch({**data, "kl_estimate": 10}), "kto", {})
    p = 1 / (1 + math.e)
    assert [row[0] for row in found.coefficients] == pytest.approx(
        [0.1 * p * (1 - p) * sign for sign in (1, -1, -1, 1)]
    )


def test_dr_grpo_needs_the_length_limit() -> None:
    data = batch()
    del data["max_length"]
    with pytest.raises(ValueError, match="dr_grpo divides by max_length"):
        coefficients_of(parse_batch(data), "dr_grpo", {})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(1, old_logprobs=[-0.5, -0.5]), "arrays of sequence 1 differ in length: .*old_logprobs 2"),
        (changed(2, values=[float("nan")]), r"values\[0\] of sequence 2 is nan; expected a finite number"),
        (changed(3, reward=float("inf")), "reward of sequence 3 is inf"),
        (changed(0, reward="1"), "reward of sequence 0 is '1'"),
        (changed(0, chosen=1), "chosen of sequence 0 is 1; expected true or false"),
        (changed(1, step_ends=[3]), r"step_ends\[0\] of sequence 1 is 3; expected the index of a token from 0 to 2"),
        (changed(1, step_ends=[2, 1], step_rewards=[1.0, 1.0]), r"step_ends\[1\] of sequence 1 is 1"),
        (changed(1, step_ends=[1.5]), r"step_ends\[0\] of sequence 1 is 1.5"),
        (changed(1, step_ends=[1, 2]), "sequence 1 has 1 step_rewards and 2 step_ends"),
        (changed(0, rewards=1.0), "sequence 0 has an unknown field 'rewards'"),
        (changed(0, tokens=[], entropies=[], **{name: [] for name in ARRAYS}), "sequence 0 has no tokens"),
        ({"sequences": []}, "no sequences"),
        ({"sequences": [3]}, "sequence 0 is a int; expected an object"),
        ({"sequences": [{"reward": 1.0}]}, "sequence 0 has no array of its tokens"),
        ({**batch(), "max_length": 2}, r"max_length is 2; expected an integer from 3, the longest .*\(number 1\)"),
        (changed(1, old_logprobs=[-0.5, -0.2, 1.0]), r"old_logprobs\[2\] of sequence 1 is 1.0; expected a log-prob"),
        ({**batch(), "kl_estimate": -1.0}, "kl_estimate is -1.0; expected nats of a whole completion, 0 or more"),
        ({**batch(), "kl_estimate": True}, "kl_estimate is True; expected nats of a whole completion"),
        (changed(0, entropies=[0.5, -0.1]), r"entropies\[1\] of sequence 0 is -0.1; expected nats, 0 or more"),
        (changed(0, sampler_logprobs=[0.002, -1]), r"sampler_logprobs\[0\] of sequence 0 is 0.002"),
    ],
)
def test_a_broken_batch_is_named_by_sequence_and_field(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_batch(data)


def test_what_rounding_puts_above_a_probability_of_1_is_taken() -> None:
    assert parse_batch(changed(0, policy_logprobs=[0.0009, -0.0])).policy_logprobs is not None


def test_groups_that_are_numbers_of_sequences_are_refused_where_groups_are_read() -> None:
    data = batch()
    for index, item in enumerate(data["sequences"]):
        item["group"] = index
    with pytest.raises(ValueError, match=r"each of the 4 sequences is a group of its own \(group 0, 1 …\), and grpo"):
        coefficients_of(parse_batch(data), "grpo", {})
    assert coefficients_of(parse_batch(data), "rft", {}).algorithm == "rft"
    data["sequences"][1]["group"] = 0
    assert coefficients_of(parse_batch(data), "grpo", {}).algorithm == "grpo"


@pytest.mark.parametrize("lines", [True, False])
def test_a_byte_order_mark_is_no_part_of_the_batch(tmp_path: Path, lines: bool) -> None:
    data = batch()
    path = tmp_path / ("batch.jsonl" if lines else "batch.json")
    rows = [json.dumps(item | {"max_length": data["max_length"]}) for item in data["sequences"]]
    path.write_text("\n".join(rows) if lines else json.dumps(data), encoding="utf-8-sig")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert read_batch(path).sequences == parse_batch(data).sequences


OWN_METHOD = """\
from dataclasses import dataclass
from algorithms import GRPO


@dataclass(frozen=True, kw_only=True)
class Halved(GRPO):
    \"\"\"GRPO of half the size.

    Attributes:
        share: what the advantage is multiplied by.
    \"\"\"

    share: float = 0.5

    def credit(self, batch):
        return self.share * super().credit(batch)
"""


def test_a_users_file_is_a_method_like_any(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "own.py").write_text(OWN_METHOD, encoding="utf-8")
    name = f"{tmp_path / 'own.py'}:Halved"
    options = ["--algorithm", "grpo", "--algorithm", name, "--json"]
    assert run(monkeypatch, tmp_path, batch(), *options) == 0
    whole, half = json.loads(capsys.readouterr().out)
    assert half["algorithm"] == name
    for row, halved in zip(whole["credit"], half["credit"], strict=True):
        assert halved == pytest.approx([value / 2 for value in row])
    monkeypatch.setattr(sys, "argv", ["coeflab", "methods", name])
    main()
    out = capsys.readouterr().out
    assert f"{name}: Halved" in out and "what the advantage is multiplied by." in out
    assert "needs        groups, old_logprobs, reference_logprobs" in out


FAULTY = """
from dataclasses import dataclass
from functools import partial

from algorithms import GRPO, Coefficients


@dataclass(frozen=True, kw_only=True)
class Fails(GRPO):
    def credit(self, batch):
        return batch.rewards_of_steps


@dataclass(frozen=True, kw_only=True)
class OneASequence(GRPO):
    def credit(self, batch):
        return batch.rewards


@dataclass(frozen=True, kw_only=True)
class BareTensor(GRPO):
    def coefficients(self, batch, credit, policy_logprobs):
        return credit


@dataclass(frozen=True, kw_only=True)
class Infinite(GRPO):
    def coefficients(self, batch, credit, policy_logprobs):
        return Coefficients(values=1 / (credit * 0))


class Bare:
    pass


@dataclass(frozen=True, kw_only=True)
class Unset(GRPO):
    push: float


built = GRPO(kl_coef=0.0)
preset = partial(GRPO, kl_coef=0.0)
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Fails", r"faulty.py, line 11, in credit: AttributeError: 'TokenBatch' object has no .*; mend it there"),
        (
            "OneASequence",
            r"credit of .*OneASequence has shape \(4,\); expected \(4, 3\), a number for each token: rewards\[",
        ),
        ("BareTensor", "coefficients of .*BareTensor returned a Tensor; expected algorithms.Coefficients"),
        ("Infinite", "coefficients of .*Infinite is inf at token 0 of sequence 0; expected a finite number"),
        ("Bare", "Bare is class Bare; expected a dataclass with credit and coefficients"),
        (
            "Unset",
            r"Unset' has no value for push; expected a default in the class, or functools.partial\(Unset, push=…\)",
        ),
        ("built", r"built is one GRPO with its fields set; expected the class, or functools.partial\(GRPO, field=…\)"),
        (
            "Infinte",
            "has no 'Infinte'; did you mean 'Infinite'",
        ),
    ],
)
def test_a_fault_in_a_users_method_is_told_in_one_paragraph(
    monkeypatch, tmp_path, capsys, name: str, message: str
) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    assert run(monkeypatch, tmp_path, batch(), "--algorithm", f"{tmp_path / 'faulty.py'}:{name}", "--json") == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert re.search(message, err), err


def test_a_users_preset_of_our_class_is_a_method(monkeypatch, tmp_path, capsys) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    options = ["--algorithm", f"{tmp_path / 'faulty.py'}:preset", "--json"]
    assert run(monkeypatch, tmp_path, without(batch(), "reference_logprobs"), *options) == 0
    assert json.loads(capsys.readouterr().out)["coefficients"][0][0] == pytest.approx(1 / math.sqrt(2))


def test_a_field_in_some_sequences_only_is_named() -> None:
    data = batch()
    del data["sequences"][2]["values"]
    with pytest.raises(ValueError, match="sequence 2 has no values, others do"):
        parse_batch(data)


def test_an_unpaired_row_is_named() -> None:
    with pytest.raises(ValueError, match=r"pair 'p2' holds sequence 2 \(chosen false\) and 3 \(chosen false\)"):
        coefficients_of(parse_batch(changed(3, chosen=False)), "dpo", {})
    with pytest.raises(ValueError, match=r"pair 'p1' holds sequence 0 \(chosen true\); dpo needs"):
        coefficients_of(parse_batch(changed(1, pair="p3")), "dpo", {})


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("{", (), "is not JSON"),
        (batch(), ("--algorithm", "grop"), "unknown algorithm 'grop'; did you mean 'grpo'"),
        (batch(), ("--set", "kl_coeff=1"), "has no field 'kl_coeff'; did you mean 'kl_coef'"),
        (batch(), ("--set", "kl_coef=x"), "kl_coef of algorithm 'grpo' is 'x'; expected a finite float"),
        (batch(), ("--set", "kl_coef=-1"), "kl_coef is -1; expected 0 or more"),
    ],
)
def test_errors_are_one_paragraph(monkeypatch, tmp_path, capsys, data, options, message) -> None:
    assert run(monkeypatch, tmp_path, data, *options) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and message in err and err.count("\n") == 1


def test_a_sequence_a_line_is_the_same_batch(tmp_path: Path) -> None:
    data = batch()
    lines = [json.dumps(sequence | {"max_length": data["max_length"]}) for sequence in data["sequences"]]
    (tmp_path / "batch.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    whole = parse_batch(data)
    by_line = read_batch(tmp_path / "batch.jsonl")
    assert by_line.sequences == whole.sequences and by_line.batch.max_length == data["max_length"]
    assert coefficients_of(by_line, "grpo", {}) == coefficients_of(whole, "grpo", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"group": 1, "tokens": ["a"]}\n{', "line 2 is not JSON"),
        ("\n[]", "line 2 is a list; expected one sequence"),
        ("", "no sequences"),
        ('{"tokens": ["a"], "max_length": 4}\n{"tokens": ["a"]}', "max_length of sequence 1 is None, of sequence 0 4"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "batch.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_batch(tmp_path / "batch.jsonl")


def test_brackets_and_colons_of_tokens_and_groups_are_printed(monkeypatch, tmp_path, capsys) -> None:
    data = changed(0, tokens=["[/INST]", ":100:"])
    for item in data["sequences"][:2]:
        item["group"] = "[/q]"
    assert run(monkeypatch, tmp_path, data, "--explain") == 0
    out = capsys.readouterr().out
    assert "[/INST]" in out and ":100:" in out and "[/q]" in out
    monkeypatch.setattr(sys, "argv", ["coeflab", "methods"])
    main()
    assert "ρ_t I(o) 1[clip" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("field", "message"), [("reward", "reward of sequence 0"), ("max_length", "max_length is 1000")]
)
def test_a_number_past_every_float_is_refused(monkeypatch, tmp_path, capsys, field: str, message: str) -> None:
    data = batch()
    (data if field == "max_length" else data["sequences"][0])[field] = 10**400
    assert run(monkeypatch, tmp_path, data, "--algorithm", "dr_grpo") == 1
    assert message in capsys.readouterr().err
