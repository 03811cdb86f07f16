"""Results as plain sentences. They claim a difference only for declared contrasts, after Holm's correction, and every
sentence says at which temperature the samples were drawn."""

from collections.abc import Sequence

import numpy as np

from analysis.noise.intervals import Interval
from analysis.noise.seeds import FEWEST_SEEDS
from analysis.records.evaluations import BUDGETS
from analysis.records.showing import number_of
from analysis.statistics.budget import BudgetDifference
from analysis.statistics.contrasts import TUNED_START
from analysis.statistics.crossings import Crossing
from analysis.statistics.decoding import TunedStart
from analysis.statistics.differences import Difference

INTERVAL_NOTE = (
    "Every interval is 95 % over problems and training seeds together (over problems alone where an arm has one seed). "
    "That of a contrast is computed from its own arms, seed by seed and problem by problem, and from no other arm: it "
    "is the same in every table, in the terminal and in the files. It misses in 4 to 6 % of cases (simulated, with "
    "training noise that differs between arms and with shared start policies). Verdicts are for declared contrasts "
    "only, corrected together (Holm 1979) on each benchmark; none with fewer than two seeds. Found 4 in 5: the "
    "smallest difference, in points, that this design finds four times in five; – where none up to 100 is, or where "
    "two seeds cannot say."
)
QUANTITIES = {"pass": "Pass@{k}", "majority": "Maj@{k}"}
TWO_SEEDS = (
    "with two seeds the training noise is known from one number a contrast, and taken to be normal: the interval is "
    "wide, and right only if that holds; what such a design finds four times in five is not stated"
)


def difference_sentence(difference: Difference) -> str:
    """What may be said of a contrast, such as "grpo beats rft on Pass@1 at temperature 1 by 4.1 points (95 % 2.0 to
    6.2, 3 seeds, 256 problems)."; where nothing may, the smallest difference that the design would have found."""
    name = QUANTITIES[difference.quantity].format(k=difference.k) + at_temperature(difference.temperature)
    detail = f"{_interval_text(difference)}, {_design(difference)}"
    arm, baseline = difference.arm, difference.baseline
    assumed = f"; {TWO_SEEDS}" if min(difference.num_seeds, difference.num_baseline_seeds) < FEWEST_SEEDS else ""
    if difference.verdict == "better":
        return f"{arm} beats {baseline} on {name} by {points(difference.point)} ({detail}){assumed}."
    if difference.verdict == "worse":
        return f"{arm} falls short of {baseline} on {name} by {points(-difference.point)} ({detail}){assumed}."
    if difference.verdict == "none":
        sentence = f"{arm} minus {baseline} on {name}: {signed(difference.point)} points ({detail})"
        return sentence + ("; no verdict: that needs two seeds an arm." if difference.declared else ", not declared.")
    sentence = f"{arm} and {baseline} cannot be told apart on {name}: {signed(difference.point)} points"
    if difference.interval.low > 0 or difference.interval.high < 0:
        corrected = (
            f"p = {difference.p_holm:.2f} after correction for {number_of(difference.num_comparisons, 'contrast')}"
        )
        sentence += f" ({detail}; {corrected})"
    else:
        sentence += f" ({detail})"
    if not np.isfinite(difference.detectable) or difference.detectable == 0:
        return sentence + "."
    smallest = f"{100 * difference.detectable:.1f} points"
    return f"{sentence}; the smallest difference that this design finds four times in five is {smallest}."


def at_temperature(temperature: float | None) -> str:
    """As " at temperature 0.7", " decoded greedily", or nothing where it was not recorded."""
    if temperature is None:
        return ""
    return " decoded greedily" if temperature == 0 else f" at temperature {temperature:g}"


def _at_temperatures(temperatures: Sequence[float | None]) -> str:
    """`at_temperature` of what several differences or crossings have in common, or of each where they have not."""
    return " and".join(dict.fromkeys(text for each in temperatures if (text := at_temperature(each))))


def crossing_sentence(crossing: Crossing) -> str:
    """Where the order of two Pass@K curves turns, where that is sure; "" where it is not."""
    if not crossing.sure or np.isnan(crossing.k):
        return ""
    other = crossing.baseline if crossing.leader == crossing.arm else crossing.arm
    band = f"{100 * crossing.confidence:.4g} % over problems and {number_of(crossing.num_seeds, 'seed')}"
    where = at_temperature(crossing.temperature)
    return (
        f"{crossing.leader} leads {other} on Pass@K{where} up to K = {crossing.k:.3g} ({band}: {crossing.low:.3g} to "
        f"{crossing.high:.3g}) and is behind it at K = {crossing.largest_k}."
    )


def no_crossing_sentence(crossings: Sequence[Crossing]) -> str:
    """Of curves of which none is sure to cross another: at which temperature they were drawn."""
    where = _at_temperatures([crossing.temperature for crossing in crossings])
    return f"No two Pass@K curves{where} cross for sure."


