"""Every benchmark of the project in one table: what it holds, how the paper asks it, whose it is.

`coeflab benchmarks` prints it and docs/benchmarks.md is written from it. Shots are those of DeepSeekMath (arXiv
2402.03300, section 2.3, and the prompts of its repository, deepseek-ai/DeepSeek-Math at 21cc5c6701a7,
evaluation/few_shot_prompts); its Instruct and RL models are asked without examples. Sizes are counted in the files and
checked by a test; licences are as stated where the data come from.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.problem import Tolerance

__all__ = ["BENCHMARKS", "PAPER_BENCHMARKS", "AnswerKind", "Benchmark", "Split"]


class AnswerKind(enum.StrEnum):
    """The kinds of a final answer."""

    FREE = "free"  # a number, an expression or words
    OPTION = "option"  # the letter of a choice, or several letters
    BLANKS = "blanks"  # several values in the order of the question's blanks
    PROOF = "proof"  # a formal proof; the short answer, where there is one, is part of the statement


@dataclass(frozen=True, kw_only=True)
class Split:
    """One file of a benchmark.

    Attributes:
        file: path below the data folder, without suffix.
        problems: how many it holds.
    """

    file: str
    problems: int


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark as people cite it.

    Attributes:
        title: its name in tables.
        splits: files by the name of the split.
        answer: what a final answer is.
        language: of the questions, ISO 639-1.
        shots: worked examples before the question when the paper asks a base model; 0 where it asks none so.
        paper_name: its column in the paper's tables; ``None`` where the paper does not have it.
        tolerance: how far a number may lie from the gold answer.
        licence: as stated in the source repository.
        citation: authors, year and arXiv number or address.
        note: overlaps with others and what is known of its labels.
    """

    title: str
    splits: Mapping[str, Split]
    answer: AnswerKind = AnswerKind.FREE
    language: str = "en"
    shots: int = 0
    paper_name: str | None = None
    tolerance: Tolerance | None = None
    licence: str
    citation: str
    note: str = ""

    @property
    def metric(self) -> str:
        """The paper's measure: top-1 accuracy over all problems, by the answer checker or the proof checker."""
        return "proofs accepted" if self.answer is AnswerKind.PROOF else "accuracy"


def _one(file: str, problems: int, split: str = "test") -> Mapping[str, Split]:
    return {split: Split(file=file, problems=problems)}


def _two(train: Split, test: Split) -> Mapping[str, Split]:
    return {"train": train, "test": test}


_NONE_STATED = "none stated for the data"
_MATH = "MIT (hendrycks/math); taken down from a hub after a claim of the problems' owner in 2025: not to be passed on"
_MAA = f"{_NONE_STATED}; problems of the MAA"
_AGIEVAL = "Zhong et al. 2023, arXiv 2304.06364 (AGIEval)"
_MGSM_LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")


def _mgsm(language: str) -> Benchmark:
    return Benchmark(
        title=f"MGSM {language}",
        splits=_one(f"mgsm/mgsm_{language}", 250),
        language=language,
        paper_name="MGSM-zh" if language == "zh" else None,
        licence="CC BY 4.0",
        citation="Shi et al. 2022, arXiv 2210.03057",
        note="The first 250 test problems of GSM8K, translated.",
    )


