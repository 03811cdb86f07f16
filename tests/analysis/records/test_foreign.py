"""Files that lm-eval, TRL, verl and verifiers wrote, and plain tables: what is read, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis import RecordError
from analysis.records.foreign import read_foreign

FILES = Path(__file__).resolve().parents[2] / "foreign_files"


def test_lm_evals_repeats_are_samples_and_its_second_filter_is_not_read_again() -> None:
    rows = read_foreign([FILES / "samples_sums.jsonl"])
    assert len(rows) == 12
    assert list(rows["problem"]) == ["0"] * 4 + ["1"] * 4 + ["2"] * 4
    assert list(rows["sample_index"]) == [0, 1, 2, 3] * 3
    assert list(rows["gold"]) == ["5"] * 4 + ["3"] * 4 + ["42"] * 4
    assert list(rows["completion"])[6] == " That makes 3.\n#### 3"
    assert next(iter(rows["question"])) == "Question: What is 2 + 3?\nAnswer:"
    assert list(rows["correct"]) == [None] * 12  # one number for four completions is no verdict on any of them


def test_what_lm_eval_writes_beside_its_samples_is_left_out(tmp_path: Path) -> None:
    """``--output_path OUT`` gets OUT/MODEL/samples_TASK_DATE.jsonl and OUT/MODEL/results_DATE.json."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "samples_sums.jsonl").write_bytes((FILES / "samples_sums.jsonl").read_bytes())
    (tmp_path / "model" / "results_2026-11-29T16-31-36.json").write_text('{"results": {}, "configs": {}}')
    assert list(read_foreign([tmp_path])["gold"]) == list(read_foreign([FILES / "samples_sums.jsonl"])["gold"])


def test_problems_of_two_of_lm_evals_tasks_are_not_one_problem(tmp_path: Path) -> None:
    """Each task counts its problems from 0; two models on one task have the same problems, whatever the day."""
    text = (FILES / "samples_sums.jsonl").read_bytes()
    for name in ("a/samples_sums_2026-11-29T16-31-36.989487", "b/samples_sums_2026-12-01T10-00-00.000001"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.jsonl").write_bytes(text)
    assert set(read_foreign([tmp_path])["problem"]) == {"0", "1", "2"}
    (tmp_path / "a" / "samples_my_sums_2026-11-29T16-31-36.989487.jsonl").write_bytes(text)
    rows = read_foreign([tmp_path / "a"])
    assert set(rows["problem"]) == {f"{task}:{number}" for task in ("sums", "my_sums") for number in range(3)}
    assert set(rows["sample_index"]) == {0, 1, 2, 3}


def test_trls_completions_of_two_steps_with_the_golds_that_its_reward_logged() -> None:
    rows = read_foreign([FILES / "completions"], {"correct": "ends_right"})
    assert len(rows) == 64
    assert sorted(set(rows["step"])) == [1, 2]
    assert set(rows["arm"]) == {"completions"}
    for question, gold in zip(rows["question"], rows["gold"], strict=True):
        assert sum(map(int, question.removesuffix(" =").split(" + "))) == int(gold)
    assert len(set(rows["problem"])) == 4  # by the prompt, which has no id
    assert [
        completion.split()[-1:] == [gold] for completion, gold in zip(rows["completion"], rows["gold"], strict=True)
    ] == (list(rows["correct"]))


def test_verls_dumps_with_its_scores_as_verdicts() -> None:
    rows = read_foreign([FILES / "validation"])
    assert list(rows["step"]) == [0] * 12 + [20] * 12
    assert [int(value) for value in list(rows["correct"])[:12]] == [1, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0]
    assert list(rows["gold"])[12:] == ["5"] * 4 + ["3"] * 4 + ["42"] * 4
    assert list(rows["source"])[12].endswith("20.jsonl, row 1")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_a_plain_table_of_any_kind(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame(
        {
            "problem_id": ["a", "a", "b"],
            "response": ["x, \\boxed{1}", 'says "2"\nand more', "\\boxed{3}"],
            "gold_answer": ["1", "1", "3"],
            "model": ["m", "m", "n"],
            "seed": [1, 1, 2],
        }
    )
    path = tmp_path / f"table.{suffix}"
    match suffix:
        case "csv" | "tsv":
            table.to_csv(path, index=False, sep="," if suffix == "csv" else "\t")
        case "jsonl" | "json":
            table.to_json(path, orient="records", lines=suffix == "jsonl")
        case _:
            table.to_parquet(path)
    rows = read_foreign([path])
    assert list(rows["completion"]) == list(table["response"])
    assert list(rows["gold"]) == ["1", "1", "3"]
    assert list(rows["arm"]) == ["m", "m", "n"]
    assert list(rows["seed"]) == [1, 1, 2]
    assert list(rows["step"]) == [0, 0, 0]
    assert list(rows["sample_index"]) == [0, 1, 0]


def test_conversations_numbers_and_files_without_arm(tmp_path: Path) -> None:
    said = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "\\boxed{2}"}]
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"id": 7, "prompt": said[:1], "completion": said, "answer": 2.0}) + "\n")
    rows = read_foreign([path], {"gold": "answer"})
    assert [rows[name][0] for name in ("arm", "problem", "question", "completion", "gold")] == (
        ["mine", "7", "1+1?", "\\boxed{2}", "2"]
    )


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        (
            '{"completion": "x", "answer": "1"}',
            {},
            "for the gold; it has completion, answer; name it: --map gold=answer",
        ),
        ('{"text": "x", "gold": "1"}', {}, "no column for the completion; .*--map completion=text"),
        ('{"complete": 1, "text": "x", "gold": "1"}', {}, "no column for the completion; .*--map completion=text"),
        (
            '{"completion": "x", "gold": "1"}',
            {"gold": "golds"},
            "no such column; did you mean 'gold'. It has completion, gold",
        ),
        (
            '{"completion": "x", "gold": "1"}',
            {"golden": "gold"},
            "golden=….* not a field; did you mean 'gold'. Known: problem",
        ),
        (
            '{"question": "q", "completion": "x", "answr": "1"}',
            {},
            "no column for the gold; it has question, completion, answr; name it: --map gold=answr",
        ),
        (
            '{"question": "q", "complettion": "x", "answer": "1"}',
            {},
            "no column for the completion; .*--map completion=complettion",
        ),
        ('{"completion": "x", "gold": "1"}\n{"comp', {}, "line 2: not JSON"),
        ("[1]", {}, "line 1: a list; expected one object a line"),
        ("", {}, "no rows"),
        ('{"completion": "x", "gold": "1", "seed": 0.5}', {}, "row 1: the seed is 0.5; expected a whole number"),
        ('{"completion": "x", "gold": "1", "correct": "maybe"}', {}, "row 1: correct is 'maybe'"),
        (
            '{"prompt": "p", "completion": "x", "advantage": 0.0, "step": 1, "r": 1.0}',
            {},
            "no column for the gold; .*log_extra",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, columns: dict[str, str], message: str) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(content)
    with pytest.raises(RecordError, match=message):
        read_foreign([path], columns)


