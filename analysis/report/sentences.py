"""Results as plain sentences; they claim a difference only where its p-value after Holm's correction allows it."""

from collections.abc import Sequence

import numpy as np

from analysis.records.evaluations import BUDGETS
from analysis.statistics.budget import BudgetDifference
from analysis.statistics.crossings import Crossing
from analysis.statistics.differences import Difference
from analysis.statistics.intervals import Interval
from analysis.statistics.scores import ArmScores
from analysis.statistics.seeds import FEWEST_SEEDS

BAND_NOTE = (
    "Bands are over problems (bootstrap, a problem's samples stay together), for the seeds that were run; the "
    "simultaneous band (sup-t) contains the whole curve with the stated confidence."
)
TOTAL_NOTE = (
    "Claims rest on the total interval: half width √(t²·V over problems + t²·V over seeds), each part with the t "
    "quantile of its own degrees of freedom (Banerjee 1960), and never less than over problems alone. Training noise "
    "is pooled over the arms with the same seeds (seeds as blocks) where there are three or more, but never taken "
    "smaller than the pair's own. p-values are corrected (Holm 1979) benchmark by benchmark, within one table: over "
    "all arms minus the baseline, over all methods minus all control arms, in pairs.csv over all pairs, in "
    "budget_differences.csv over the pairs at one budget."
)
QUANTITIES = {"pass": "Pass@{k}", "majority": "Maj@{k}"}


def difference_sentence(difference: Difference) -> str:
    """What may be said of two arms, such as "grpo beats rft on Pass@1 by 4.1 points (95 % 2.0 to 6.2, 3 seeds, 256
    problems)."; where nothing may, the smallest difference that the design would have found."""
    name = QUANTITIES[difference.quantity].format(k=difference.k)
    detail = f"{_total_text(difference)}, {_design(difference)}"
    arm, baseline = difference.arm, difference.baseline
    if difference.verdict == "better":
        return f"{arm} beats {baseline} on {name} by {points(difference.point)} ({detail})."
    if difference.verdict == "worse":
        return f"{arm} falls short of {baseline} on {name} by {points(-difference.point)} ({detail})."
    sentence = (
        f"{difference.arm} and {difference.baseline} cannot be told apart on {name}: {signed(difference.point)} points"
    )
    if difference.total.low > 0 or difference.total.high < 0:
        corrected = f"p = {difference.p_holm:.2f} after correction for {difference.num_comparisons} comparisons"
        sentence += f" ({detail}; {corrected})"
    else:
        sentence += f" ({detail})"
    if not np.isfinite(difference.detectable) or difference.detectable == 0:
        return sentence + "."
    smallest = f"{100 * difference.detectable:.1f} points"
    return f"{sentence}; the smallest difference that this design finds four times in five is {smallest}."


def crossing_sentence(crossing: Crossing) -> str:
    """Where the order of two Pass@K curves turns, or how long it holds."""
    pair = f"{crossing.arm} and {crossing.baseline}"
    if not crossing.leader:
        return f"{pair} have the same Pass@1; where their Pass@K curves cross is not defined."
    other = crossing.baseline if crossing.leader == crossing.arm else crossing.arm
    low, high = _k_text(crossing.low, crossing.largest_k), _k_text(crossing.high, crossing.largest_k)
    band = f"{100 * crossing.confidence:.4g} % over problems"
    if np.isnan(crossing.k):
        ahead = f"{crossing.leader} leads {other} on Pass@K {_lead_text(crossing.leads_to, crossing.largest_k)}"
        if np.isinf(crossing.low):
            share = f"in at least {50 * (1 + crossing.confidence):.4g} % of the resamples of the problems"
            if crossing.leads_surely_to == crossing.leads_to:
                return f"{ahead}, {share} too."
            return f"{ahead}; {share} it leads {_lead_text(crossing.leads_surely_to, crossing.largest_k)}."
        if crossing.low < 1:
            return f"{ahead}, but not surely at any: the problems leave open who leads at K = 1."
        return f"{ahead}, but that they cross from K = {low} on is not excluded ({band})."
    return f"{crossing.leader} leads {other} on Pass@K up to K = {crossing.k:.3g} ({band}: {low} to {high})."


