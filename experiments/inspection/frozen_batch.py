"""A frozen batch in JSON, ours or dumped by somebody's trainer, as the arrays that methods read.

    {"sequences": [{"group": "q1", "reward": 1.0, "policy_logprobs": [...], "old_logprobs": [...], ...}, ...],
     "max_length": 1024, "kl_estimate": 0.5}

or in JSON Lines, one sequence a line, which then holds max_length and kl_estimate too. What a method does not need may
be absent; what is there must be complete, finite and of one length a sequence.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from algorithms import Aggregation, Algorithm, DataSource, Need, TokenBatch
from benchmarks.naming import did_you_mean

__all__ = ["FrozenBatch", "parse_batch", "read_batch"]

LARGEST_LOGPROB = 1e-3  # of a probability that rounding put above 1; padding, probabilities and NLLs are larger
TOKEN_FIELDS = ("policy_logprobs", "old_logprobs", "reference_logprobs", "sampler_logprobs", "values", "entropies")
OF_THE_BATCH = ("max_length", "kl_estimate")  # beside the sequences, or in each of their lines
SCHEMA: dict[str, type] = {
    "group": object,
    "reward": float,
    "correct": bool,
    **dict.fromkeys((*TOKEN_FIELDS, "tokens", "step_rewards", "step_ends"), list),
    "pair": object,
    "chosen": bool,
    "truncated": bool,
    "greedy_reward": float,
}
NEEDED_FIELDS: dict[Need, tuple[str, ...]] = {
    Need.GROUPS: ("group",),
    Need.PAIRS: ("pair", "chosen"),
    Need.RANKED_PAIRS: ("pair", "chosen"),
    Need.STEP_REWARDS: ("step_rewards", "step_ends"),
    Need.OLD_LOGPROBS: ("old_logprobs",),
    Need.REFERENCE_LOGPROBS: ("reference_logprobs",),
    Need.SAMPLER_LOGPROBS: ("sampler_logprobs",),
    Need.CRITIC: ("values",),
    Need.ENTROPIES: ("entropies",),
    Need.GREEDY_REWARD: ("greedy_reward",),
}


@dataclass(frozen=True, kw_only=True)
class FrozenBatch:
    """Completions whose coefficients are asked for.

    Attributes:
        batch: the arrays, float64.
        policy_logprobs: (B, T) log π_θ, where given.
        lengths: completion tokens of each sequence.
        sequences: the objects as they were read.
        held: names of the fields that every sequence has.
    """

    batch: TokenBatch
    policy_logprobs: Tensor | None
    lengths: tuple[int, ...]
    sequences: tuple[dict[str, Any], ...]
    held: frozenset[str]

    def check_for(self, algorithm: Algorithm, name: str) -> None:
        """Refuse a method that reads what this batch does not hold.

        Raises:
            ValueError: a field is missing, or a pair is not one chosen and one rejected sequence.
        """
        needs = algorithm.needs
        read = [field for need, fields in NEEDED_FIELDS.items() if need in needs for field in fields]
        if needs - {Need.CORRECT}:
            read.append("policy_logprobs")
        pairs = needs & {Need.PAIRS, Need.RANKED_PAIRS}
        if algorithm.data_source != DataSource.DEMONSTRATIONS and not pairs and Need.STEP_REWARDS not in needs:
            read.append("reward")
        for field in read:
            if field not in self.held:
                raise ValueError(f"{name} needs {field}, which this batch does not hold; add it to every sequence.")
        if algorithm.aggregation == Aggregation.CONSTANT and self.batch.max_length is None:
            raise ValueError(f"{name} divides by max_length, which this batch does not hold; add it beside sequences.")
        if Need.KL_ESTIMATE in needs and self.batch.kl_estimate is None:
            raise ValueError(f"{name} needs kl_estimate, which this batch does not hold; add it beside sequences.")
        if pairs:
            self._check_pairs(name)
        if Need.GROUPS in needs:
            self._check_groups(name)

    def _check_groups(self, name: str) -> None:
        count = len(self.sequences)
        if count > 1 and len(self.batch.group.unique()) == count:
            raise ValueError(
                f"each of the {count} sequences is a group of its own (group {self.sequences[0]['group']!r}, "
                f"{self.sequences[1]['group']!r} …), and {name} compares within groups; expected the same group for "
                "all completions of one prompt, not the number of the sequence."
            )

    def _check_pairs(self, name: str) -> None:
        members: dict[Any, list[int]] = {}
        for index, sequence in enumerate(self.sequences):
            members.setdefault(sequence["pair"], []).append(index)
        for label, rows in members.items():
            if sorted(self.sequences[row]["chosen"] for row in rows) != [False, True]:
                listed = " and ".join(f"{row} (chosen {str(self.sequences[row]['chosen']).lower()})" for row in rows)
                raise ValueError(
                    f"pair {label!r} holds sequence {listed}; {name} needs one chosen and one rejected sequence a pair."
                )


def read_batch(path: Path) -> FrozenBatch:
    """The batch in a JSON file, or in a JSON Lines file (``.jsonl``), a sequence a line.

    Raises:
        ValueError: the file is not JSON, or not a batch; the message names the sequence and the field.
        OSError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # with or without a byte order mark
        return parse_batch(_of_lines(text.split("\n")) if path.suffix == ".jsonl" else json.loads(text))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}; expected an object with 'sequences'.") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _of_lines(lines: list[str]) -> dict[str, Any]:
    """The one object that lines of a sequence each stand for."""
    sequences = [_of_line(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    whole: dict[str, Any] = {"sequences": sequences}
    for name in OF_THE_BATCH:
        values = [sequence.pop(name, None) for sequence in sequences]
        for index, value in enumerate(values):
            if value != values[0]:
                raise ValueError(f"{name} of sequence {index} is {value}, of sequence 0 {values[0]}; expected one.")
        whole[name] = values[0] if values else None
    return whole


def _of_line(number: int, line: str) -> dict[str, Any]:
    try:
        sequence = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON: {error}; expected one sequence, an object.") from error
    if not isinstance(sequence, dict):
        raise ValueError(f"line {number} is a {type(sequence).__name__}; expected one sequence, an object.")
    return sequence


def parse_batch(data: Any) -> FrozenBatch:
    """The batch in a JSON object.

    Raises:
        ValueError: a field is missing, of the wrong kind, not finite, of unequal length, or in some sequences only.
    """
    sequences = data.get("sequences") if isinstance(data, dict) else None
    if not isinstance(sequences, list) or not sequences:
        raise ValueError("no sequences; expected an object with a list 'sequences' of at least one object.")
    for index, sequence in enumerate(sequences):
        _check_kinds(index, sequence)
    held = {name for sequence in sequences for name in sequence}
    for name in sorted(held):
        for index, sequence in enumerate(sequences):
            if name not in sequence:
                raise ValueError(f"sequence {index} has no {name}, others do; expected it in every sequence or none.")
    lengths = tuple(_length(index, sequence) for index, sequence in enumerate(sequences))
    for index, sequence in enumerate(sequences):
        _check_steps(index, sequence, lengths[index])
        _check_logprobs(index, sequence)
    max_length = _max_length(data, lengths)
    per_token = {name: _pad(sequences, name, lengths) for name in TOKEN_FIELDS if name in held}
    policy_logprobs = per_token.pop("policy_logprobs", None)
    rewards = _numbers(sequences, "reward") if "reward" in held else torch.zeros(len(lengths), dtype=torch.float64)
    batch = TokenBatch(
        completion_mask=torch.arange(max(lengths)) < torch.tensor(lengths)[:, None],
        rewards=rewards,
        # A dump of another trainer knows rewards only.
        correct=torch.tensor([item["correct"] for item in sequences]) if "correct" in held else rewards > 0,
        group=_labels(sequences, "group") if "group" in held else torch.arange(len(lengths)),
        pair=_labels(sequences, "pair") if "pair" in held else None,
        chosen=torch.tensor([item["chosen"] for item in sequences]) if "chosen" in held else None,
        truncated=torch.tensor([item["truncated"] for item in sequences]) if "truncated" in held else None,
        greedy_rewards=_numbers(sequences, "greedy_reward") if "greedy_reward" in held else None,
        step_rewards=_pad_steps(sequences, "step_rewards", 0.0) if "step_rewards" in held else None,
        step_ends=_pad_steps(sequences, "step_ends", -1).long() if "step_ends" in held else None,
        max_length=max_length,
        kl_estimate=_kl_estimate(data),
        **per_token,
    )
    return FrozenBatch(
        batch=batch,
        policy_logprobs=policy_logprobs,
        lengths=lengths,
        sequences=tuple(sequences),
        held=frozenset(held),
    )


def _check_kinds(index: int, sequence: Any) -> None:
    if not isinstance(sequence, dict):
        raise ValueError(f"sequence {index} is a {type(sequence).__name__}; expected an object.")
    for name, value in sequence.items():
        if name not in SCHEMA:
            near, known = did_you_mean(name, SCHEMA), ", ".join(SCHEMA)
            raise ValueError(f"sequence {index} has an unknown field {name!r}{near}Known: {known}.")
        kind = SCHEMA[name]
        if kind is float:
            _check_number(index, name, value)
        elif kind is list and not isinstance(value, list):
            raise ValueError(f"{name} of sequence {index} is {value!r}; expected a list.")
        elif kind is bool and not isinstance(value, bool):
            raise ValueError(f"{name} of sequence {index} is {value!r}; expected true or false.")
        elif kind is object and not isinstance(value, str | int):
            raise ValueError(f"{name} of sequence {index} is {value!r}; expected a string or an integer.")
        if isinstance(value, list) and name != "tokens":
            for place, number in enumerate(value):
                _check_number(index, f"{name}[{place}]", number)


def _check_logprobs(index: int, sequence: dict[str, Any]) -> None:
    for name in (field for field in TOKEN_FIELDS if field.endswith("logprobs") and field in sequence):
        for token, value in enumerate(sequence[name]):
            if value > LARGEST_LOGPROB:
                raise ValueError(
                    f"{name}[{token}] of sequence {index} is {value!r}; expected a log-probability, at most 0: padding "
                    "is to be left out, probabilities and negative log-likelihoods are none."
                )
    for token, value in enumerate(sequence.get("entropies", [])):
        if value < 0:
            raise ValueError(
                f"entropies[{token}] of sequence {index} is {value!r}; expected nats, 0 or more: the entropy "
                "of the whole distribution, not the token's log-probability."
            )


def _check_number(index: int, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name} of sequence {index} is {value!r}; expected a finite number.")


def _length(index: int, sequence: dict[str, Any]) -> int:
    lengths = {name: len(sequence[name]) for name in (*TOKEN_FIELDS, "tokens") if name in sequence}
    if not lengths:
        raise ValueError(f"sequence {index} has no array of its tokens; expected policy_logprobs or tokens at least.")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"arrays of sequence {index} differ in length: {listed}; expected one number a token each.")
    [length] = set(lengths.values())
    if length == 0:
        raise ValueError(f"sequence {index} has no tokens; expected at least one.")
    return length


def _check_steps(index: int, sequence: dict[str, Any], length: int) -> None:
    rewards, ends = sequence.get("step_rewards"), sequence.get("step_ends")
    if (rewards is None) != (ends is None):
        missing = "step_rewards" if rewards is None else "step_ends"
        raise ValueError(f"sequence {index} has no {missing}; expected step_rewards and step_ends together.")
    if rewards is None or ends is None:
        return
    if len(rewards) != len(ends):
        raise ValueError(
            f"sequence {index} has {len(rewards)} step_rewards and {len(ends)} step_ends; expected as many of each."
        )
    previous = -1
    for place, end in enumerate(ends):
        if end != int(end) or not previous < end < length:
            raise ValueError(
                f"step_ends[{place}] of sequence {index} is {end}; expected the index of a token from {previous + 1} "
                f"to {length - 1}, in rising order."
            )
        previous = end


def _max_length(data: dict[str, Any], lengths: tuple[int, ...]) -> int | None:
    max_length = data.get("max_length")
    if max_length is None:
        return None
    longest = max(lengths)
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not longest <= max_length < 1 << 31:
        raise ValueError(
            f"max_length is {max_length!r}; expected an integer from {longest}, the longest sequence (number "
            f"{lengths.index(longest)}), to 2^31 − 1."
        )
    return max_length


def _kl_estimate(data: dict[str, Any]) -> float | None:
    estimate = data.get("kl_estimate")
    if estimate is None:
        return None
    if isinstance(estimate, bool) or not isinstance(estimate, int | float) or not 0 <= estimate <= sys.float_info.max:
        raise ValueError(f"kl_estimate is {estimate!r}; expected nats of a whole completion, 0 or more.")
    return float(estimate)


def _pad(sequences: list[dict[str, Any]], name: str, lengths: tuple[int, ...]) -> Tensor:
    padded = torch.zeros(len(sequences), max(lengths), dtype=torch.float64)
    for row, sequence in enumerate(sequences):
        padded[row, : lengths[row]] = torch.tensor(sequence[name], dtype=torch.float64)
    return padded


def _pad_steps(sequences: list[dict[str, Any]], name: str, filler: float) -> Tensor:
    most = max(1, *(len(sequence[name]) for sequence in sequences))
    padded = torch.full((len(sequences), most), filler, dtype=torch.float64)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence[name])] = torch.tensor(sequence[name], dtype=torch.float64)
    return padded


def _numbers(sequences: list[dict[str, Any]], name: str) -> Tensor:
    return torch.tensor([sequence[name] for sequence in sequences], dtype=torch.float64)


def _labels(sequences: list[dict[str, Any]], name: str) -> Tensor:
    labels = {label: number for number, label in enumerate(dict.fromkeys(item[name] for item in sequences))}
    return torch.tensor([labels[sequence[name]] for sequence in sequences])