def test_rows_without_an_id_are_known_by_their_question_and_leave_the_others_as_they_are(tmp_path: Path) -> None:
    """One id that is missing made 1.0 of 1, and one problem, nan, of all rows without."""
    rows = [
        {"id": 1, "question": "a", "completion": "5", "gold": 12345678901234567},
        {"id": None, "question": "b", "completion": "5", "gold": 0.5},
        {"question": "c", "completion": "5", "gold": "5"},
    ]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "whole.json").write_text(json.dumps(rows))
    pd.DataFrame(rows).astype({"gold": str}).to_parquet(tmp_path / "table.parquet")
    for name in ("lines.jsonl", "whole.json", "table.parquet"):
        read = read_foreign([tmp_path / name])
        assert list(read["problem"])[0] == "1" and len(set(read["problem"])) == 3  # noqa: RUF015
        assert list(read["gold"])[:2] == ["12345678901234567", "0.5"]


def test_what_holds_no_completions_is_named(tmp_path: Path) -> None:
    (tmp_path / "numbers.json").write_text("[1, 2]")
    with pytest.raises(RecordError, match=r"numbers\.json: a int; expected a list of objects"):
        read_foreign([tmp_path / "numbers.json"])
    for responses in ([], [[]]):
        row = {"doc_id": 0, "doc": {}, "resps": responses, "filter": "none", "target": "5"}
        (tmp_path / "samples_sums.jsonl").write_text(json.dumps(row))
        with pytest.raises(RecordError, match="no completion in any 'resps'"):
            read_foreign([tmp_path / "samples_sums.jsonl"])


def test_prime_rls_traces_by_verifiers_own_record() -> None:
    rows = read_foreign([FILES / "run"])
    assert list(rows["step"]) == [0] * 12 + [8] * 12 and set(rows["arm"]) == {"run"}
    assert list(rows["gold"])[:12] == ["5"] * 4 + ["3"] * 4 + ["42"] * 4
    assert list(rows["problem"])[:12] == ["sum-0"] * 4 + ["sum-1"] * 4 + ["sum-2"] * 4
    each = rows.to_dict("records")
    assert each[3]["completion"] == "Yes: \\boxed{5}"  # the last of two turns
    assert each[8]["completion"] == "" and each[8]["correct"] is None  # failed before it was scored
    assert each[0]["question"] == "What is 2 + 3? Put your final answer within \\boxed{}."
    scored = [row for row in each if row["correct"] is not None]
    assert len(scored) == 23 and {True, False} == {row["correct"] for row in scored}
    assert all((f"\\boxed{{{row['gold']}}}" in row["completion"]) == row["correct"] for row in scored)


def test_prime_rls_older_flat_rows_of_two_environments(tmp_path: Path) -> None:
    """As the format is described: no file of such a version is at hand."""
    folder = tmp_path / "run_default" / "rollouts" / "step_3"
    folder.mkdir(parents=True)
    asked, said = [{"role": "user", "content": "1+1?"}], [{"role": "assistant", "content": "\\boxed{2}"}]
    row = {"example_id": 0, "prompt": asked, "completion": said, "answer": "2", "reward": 1.0}
    lines = [json.dumps({**row, "task": task}) for task in ("sums", "sums", "more")]
    (folder / "train_rollouts.jsonl").write_text("\n".join(lines) + "\n")
    rows = read_foreign([tmp_path])
    assert list(rows["problem"]) == ["sums/0", "sums/0", "more/0"] and list(rows["sample_index"]) == [0, 1, 0]
    assert set(rows["arm"]) == {"run_default"} and set(rows["step"]) == {3}
    assert list(rows["completion"]) == ["\\boxed{2}"] * 3 and list(rows["correct"]) == [True] * 3
