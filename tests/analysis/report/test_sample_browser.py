"""Which samples the report carries, and what of each."""

import json
import shutil
import subprocess
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import load_comparison
from analysis.report.page import ASSETS
from analysis.report.sample_browser import (
    browser_data,
    browser_html,
    earlier_samples,
    ends,
    fair_shares,
    right_shares,
    stratified_samples,
)


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
    data = browser_data(stratified_samples(comparison), comparison)
    right = [  # by hand, from the votes: arm by arm, seed 0 and seed 1
        [[0.25, 0.0], [0.75, 0.5]],
        [[0.5, 0.5], [0.5, 0.75]],
    ]
    assert data["problems"] == [
        {
            "id": f"sums-{problem}",
            "benchmark": "sums",
            "question": f"What is {problem} + 1?",
            "gold": str(problem + 1),
            "right": right[problem],
        }
        for problem in (0, 1)
    ]
    assert data["seeds"] == [0, 1]
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
        "step": 0,
        "last": 1,
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


def test_earlier_evaluations_are_there_step_by_step(comparison_dir):
    comparison = load_comparison(comparison_dir)
    earlier = earlier_samples(comparison, limit=100)
    found = Counter((sample.arm, sample.seed, sample.step) for sample in earlier)
    assert found == {("grpo", seed, step): 4 for seed in (0, 1) for step in (0, 2)}  # sft_start has its last step alone
    assert not any(sample.is_last for sample in earlier)
    assert all(sample.is_last for sample in stratified_samples(comparison))
    few = Counter((sample.seed, sample.step) for sample in earlier_samples(comparison, limit=8))
    assert set(few) == {(0, 0), (0, 2), (1, 0), (1, 2)}  # of 8 strata each has its share
    assert "16 more are of earlier evaluations." in browser_html(comparison)


def test_a_problem_that_an_arm_was_not_asked_is_neither_right_nor_wrong(make_run, tmp_path):
    make_run("rft", 0, {0: ["CC", "Ca"]})
    make_run("grpo", 1, {0: ["aa", "CC"]})
    shares = right_shares(load_comparison(tmp_path / "cmp"))
    assert {problem: rows for (_, problem), rows in shares.items()} in (
        {"sums-0": [[1.0, None], [None, 0.0]], "sums-1": [[0.5, None], [None, 1.0]]},  # arms in either order
        {"sums-0": [[None, 0.0], [1.0, None]], "sums-1": [[None, 1.0], [0.5, None]]},
    )


CHOOSE = """
const page = { querySelectorAll: () => [], getElementById: () => null };
const input = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const script = require("fs").readFileSync(process.argv[1], "utf-8");
const choose = new Function("document", script + "; return chosenSamples;")(page);
const rows = input.data.samples.map((row) => Object.fromEntries(input.data.columns.map((name, at) => [name, row[at]])));
const names = ["arm", "seed", "step", "verdict", "problem", "right", "wrong", "text"];
console.log(JSON.stringify(input.forms.map((form) => choose(
  { elements: Object.fromEntries(names.map((name) => [name, { value: form[name] || "" }])) },
  { ...input.data, samples: rows }).map((each) => [each.arm, each.seed, each.step, each.problem, each.index]))));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on PATH")
def test_samples_are_filtered_by_seed_step_and_a_right_b_wrong(comparison_dir):
    comparison = load_comparison(comparison_dir)
    data = browser_data((*stratified_samples(comparison), *earlier_samples(comparison, 100)), comparison)
    grpo, start = (str(comparison.arms.index(arm)) for arm in ("grpo", "sft_start"))
    forms = [
        {},
        {"step": "every"},
        {"step": "2"},
        {"seed": "1", "step": "0"},
        {"right": grpo, "wrong": start},  # over both seeds problem 0 alone: 0.625 and 0.125; problem 1: 0.625 and 0.5
        {"right": grpo, "wrong": start, "seed": "1"},  # of seed 1 none: 0.5 and 0, 0.75 and 0.5
        {"right": grpo, "seed": "1"},  # problem 1, three of four
        {"wrong": start, "seed": "1"},  # problem 0, four of four
    ]
    run = subprocess.run(
        ["node", "-e", CHOOSE, str(ASSETS / "report.js")],
        input=json.dumps({"data": data, "forms": forms}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    last, every, second, first, contrast, contrast_1, right_1, wrong_1 = json.loads(run.stdout)
    assert (len(last), len(every), len(second)) == (32, 48, 8)
    assert {(arm, seed, step) for arm, seed, step, *_ in second} == {(int(grpo), 0, 2), (int(grpo), 1, 2)}
    assert Counter(arm for arm, *_ in first) == {int(grpo): 4, int(start): 8}  # all of the step 0, last or not
    # grpo "CCCa" and "CCaN": the right ones; sft_start "CabN" and "aabN": the wrong ones
    assert sorted(each for each in contrast if each[0] == int(grpo)) == [
        [int(grpo), seed, 4, 0, index] for seed, index in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1))
    ]
    assert sorted(each for each in contrast if each[0] == int(start)) == [
        [int(start), seed, 0, 0, index] for seed, index in ((0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3))
    ]
    assert contrast_1 == []
    assert [each[3:] for each in right_1] == [[1, 0], [1, 1], [1, 2]]
    assert [each[3:] for each in wrong_1] == [[0, 0], [0, 1], [0, 2], [0, 3]]
