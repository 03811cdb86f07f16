"""One model on several benchmarks: names, a table with the paper's values, taken up again, told by status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from analysis.report.benchmark_table import load_suite, suite_markdown, suite_text
from analysis.report.tables import TERMINAL_WIDTH
from benchmarks.registry import BENCHMARKS, PAPER_BENCHMARKS
from experiments.commands.evaluate import Evaluate
from experiments.recipes.config import EvaluationConfig, TaskConfig
from experiments.records.config import RunConfig
from experiments.records.lock import FolderKindError
from experiments.runs.problems import UnknownBenchmarkError
from experiments.schedule.compare import compare, evaluate_model
from experiments.schedule.door import evaluation_run
from experiments.schedule.progress import progress_board
from experiments.schedule.status import status_lines
from experiments.schedule.suite import benchmark_names
from rewards.sandbox.run import why_unavailable
from sampling.engines import EngineConfig
from tests.experiments.miniature import recipe
from tests.training.small_run import save_start

KEPT = Path(__file__).parents[3] / "results" / "paper-benchmarks" / "2026-11-29"
PROBLEMS = {
    "gsm8k/test": [{"id": f"g{n}", "question": f"{n}+1", "answer": str(n + 1)} for n in range(4)],
    "sat_math/test": [
        {"id": f"s{n}", "question": f"{n}+1", "answer": "B", "options": ["0", str(n + 1)]} for n in range(3)
    ],
    "mine": [{"id": f"m{n}", "question": f"{n}*1", "answer": str(n)} for n in range(1, 3)],
}


def test_names_paper_and_all_are_spelt_out_once() -> None:
    assert benchmark_names(["gsm8k", "paper"]) == ("gsm8k", *(name for name in PAPER_BENCHMARKS if name != "gsm8k"))
    assert benchmark_names(["all"]) == tuple(name for name in BENCHMARKS if name != "minif2f")  # it needs a checker
    assert len(PAPER_BENCHMARKS) == 9
    assert benchmark_names(["gsm8k+python", "gsm8k+tool", "gsm8k"]) == ("gsm8k+python", "gsm8k+tool", "gsm8k")
    with pytest.raises(UnknownBenchmarkError, match=r"'gsm8k\+pythno'; did you mean 'gsm8k\+python'"):
        benchmark_names(["gsm8k+pythno"])
    with pytest.raises(UnknownBenchmarkError, match="unknown benchmark 'papers'; did you mean 'paper'"):
        benchmark_names(["papers"])
    with pytest.raises(ValueError, match="two benchmarks are called 'a'; rename one"):
        benchmark_names(["x/a.jsonl", "y/a.jsonl.gz"])


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model on two of the paper's benchmarks and one of a user's, evaluated by the command."""
    base = tmp_path_factory.mktemp("suite")
    for name, rows in PROBLEMS.items():
        file = base / "data" / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = save_start(base / "tiny")
    evaluate(base, model, base / "out")
    return base


def evaluate(base: Path, model: Path, out: Path) -> None:
    Evaluate(
        model=str(model),
        benchmark=("gsm8k", "sat_math", str(base / "data" / "mine.jsonl")),
        data_dir=str(base / "data"),
        prompt="bare",
        limit=3,
        samples=2,
        max_tokens=8,
        engine="transformers",
        out=out,
    ).run()


def test_the_table_has_the_papers_values_and_says_what_differs(suite: Path) -> None:
    loaded = load_suite(suite / "out")
    assert list(loaded.about) == ["gsm8k", "sat_math", "mine"]
    assert [row["problems"] for row in loaded.scores.values()] == [3, 3, 2]
    text = suite_text(loaded)
    english = text.partition("further benchmarks")[0]
    (base,) = [line.split() for line in english.splitlines() if line.startswith("Base 7B, Table 2, few-shot ")]
    assert base[-2:] == ["64.2", "84.4"]
    (trained,) = [line.split() for line in english.splitlines() if line.startswith("RL 7B, Table 5 ")]
    assert trained[-2:] == ["88.2", "–"]
    assert "3 of 1,319" in english and "3 of 32" in english
    assert "2 samples a problem at temperature 0.7, Pass@1 is their mean; the paper decodes once, greedily" in text
    assert "the first problems alone, of those that there are" in text
    ours = [100 * float(share) for share in (row["pass_at_1"] for row in loaded.scores.values())]
    assert f"tiny {sum(ours) / 3:.1f} over 3 benchmarks" in text
    here = (ours[0] + ours[1]) / 2
    assert (
        f"over the 2 of them that Table 2, few-shot has for DeepSeekMath-Base 7B: 74.3 there, {here:.1f} here" in text
    )
    assert "| 64.2 | 84.4 |" in suite_markdown(loaded)
    assert (suite / "out" / "report" / "benchmarks.md").read_text() == suite_markdown(loaded)


def test_the_whole_prompt_is_in_the_record(suite: Path) -> None:
    rows = [json.loads(line) for line in (suite / "out" / "sat_math" / "prompts.jsonl").read_text().splitlines()]
    assert rows[0] == {"problem_id": "s0", "prompt": "0+1\n(A) 0\n(B) 1"}


def test_a_stopped_suite_goes_on_and_status_tells_of_each_benchmark(suite: Path) -> None:
    before = (suite / "out" / "gsm8k" / "samples.parquet").stat().st_mtime_ns
    (suite / "out" / "mine" / "finished.json").unlink()
    assert status_lines(suite / "out")[-1] == "3 runs: 2 finished, 1 stopped"
    evaluate(suite, suite / "tiny", suite / "out")
    assert status_lines(suite / "out")[-1] == "3 runs: 3 finished"
    assert (suite / "out" / "gsm8k" / "samples.parquet").stat().st_mtime_ns == before