def budget_sentence(found: BudgetDifference) -> str:
    """`difference_sentence`, with the budget at which the arms were compared in front."""
    unit = BUDGETS[found.x]
    level = f"{unit} of {found.level:.3g}" if found.x == "kl" else f"{found.level:,.6g} {unit}"
    return f"At {level}: {difference_sentence(found.difference)}"


def control_sentence(differences: Sequence[Difference], control: str) -> str:
    """Which methods stay ahead of a control on one benchmark, by intervals alone.

    Args:
        differences: methods minus that control, of one benchmark.
        control: its arm.
    """
    behind = [difference.arm for difference in differences if not difference.interval.low > 0]
    where = f" on {differences[0].benchmark}{_at_temperatures([difference.temperature for difference in differences])}"
    if not behind:
        return f"Every method's interval lies above the control {control}{where}."
    return f"Not clearly above the control {control}{where}: {', '.join(behind)}."


def sharpening_sentences(tuned: Sequence[TunedStart], contrasts: Sequence[Difference], start: str | None) -> list[str]:
    """For each benchmark: at which temperature the start is best, and whose gain over it is more than sharpening.

    "More" is said where the interval of a method, at its own temperature, minus the tuned start lies above 0.
    """
    sentences = []
    for each in tuned:
        benchmark = each.scores.benchmark
        accuracy = 100 * float(each.scores.pass_SPK.mean())
        sentences.append(
            f"{TUNED_START} is {start} at its best temperature on {benchmark}: {_chosen(each)} (0 is greedy; "
            f"{_chosen_on(each)}{_validation_scores(each)}); Pass@1 {accuracy:.1f} %."
        )
        against = [found for found in contrasts if (found.benchmark, found.baseline) == (benchmark, TUNED_START)]
        for temperature in dict.fromkeys(found.temperature for found in against):
            sentences += _more_or_not([found for found in against if found.temperature == temperature], benchmark)
    return sentences


def tuned_line(tuned: TunedStart, start: str | None) -> str:
    """Which temperature the tuned start has on a benchmark, and what chose it, for a terminal."""
    at = f"at temperature {_chosen(tuned)} (0 is greedy)"
    return f"{TUNED_START} on {tuned.scores.benchmark}: {start} {at}, {_chosen_on(tuned)}"


def _chosen(tuned: TunedStart) -> str:
    low, *others = sorted(set(tuned.temperatures))
    return f"{low:g}" + "".join(f" and {other:g}, one for each half" for other in others)


def _chosen_on(tuned: TunedStart) -> str:
    if tuned.validation:
        return f"chosen on {number_of(tuned.num_validation, 'validation problem')}"
    return "chosen on the other half of the problems, as no validation problems were recorded"


def _validation_scores(tuned: TunedStart) -> str:
    scores = ", ".join(f"{minus(100 * share)} % at {each:g}" for each, share in tuned.validation.items())
    return f", Pass@1 there {scores}" if scores else ""


def _more_or_not(against: Sequence[Difference], benchmark: str) -> list[str]:
    """Whose gain over the tuned start is more than sharpening, and whose may be no more; all at one temperature."""
    where, sentences = at_temperature(against[0].temperature), []
    more = [found.arm for found in against if found.interval.low > 0]
    rest = [found.arm for found in against if not found.interval.low > 0]
    if more:
        sentences.append(f"More than sharpening{where}, on {benchmark}: {', '.join(more)} lie above {TUNED_START}.")
    if rest:
        sentences.append(
            f"No more than sharpening is shown{where}, on {benchmark}, for {', '.join(rest)}: decoded at its best, the "
            "start policy may be as good."
        )
    return sentences


def interval_text(interval: Interval, confidence: float) -> str:
    """As "95 % −1.2 to 2.0", in points."""
    return f"{100 * confidence:.4g} % {minus(100 * interval.low)} to {minus(100 * interval.high)}"


def points(share: float) -> str:
    """A share in percentage points: 0.041 is "4.1 points"."""
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
    problems = number_of(difference.num_problems, "problem")
    ours, theirs = difference.num_seeds, difference.num_baseline_seeds
    if ours == theirs == 1:
        return f"1 seed: training noise is not in the interval, {problems}"
    if ours == theirs:
        return f"{ours} seeds, {problems}"
    if 1 not in (ours, theirs):
        return f"{ours} seeds of {difference.arm} and {theirs} of {difference.baseline}, {problems}"
    single, other = (difference.arm, difference.baseline) if ours == 1 else (difference.baseline, difference.arm)
    return f"1 seed of {single}: training noise is not in the interval, {max(ours, theirs)} of {other}, {problems}"


def _interval_text(difference: Difference) -> str:
    if np.isfinite(difference.interval.low):
        return interval_text(difference.interval, difference.confidence)
    return "one problem gives no interval"
