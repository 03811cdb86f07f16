"""Run folders: what is read, what is refused and how, what is listed as unfinished."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis import RecordError, UnfinishedRunError, load_comparison, load_run, score_comparison


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
    (run / "config.json").write_text('["arm"]')
    with pytest.raises(RecordError, match=r"config\.json: holds a list"):
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
    torn = make_run("grpo_process", 1, {0: ["CCCC", "CCCC"]})
    (torn / "config.json").write_bytes('{"arm": "grpo_process", "title": "é'.encode()[:-1])  # within a character
    (make_run("grpo_process", 2, {0: ["CCCC", "CCCC"]}) / "config.json").write_text("")
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
        "online_rft-seed0": "line 2: not JSON",
        "grpo_process-seed1": "config.json: not JSON",
        "grpo_process-seed2": "config.json: not JSON",
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


def test_different_problems_are_intersected_on_request(comparison_dir, make_run):
    make_run("ppo", 0, {0: ["CCCC", "CCCC", "CCCC"]})
    make_run("dpo", 0, {0: ["aaaa"]})
    comparison = load_comparison(comparison_dir, on_mismatch="intersect")
    assert comparison.notes[0] == "Compared are the problems that all runs have: 1; left out: 2."
    assert {arm.arm: arm.problem_ids for arm in score_comparison(comparison)} == dict.fromkeys(
        ("sft_start", "dpo", "ppo", "grpo"), ("sums-0",)
    )
    ppo = comparison.runs_of("ppo")[0]
    assert len(ppo.samples) == len(ppo.judgements) == 4


def test_without_a_common_problem_nothing_is_compared(comparison_dir):
    run = comparison_dir / "runs" / "grpo-seed0"
    edit_samples(run, lambda samples: samples.assign(problem_id="other-" + samples["problem_id"]))
    with pytest.raises(RecordError, match="no problem in common"):
        load_comparison(comparison_dir, on_mismatch="intersect")


def judged_by(run, version):
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**environment, "checker_version": version}))


def test_runs_judged_by_different_checkers_are_refused_and_named(comparison_dir):
    for name in ("sft_start-seed0", "sft_start-seed1", "grpo-seed0"):
        judged_by(comparison_dir / "runs" / name, "2")
    judged_by(comparison_dir / "runs" / "grpo-seed1", "3")
    with pytest.raises(
        RecordError, match=r"\(2: grpo-seed0, sft_start-seed0, sft_start-seed1; 3: grpo-seed1\).*evaluate again"
    ):
        load_comparison(comparison_dir)
    comparison = load_comparison(comparison_dir, on_mismatch="intersect")
    assert [(run.arm, run.seed) for run in comparison.runs] == [("sft_start", 0), ("sft_start", 1), ("grpo", 0)]
    assert comparison.unfinished[0].reason == "judged by checker 3, the others by 2"
    assert comparison.notes == (
        "Not every arm has every seed: grpo lacks 1. Arms with different seeds are not paired by seed.",
    )


def test_a_checker_that_was_not_recorded_is_noted_beside_one_that_was(comparison_dir):
    assert load_comparison(comparison_dir).notes == ()  # recorded nowhere: nothing to compare
    judged_by(comparison_dir / "runs" / "grpo-seed0", "2")
    assert load_comparison(comparison_dir).notes == (
        "3 of 4 runs do not say which version of the answer checker judged them.",
    )


def test_judgements_leave_the_texts_on_disk_and_texts_brings_them(make_run):
    run = load_run(make_run("grpo", 0, {0: ["CabN"], 2: ["CCaN"]}, steps=2))
    assert not {"question", "completion", "answer"} & set(run.judgements)
    right = run.final_samples[run.final_samples["verdict"] == "CORRECT"]
    rows = right.index.to_numpy()[::-1]
    assert rows.tolist() == [5, 4]
    assert run.texts(rows)[["step", "sample_index", "completion"]].to_numpy().tolist() == [
        [2, 1, 'sample 1 of grpo: <script>alert(1)</script> & "quoted"'],
        [2, 0, 'sample 0 of grpo: <script>alert(1)</script> & "quoted"'],
    ]
    with pytest.raises(RecordError, match="has 8 rows, asked for"):
        run.texts(np.array([3, 8]))


def test_rows_are_found_in_a_file_of_many_row_groups(make_run):
    path = make_run("grpo", 0, {0: ["Cabc", "aCbN", "NNNC"]})
    pd.read_parquet(path / "samples.parquet").to_parquet(path / "samples.parquet", row_group_size=5)
    run = load_run(path)
    wanted = np.array([11, 0, 5, 4])
    assert run.texts(wanted)["answer_class"].tolist() == ["correct", "correct", "correct", "a"]
    assert run.texts(wanted).index.tolist() == wanted.tolist()
    assert run.samples.equals(run.texts(np.arange(12)).astype(run.samples.dtypes))


def test_the_same_arm_and_seed_twice_is_refused(comparison_dir):
    copy = comparison_dir / "runs" / "again"
    copy.mkdir()
    for file in (comparison_dir / "runs" / "grpo-seed0").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with pytest.raises(RecordError, match="arm 'grpo' with seed 0 is in again too"):
        load_comparison(comparison_dir)


@pytest.mark.parametrize("levels", [None, [None, None], ["5", None]])
def test_a_level_that_was_not_kept_is_empty(make_run, levels):
    run = make_run("grpo", 0, {0: ["CN"]})
    if levels is not None:  # files of earlier versions have no such column
        edit_samples(run, lambda samples: samples.assign(level=levels))
    record = load_run(run)
    wanted = ["5" if levels and levels[0] else "", ""]
    assert list(record.judgements["level"]) == list(record.samples["level"]) == wanted
    assert list(record.texts(np.array([1, 0]))["level"]) == wanted[::-1]
