"""The columns of a run's files and the names in them, owned here and imported by whoever writes or reads them.

Budgets in `metrics.jsonl` (`BUDGET_COLUMNS`) are cumulative since the start of the run.
"""

__all__ = [
    "BUDGET_COLUMNS",
    "CHAINS",
    "CONTROL_KINDS",
    "FITS_FILE",
    "JUDGEMENT_COLUMNS",
    "LATER_COLUMNS",
    "SAMPLE_COLUMNS",
    "SCORE_COLUMNS",
    "START_ARM",
    "START_KL_COLUMNS",
    "START_KL_FILE",
    "TEXT_COLUMNS",
    "TIME_COLUMNS",
    "VERDICTS",
]

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
    "level",
    "chain",
)
LATER_COLUMNS = ("level", "chain")  # texts that files of earlier versions lack; "" there, and where a source has none
# `scores.parquet`: what the reward model of a run says of its last evaluation's samples, a probability of being right;
# of a model of steps the least that it says of a step (Math-Shepherd, arXiv 2312.08935, section 3.4).
SCORE_COLUMNS = ("step", "benchmark", "problem_id", "sample_index", "score")
# How far the policy of each evaluation is from the start policy of its run, completion by completion: "start_kl" is the
# k3 estimate of KL(π_θ ‖ π_start), summed over the completion's tokens, in nats.
START_KL_FILE = "start_kl.parquet"
START_KL_COLUMNS = ("step", "benchmark", "problem_id", "sample_index", "start_kl")
FITS_FILE = "reward_models.json"  # "fits": a row a fit of a run's reward models, what each did on held-out problems
TEXT_COLUMNS = ("question", "completion", "answer")  # most of a file's bytes; no number depends on them
JUDGEMENT_COLUMNS = tuple(name for name in SAMPLE_COLUMNS if name not in TEXT_COLUMNS)
# "chain" of a right answer: its steps were checked and are right, or one is wrong; "" where not checked, and of others.
CHAINS = ("RIGHT", "WRONG", "")
VERDICTS = ("CORRECT", "INCORRECT", "NO_ANSWER", "UNPARSABLE", "TIMEOUT")
# Columns of `metrics.jsonl` that two runs of one computation differ in.
TIME_COLUMNS = (
    "seconds",
    "step_seconds",
    "sampling_seconds",
    "scoring_seconds",
    "update_seconds",
    "weight_sync_seconds",
)
BUDGET_COLUMNS = ("completions_sampled", "tokens_generated", "tokens_trained", "flops", "seconds")
START_ARM = "sft_start"  # the start policy, evaluated as it is
# "control" of a run's configuration, and what that control arm takes away, in words.
CONTROL_KINDS = {
    "random_reward": "random reward",
    "format_reward": "format-only reward",
    "no_update": "no update",
    "shuffled_verdicts": "shuffled verdicts",
    "continued_sft": "continued SFT",
}
