"""Run folders: what is read, what is refused and how, what is listed as unfinished."""

import json

import pandas as pd
import pytest

from analysis import RecordError, UnfinishedRunError, load_comparison, load_run


def edit_samples(run, change):
    path = run / "samples.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


def test_a_comparison_is_ordered_by_method_and_seed(comparison_dir):
    comparison = load_comparison(comparison_dir)
    assert [(run.arm, run.seed, run.final_step) for run in comparison.runs] == [
        ("sft_start", 0, 0),
        ("sft_start", 1, 0),
        ("grpo", 0, 4),
        ("grpo", 1, 4),
    ]
    assert comparison.unfinished == ()
    assert comparison.benchmarks == ("sums",)
    assert list(comparison.runs[2].final_samples["answer_class"][:4]) == ["correct", "correct", "correct", "a"]


def test_comparison_json_may_set_the_order(comparison_dir):
    (comparison_dir / "comparison.json").write_text(json.dumps({"arms": ["grpo", "sft_start"]}))
    assert load_comparison(comparison_dir).arms == ("grpo", "sft_start")


def test_a_single_run_is_a_comparison_of_one(make_run):
    run = make_run("grpo", 3, {0: ["Ca", "aa"]})
    comparison = load_comparison(run)
    assert comparison.arms == ("grpo",)
    assert comparison.runs[0].metrics.empty


def test_a_missing_column_is_named_with_file_and_remedy(make_run):
    run = make_run("grpo", 0, {0: ["Ca"]})
    edit_samples(run, lambda samples: samples.drop(columns=["verdict", "num_tokens"]))
    with pytest.raises(
        RecordError, match=r"samples\.parquet: lacks the column\(s\) \['verdict', 'num_tokens'\].*again"
    ):
        load_run(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda samples: samples.assign(verdict="RIGHT"), r"verdict\(s\) \['RIGHT'\]; expected one of"),
        (lambda samples: samples.assign(seed=9), r"\('grpo', 9\)\]; expected \('grpo', 0\)"),
        (lambda samples: pd.concat([samples, samples.iloc[1:2]]), r"1 rows repeat.*'sample_index': 1"),
    ],
)
def test_rows_that_contradict_are_refused(make_run, change, message):
    run = make_run("grpo", 0, {0: ["Ca"]})
    edit_samples(run, change)
    with pytest.raises(RecordError, match=message):
        load_run(run)


def test_budgets_a_step_instead_of_totals_are_refused(make_run):
    run = make_run("grpo", 0, {2: ["Ca"]}, steps=2)
    rows = [{"step": 1, "tokens_trained": 90}, {"step": 2, "tokens_trained": 80}]
    (run / "metrics.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(RecordError, match=r"tokens_trained falls.*cumulative"):
        load_run(run)


def test_missing_keys_and_broken_json_are_refused(make_run):
    run = make_run("grpo", 0, {0: ["Ca"]})
    (run / "config.json").write_text('{"arm": "grpo"}')
    with pytest.raises(RecordError, match=r"lacks \['seed', 'algorithm'\]"):
        load_run(run)
    (run / "config.json").write_text('{"arm": ')
    with pytest.raises(RecordError, match=r"config\.json: not JSON"):
        load_run(run)


def test_null_answers_are_empty_and_abstain(make_run):
    run = make_run("grpo", 0, {0: ["CN"]})
    edit_samples(run, lambda samples: samples.assign(answer_class=["correct", None], answer=["1", None]))
    assert list(load_run(run).samples["answer_class"]) == ["correct", ""]


def test_unfinished_runs_are_listed_and_left_out(comparison_dir, make_run):
    cut = make_run("ppo", 0, {0: ["CCCC", "CCCC"]})
    (cut / "samples.parquet").write_bytes((cut / "samples.parquet").read_bytes()[:200])
    make_run("rft", 0, {0: ["CCCC", "CCCC"]}, steps=4)  # trained to step 4, evaluated at 0
    (make_run("dpo", 0, {0: ["CCCC", "CCCC"]}) / "samples.parquet").unlink()
    make_run("grpo", 2, {0: ["CCCC", "CCCC"], 2: ["CCCC", "CCCC"]}, steps=2)  # the other seeds reach step 4
    half = make_run("online_rft", 0, {2: ["CCCC", "CCCC"]}, steps=2)
    (half / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "lo')
    (comparison_dir / "comparison.json").write_text(json.dumps({"runs": ["grpo-seed0", "grpo_process-seed0"]}))
    comparison = load_comparison(comparison_dir)
    assert comparison.arms == ("sft_start", "grpo")
    assert [run.seed for run in comparison.runs_of("grpo")] == [0, 1]
    reasons = {run.name: run.reason for run in comparison.unfinished}
    expected = {
        "grpo_process-seed0": "not started",
        "ppo-seed0": "cut short",
        "rft-seed0": "trained to step 4 but last evaluated at step 0",
        "dpo-seed0": "samples.parquet is missing",
        "grpo-seed2": "last evaluated at step 2, other seeds of grpo at step 4",
        "online_rft-seed0": "line 2 is not JSON",
    }
    assert reasons.keys() == expected.keys()
    for name, words in expected.items():
        assert words in reasons[name]
        assert str(comparison_dir) not in reasons[name]  # no path of this machine in a report


def test_nothing_finished_and_other_folders_are_refused(make_run, tmp_path):
    run = make_run("grpo", 0, {0: ["Ca"]})
    (run / "samples.parquet").unlink()
    with pytest.raises(UnfinishedRunError, match=r"samples.parquet is missing"):
        load_run(run)
    with pytest.raises(RecordError, match=r"no finished run.*grpo-seed0"):
        load_comparison(run.parent.parent)
    with pytest.raises(RecordError, match=r"neither config.json .* nor runs/"):
        load_comparison(tmp_path / "nowhere")


def test_different_problems_are_named(comparison_dir, make_run):
    make_run("ppo", 0, {0: ["CCCC", "CCCC", "CCCC"]})
    with pytest.raises(RecordError, match=r"ppo-seed0 and .*different problems: 1 .*sums-2"):
        load_comparison(comparison_dir)


def test_the_same_arm_and_seed_twice_is_refused(comparison_dir):
    copy = comparison_dir / "runs" / "again"
    copy.mkdir()
    for file in (comparison_dir / "runs" / "grpo-seed0").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RecordError, match="arm 'grpo' with seed 0 is in again too"):
        load_comparison(comparison_dir)