def _lead_text(leads_to: int, largest: int) -> str:
    if leads_to == largest:
        return f"at every K up to {largest}"
    return f"up to K = {leads_to} and is never behind up to {largest}"


def _k_text(k: float, largest: int) -> str:
    if k < 1:
        return "below 1"
    return f"beyond {largest}" if np.isinf(k) else f"{k:.3g}"


def improvement_sentence(difference: Difference) -> str:
    """The chance that one run beats another on a problem drawn at random (`differences.probability_of_improvement`)."""
    low, high = difference.improvement.low, difference.improvement.high
    return (
        f"On a problem drawn at random, a run of {difference.arm} scores above one of {difference.baseline} with "
        f"probability {difference.improvement.point:.2f} ({100 * difference.confidence:.4g} % {low:.2f} to {high:.2f}, "
        "ties counting half)."
    )


def budget_sentence(found: BudgetDifference) -> str:
    """`difference_sentence`, with the budget at which the arms were compared in front."""
    unit = BUDGETS[found.x]
    level = f"{unit} of {found.level:.3g}" if found.x == "kl" else f"{found.level:,.6g} {unit}"
    return f"At {level}: {difference_sentence(found.difference)}"


def control_sentence(differences: Sequence[Difference]) -> str:
    """Which methods do not beat a control arm; the differences are of methods minus that one control.

    Raises:
        ValueError: there is no difference, or more than one control.
    """
    controls = {difference.baseline for difference in differences}
    if len(controls) != 1:
        raise ValueError(
            f"control_sentence: differences to {sorted(controls)}; expected one control; pass one at a time"
        )
    control = controls.pop()
    failing = [difference.arm for difference in differences if difference.verdict != "better"]
    if not failing:
        return f"Every method beats the control {control}."
    return f"Not shown to beat the control {control}: {', '.join(failing)}."


def seed_warning(scores: Sequence[ArmScores]) -> str:
    """A warning where fewer than three seeds carry a claim; empty where every arm has three or more."""
    few = {arm.arm: len(arm.seeds) for arm in scores if len(arm.seeds) < FEWEST_SEEDS}
    if not few:
        return ""
    listed = ", ".join(f"{arm} {count}" for arm, count in few.items())
    reasons = {
        1: "with one seed an arm's training noise is in no interval",
        2: "with two training noise is known only by taking it to be alike in three arms or more with the same seeds, "
        "and hardly at all where fewer share them",
    }
    why = ", ".join(reason for count, reason in reasons.items() if count in few.values())
    return f"Fewer than {FEWEST_SEEDS} seeds carry these claims ({listed}): {why}."


def interval_text(interval: Interval, confidence: float) -> str:
    """As "95 % −1.2 to 2.0", in points."""
    return f"{100 * confidence:.4g} % {minus(100 * interval.low)} to {minus(100 * interval.high)}"


def points(share: float) -> str:
    """As "4.1 points"."""
    return f"{minus(100 * share)} points"


def signed(share: float) -> str:
    """As "+0.4" or "−0.4", in points."""
    text = minus(100 * share)
    return text if text.startswith("−") else f"+{text}"


def minus(value: float) -> str:
    """One decimal, with a minus sign that reads as one, and no negative zero."""
    rounded = round(value, 1) + 0.0
    return f"−{-rounded:.1f}" if rounded < 0 else f"{rounded:.1f}"


def _design(difference: Difference) -> str:
    problems = f"{difference.num_problems} problem{'s' if difference.num_problems != 1 else ''}"
    ours, theirs = difference.num_seeds, difference.num_baseline_seeds
    if ours == theirs == 1:
        return f"1 seed: training noise is not in the interval, {problems}"
    if ours == theirs:
        return f"{ours} seeds, {problems}"
    if 1 not in (ours, theirs):
        return f"{ours} seeds of {difference.arm} and {theirs} of {difference.baseline}, {problems}"
    single, other = (difference.arm, difference.baseline) if ours == 1 else (difference.baseline, difference.arm)
    return f"1 seed of {single}: its training noise is not in the interval, {max(ours, theirs)} of {other}, {problems}"


def _total_text(difference: Difference) -> str:
    if np.isfinite(difference.total.low):
        return interval_text(difference.total, difference.confidence)
    return "one problem gives no interval"
