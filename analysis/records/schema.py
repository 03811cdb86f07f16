"""The columns of a run's files, owned here and imported by whoever writes or reads them.

Budgets in `metrics.jsonl` (`BUDGET_COLUMNS`) are cumulative since the start of the run.
"""

__all__ = ["BUDGET_COLUMNS", "JUDGEMENT_COLUMNS", "SAMPLE_COLUMNS", "TEXT_COLUMNS", "VERDICTS"]

SAMPLE_COLUMNS = (
    "arm",
    "seed",
    "step",
    "benchmark",
    "problem_id",
    "sample_index",
    "question",
    "gold_answer",
    "completion",
    "answer",
    "answer_class",
    "verdict",
    "num_tokens",
    "finish_reason",
    "policy_version",
)
TEXT_COLUMNS = ("question", "completion", "answer")  # most of a file's bytes; no number depends on them
JUDGEMENT_COLUMNS = tuple(name for name in SAMPLE_COLUMNS if name not in TEXT_COLUMNS)
VERDICTS = ("CORRECT", "INCORRECT", "NO_ANSWER", "UNPARSABLE", "TIMEOUT")
BUDGET_COLUMNS = ("completions_sampled", "tokens_generated", "tokens_trained", "flops", "seconds")