BENCHMARKS: dict[str, Benchmark] = {
    "gsm8k": Benchmark(
        title="GSM8K",
        splits=_two(Split(file="gsm8k/train", problems=7473), Split(file="gsm8k/test", problems=1319)),
        shots=8,
        paper_name="GSM8K",
        licence="MIT",
        citation="Cobbe et al. 2021, arXiv 2110.14168",
    ),
    "math": Benchmark(
        title="MATH",
        shots=4,
        splits=_two(Split(file="math/train", problems=7498), Split(file="math/test", problems=5000)),
        paper_name="MATH",
        licence=_MATH,
        citation="Hendrycks et al. 2021, arXiv 2103.03874",
        note="Two of the 7,500 training problems have an empty box and are left out. Contains MATH-500.",
    ),
    "math500": Benchmark(
        title="MATH-500",
        splits=_one("math/math500", 500),
        licence=_MATH,
        citation="Lightman et al. 2023, arXiv 2305.20050",
        note="500 test problems of MATH.",
    ),
    "minerva_math": Benchmark(
        title="OCW courses",
        shots=4,
        splits=_one("minerva_math/test", 272),
        paper_name="OCW",
        # Answers of university courses are rounded.
        tolerance=Tolerance(relative=Fraction(1, 100)),
        licence=_NONE_STATED,
        citation="Lewkowycz et al. 2022, arXiv 2206.14858 (Minerva)",
        note="Numbers within 1 % of the gold answer are right, as in Minerva.",
    ),
    "sat_math": Benchmark(
        title="SAT",
        shots=4,
        splits=_one("sat_math/test", 32),
        answer=AnswerKind.OPTION,
        paper_name="SAT",
        licence=_NONE_STATED,
        citation="Azerbayev et al. 2023, arXiv 2310.10631 (Llemma)",
    ),
    "mmlu_stem": Benchmark(
        title="MMLU-STEM",
        shots=4,
        splits=_one("mmlu_stem/test", 3018),
        answer=AnswerKind.OPTION,
        paper_name="MMLU STEM",
        licence=_NONE_STATED,
        citation="Hendrycks et al. 2020, arXiv 2009.03300",
    ),
    "cmath": Benchmark(
        title="CMATH",
        splits={
            "validation": Split(file="cmath/dev", problems=600),
            "test": Split(file="cmath/test", problems=1098),
        },
        language="zh",
        shots=6,
        paper_name="CMATH",
        licence=_NONE_STATED,
        citation="Wei et al. 2023, arXiv 2306.16636",
        note="Three question texts are in both splits.",
    ),
    "gaokao_mathcloze": Benchmark(
        title="Gaokao MathCloze",
        splits=_one("gaokao_mathcloze/test", 118),
        answer=AnswerKind.BLANKS,
        language="zh",
        shots=5,
        paper_name="Gaokao MathCloze",
        licence=_NONE_STATED,
        citation=_AGIEVAL,
    ),
    "gaokao_mathqa": Benchmark(
        title="Gaokao MathQA",
        shots=5,
        splits=_one("gaokao_mathqa/test", 351),
        answer=AnswerKind.OPTION,
        language="zh",
        paper_name="Gaokao MathQA",
        licence=_NONE_STATED,
        citation=_AGIEVAL,
        note="Seven problems have several right letters.",
    ),
    "svamp": Benchmark(
        title="SVAMP",
        splits=_one("svamp/test", 1000),
        licence="MIT",
        citation="Patel et al. 2021, arXiv 2103.07191",
    ),
    "gsm_hard": Benchmark(
        title="GSM-Hard",
        splits=_one("gsm_hard/test", 1319),
        licence="Apache-2.0",
        citation="Gao et al. 2022, arXiv 2211.10435 (PAL)",
        note="GSM8K's test problems with larger numbers; 146 gold answers are negative and 303 no integers where the "
        "question asks for everyday quantities.",
    ),
    "minif2f": Benchmark(
        title="miniF2F",
        splits={
            "validation": Split(file="minif2f/valid", problems=244),
            "test": Split(file="minif2f/test", problems=244),
        },
        answer=AnswerKind.PROOF,
        licence="Lean and Isabelle statements Apache-2.0; none stated for the informal part",
        citation="Zheng et al. 2021, arXiv 2109.00110",
        note="Statements in Lean 4 and Isabelle, with informal problems and proofs. Holds problems of MATH. The "
        "paper's Table 3 has its Base model's proofs in Isabelle: 25.8 (validation), 24.6 (test).",
    ),
    "olympiadbench": Benchmark(
        title="OlympiadBench",
        splits=_one("olympiadbench/test", 675),
        licence=_NONE_STATED,
        citation="He et al. 2024, arXiv 2402.14008",
        note="Open-ended English mathematics problems without pictures; some come with a tolerance.",
    ),
    "aime2024": Benchmark(title="AIME 2024", splits=_one("aime/aime2024", 30), licence=_MAA, citation="MAA 2024"),
    "aime2025": Benchmark(title="AIME 2025", splits=_one("aime/aime2025", 30), licence=_MAA, citation="MAA 2025"),
    "amc23": Benchmark(
        title="AMC 2023",
        splits=_one("amc23/test", 40),
        licence=_MAA,
        citation="MAA 2023",
        note="Problems of the AMC 12 with numeric answers.",
    ),
    **{f"mgsm_{language}": _mgsm(language) for language in _MGSM_LANGUAGES},
}
"""Every benchmark by the name that `--benchmark` takes; the generated one, ``arithmetic``, has no files."""

PAPER_BENCHMARKS = tuple(name for name, benchmark in BENCHMARKS.items() if benchmark.paper_name is not None)
"""The meaning of ``--benchmark paper``: the columns of the paper's Tables 2 and 5 that are asked in words."""
