"""What the page claims: methods against control arms as one family, and nothing from one problem."""

import json
import re

from analysis import Resampling, load_comparison, score_comparison, write_report
from analysis.report.claims import make_claims
from analysis.report.tables import summarize_scores


def control_run(make_run, name, kind, votes):
    """A run whose configuration says that it is a control arm."""
    run = make_run(name, 0, votes, steps=2)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "control": kind}))


def test_the_page_says_who_does_not_beat_the_controls(make_run, tmp_path):
    right, wrong, half = ["CCCC"] * 30, ["aaab"] * 30, ["CCCC", "abab"] * 15
    make_run("sft_start", 0, {0: wrong})
    control_run(make_run, "control_random", "random_reward", {2: wrong})
    control_run(make_run, "control_sft", "continued_sft", {2: half})
    for arm, votes in (("rft", half), ("grpo", right)):
        make_run(arm, 0, {2: votes}, steps=2)
    for path in (tmp_path / "cmp").glob("runs/*/config.json"):
        config = json.loads(path.read_text())
        config["evaluation"] = {**config.get("evaluation", {}), "temperature": 0.7}
        path.write_text(json.dumps(config))
        (path.parent / "finished.json").write_text("{}")
    page = write_report(tmp_path / "cmp").read_text()
    assert "<li>Not clearly above the control control_sft on sums at temperature 0.7: rft.</li>" in page
    assert (
        "<li>Every method&#x27;s interval lies above the control control_random on sums at temperature 0.7.</li>"
        in page
    )
    assert "No two Pass@K curves at temperature 0.7 cross for sure." in page
    assert "Control arms that were not run: format-only reward, no update, shuffled verdicts." in page
    assert '<td class="text">random reward</td>' in page
    claims = claims_of(tmp_path / "cmp")
    assert claims.controls == ("control_random", "control_sft")
    assert [each.name for each in claims.contrasts] == [
        "rft − sft_start",
        "grpo − sft_start",
    ]


def claims_of(folder):
    comparison, few = load_comparison(folder), Resampling(num_resamples=50)
    scores = score_comparison(comparison)
    return make_claims(comparison, scores, summarize_scores(comparison, scores, None, few), "sft_start", few)


def test_a_comparison_of_one_problem_has_a_report_without_claims(make_run, tmp_path):
    for seed in (0, 1):
        make_run("sft_start", seed, {0: ["aaab"]})
        make_run("grpo", seed, {0: ["aaab"], 2: ["CCCb"]})
    page = write_report(tmp_path / "cmp").read_text()
    assert "grpo and sft_start cannot be told apart on Pass@1: +75.0 points (one problem gives no interval" in page
    assert "<td>75.0 [–]</td>" in page
    assert "nan" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page).split("<main")[-1].lower()
