"""`coeflab benchmarks`: the page is current, one benchmark is told whole, a wrong name gets the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.inspection.benchmarks import UnknownBenchmarkNameError, benchmark_lines, benchmarks_page

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_what_the_registry_says() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert page == benchmarks_page(), "write it anew: python -m experiments.inspection.benchmarks > docs/benchmarks.md"


def test_one_benchmark_with_its_tolerance_and_its_file() -> None:
    told = "\n".join(benchmark_lines("minerva_math"))
    assert "272 problems, minerva_math/test.jsonl(.gz)" in told
    assert "within 1% of gold" in told
    assert "in the paper: OCW; examples for a base model: 4" in told
    assert "asked: chain_of_thought in 'en' where the model has a chat template, else few_shot" in told
    assert "asked: chain_of_thought in 'zh'" in "\n".join(benchmark_lines("cmath"))
    assert "asked: --prompt proof with --set checker=" in "\n".join(benchmark_lines("minif2f"))


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownBenchmarkNameError, match="did you mean 'gsm8k'"):
        benchmark_lines("gms8k")
