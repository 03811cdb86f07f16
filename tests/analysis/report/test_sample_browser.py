"""Which samples the report carries, and what of each."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import load_comparison
from analysis.report.sample_browser import browser_data, ends, fair_shares, stratified_samples


@pytest.mark.parametrize(
    ("sizes", "total", "shares"),
    [
        ([5, 5], 20, [5, 5]),
        ([100, 2, 100], 20, [9, 2, 9]),
        ([100, 100, 100], 20, [7, 7, 6]),
        ([1, 1, 1], 2, [1, 1, 0]),
        ([], 7, []),
    ],
)
def test_fair_shares_by_hand(sizes, total, shares):
    assert fair_shares(sizes, total) == shares


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 200))
def test_nobody_has_less_than_another_who_could_give(sizes, total):
    shares = fair_shares(sizes, total)
    assert sum(shares) == min(total, sum(sizes))
    assert all(share <= size for share, size in zip(shares, sizes, strict=True))
    wanting = [share for share, size in zip(shares, sizes, strict=True) if share < size]
    assert all(share <= min(wanting) + 1 for share in shares) if wanting else True


def test_rare_verdicts_are_kept_and_arms_show_the_same_problems(make_run, tmp_path):
    rare = {3: "CCCCCCaT", 5: "CCCCCCaN"}  # one timeout and one sample without an answer and cut off, in 80
    for arm in ("rft", "grpo"):
        late = 0 if arm == "rft" else 1  # of every other problem the first sample is the wrong one, of others the last
        votes = ["aCCCCCCC" if problem % 2 == late else "CCCCCCCa" for problem in range(10)]
        votes = [letters if arm == "rft" else rare.get(problem, letters) for problem, letters in enumerate(votes)]
        for seed in (0, 1):
            make_run(arm, seed, {0: ["CC"] * 10, 2: votes}, steps=2)
    samples = stratified_samples(load_comparison(tmp_path / "cmp"), limit=28)
    assert len(samples) == 28
    counts = Counter((sample.arm, sample.seed, sample.verdict) for sample in samples)
    # 12 strata: four of size 1, eight more share the other 24
    assert counts == {
        **{("grpo", seed, verdict): 1 for seed in (0, 1) for verdict in ("TIMEOUT", "NO_ANSWER")},
        **{
            (arm, seed, verdict): 3
            for arm in ("rft", "grpo")
            for seed in (0, 1)
            for verdict in ("CORRECT", "INCORRECT")
        },
    }
    right = {
        (arm, seed): [
            sample.problem_id
            for sample in samples
            if (sample.arm, sample.seed, sample.verdict) == (arm, seed, "CORRECT")
        ]
        for arm in ("rft", "grpo")
        for seed in (0, 1)
    }
    assert len({tuple(problems) for problems in right.values()}) == 1  # the same in every arm and seed
    assert len(set(right["rft", 0])) == 3  # and no problem twice before each had its turn
    assert [sample.completion.split(":")[0] for sample in samples] == [
        f"sample {sample.sample_index} of {sample.arm}" for sample in samples
    ]  # texts belong to their rows


def test_every_sample_is_there_below_the_limit(comparison_dir):
    comparison = load_comparison(comparison_dir)
    samples = stratified_samples(comparison)
    found = Counter((sample.arm, sample.seed, sample.problem_id, sample.sample_index) for sample in samples)
    assert found == Counter(
        (arm, seed, f"sums-{problem}", index)
        for arm in ("sft_start", "grpo")
        for seed in (0, 1)
        for problem in (0, 1)
        for index in range(4)
    )
    assert samples == stratified_samples(comparison)


def test_a_long_completion_keeps_its_end():
    text = "a" * 20 + "b" * 70 + "c" * 10
    assert ends(text, 30) == ("a" * 20, 70, "c" * 10)
    assert ends(text, 100) == (text, 0, "")
    assert ends("a\0b", 2) == ("a⟨U+0000⟩"[:1] + "⟨U+0000⟩", 1, "")


def test_data_of_the_page(comparison_dir):
    comparison = load_comparison(comparison_dir)
    data = browser_data(stratified_samples(comparison), comparison.arms)
    assert data["problems"] == [
        {"id": f"sums-{problem}", "benchmark": "sums", "question": f"What is {problem} + 1?", "gold": str(problem + 1)}
        for problem in (0, 1)
    ]
    rows = [dict(zip(data["columns"], row, strict=True)) for row in data["samples"]]
    [row] = [
        row
        for row in rows
        if (data["arms"][row["arm"]], row["seed"], row["problem"], row["index"]) == ("sft_start", 0, 0, 3)
    ]
    assert data["verdicts"][row.pop("verdict")] == "NO_ANSWER"
    assert row == {
        "problem": 0,
        "arm": 0,
        "seed": 0,
        "index": 3,
        "cut_off": 1,
        "answer": "",
        "class": "",
        "tokens": 13,
        "finish": "length",
        "completion": 'sample 3 of sft_start: <script>alert(1)</script> & "quoted"',
        "left_out": 0,
        "tail": "",
    }