def test_a_single_evaluation_and_a_comparison_are_refused_in_the_folder_of_several(suite: Path) -> None:
    """Status would tell of the one, the report of the others."""
    before = sorted((suite / "out").iterdir())
    config = asked_alone(suite)
    with progress_board() as board:
        with pytest.raises(FolderKindError, match="of several benchmarks; an evaluation needs a folder of its own"):
            evaluate_model(config, suite / "out", board=board)
        with pytest.raises(FolderKindError, match="of several benchmarks; a comparison needs a folder of its own"):
            compare(recipe(), suite / "out", workers=1, board=board)
    assert sorted((suite / "out").iterdir()) == before


def asked_alone(suite: Path) -> RunConfig:
    """One of the suite's benchmarks, as it would be asked alone."""
    asked = EvaluationConfig(samples=2, max_tokens=8)
    task = TaskConfig(benchmark=str(suite / "data" / "mine.jsonl"), prompt="bare")
    return evaluation_run(str(suite / "tiny"), task, asked, EngineConfig(name="transformers"), seed=0)


def test_an_unfinished_benchmark_is_left_out_by_name(suite: Path) -> None:
    finished = suite / "out" / "sat_math" / "finished.json"
    held = finished.read_bytes()
    finished.unlink()
    try:
        assert "left out: sat_math: " in suite_text(load_suite(suite / "out"))
    finally:
        finished.write_bytes(held)


@pytest.mark.skipif(why_unavailable() is not None, reason=f"no sandbox here: {why_unavailable()}")
def test_the_columns_with_python_and_the_rows_with_a_tool(suite: Path) -> None:
    """Tables 3, 5 and 6: each column has the values of its own way of asking."""
    (suite / "chat.jinja").write_text("{{ messages[0]['content'][:20] }}")
    Evaluate(
        model=str(suite / "tiny"),
        benchmark=("gsm8k", "gsm8k+python", "gsm8k+tool"),
        data_dir=str(suite / "data"),
        limit=2,
        samples=1,
        max_tokens=8,
        settings=(f"chat_template={suite / 'chat.jinja'}",),
        engine="transformers",
        out=suite / "ways",
    ).run()
    text = suite_text(load_suite(suite / "ways"))
    heading = next(line for line in text.splitlines() if "+Python" in line)
    assert [part.strip() for part in heading.split("  ") if part.strip()] == ["GSM8K", "GSM8K+Python", "GSM8K, tool"]
    values = {line.partition("  ")[0]: line.split()[-3:] for line in text.splitlines() if line.startswith("Base 7B")}
    assert values["Base 7B, Table 2, 8-shot"] == ["64.2", "–", "–"]
    assert values["Base 7B, Table 3, 8-shot"] == ["–", "66.9", "–"]
    tools = [line.split()[-3:] for line in text.splitlines() if ", Table 5, tool " in line]
    assert tools == [["–", "–", "83.7"], ["–", "–", "86.7"]]
    assert "at most 4 programs a completion, 128 tokens of each output are shown" in text


@pytest.mark.skipif(not KEPT.is_dir(), reason="the results are not here")
def test_eleven_benchmarks_fit_a_terminal_with_every_label_whole() -> None:
    """Seven columns are wider than 120 characters: the table goes on below itself, no name loses its middle."""
    loaded = load_suite(KEPT)
    text = suite_text(loaded)
    assert "…" not in text
    table = text.partition("macro-average")[0].splitlines()
    assert max(map(len, table)) <= TERMINAL_WIDTH
    starts = [line.partition("   ")[0] for line in table]
    assert [label for label in starts if "7B" in label or label == "Pass@1"] == [
        "Base 7B, Table 2, few-shot",
        "Instruct 7B, Table 5",
        "RL 7B, Table 5",
        "Pass@1",
        "Base 7B, Table 3, 8-shot",
        "Instruct 7B, Table 5, tool",
        "RL 7B, Table 5, tool",
        "Pass@1",
        "Base 7B, Table 2, few-shot",
        "Instruct 7B, Table 5",
        "RL 7B, Table 5",
        "Pass@1",
    ]
    for title in ("GSM8K", "MATH", "OCW", "SAT", "MMLU STEM", "GSM8K+Python", "GSM8K, tool", "CMATH", "MGSM-zh"):
        assert sum(f" {title} " in f"{line} " for line in table if line.startswith(" " * 5)) == 1
    page = suite_markdown(loaded)
    assert "| DeepSeekMath-Base 7B (Table 3, 8-shot) | – | – | – | – | – | 66.9 | – |" in page
    assert "| SmolLM2-135M-Instruct: Pass@1 | 0.7 | 0.5 | 0.4 | 4.7 | 10.3 | 0.1 | 1.0 |" in page
    sat = loaded.scores["sat_math"]
    low, high = (f"{100 * sat[f'pass_at_k_{end}']:.1f}" for end in ("low", "high"))
    assert page.count(f"| [{low}, {high}] |") == 1
    assert (KEPT / "tables" / "benchmarks.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(("device", "samples", "expected"), [("cpu", 4, 64), ("cuda", 4, 1024), ("cuda", 256, 64)])
def test_on_a_gpu_a_chunk_fills_the_engines(
    device: str, samples: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.commands.evaluate.current_device", lambda: device)
    asked = Evaluate(model="m", samples=samples)._recipe("gsm8k", several=True)
    assert asked.evaluation.chunk_problems == expected


def test_a_benchmark_that_was_not_begun_says_so_and_no_more(suite: Path, tmp_path: Path) -> None:
    shutil.copytree(suite / "out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "sat_math")
    assert "left out: sat_math: not begun\n" in suite_text(load_suite(tmp_path / "out"))
