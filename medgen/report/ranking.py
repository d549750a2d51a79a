"""New frames to one self-contained page and a table: most anomalous first, with p-values and decisions, without any label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medgen.data.scorable import is_scored
from medgen.files import json_values, write_csv, write_json, write_text
from medgen.report.figures import score_histogram
from medgen.report.markup import asset, environment, inline
from medgen.report.page import context
from medgen.report.run_report_data import RunResults

BLANK = ["label", "finding", "split", "group"]  # columns of scores that are not written: nothing is known of new frames
LISTED = 200  # frames in the table of the page; the file has all


def write_ranking(results: RunResults, normal_scores: Sequence[float], out: Path) -> Path:
    """Write ``report.html``, ``ranks.csv`` and ``metrics.json`` into the folder `out`; return the page's path.

    Parameters
    ----------
    results : its scores in the order of their ranks, with columns rank and, where there are normal validation frames, p_value;
        its panels are the first of them; its metrics are "frames" (unlabelled), "flagged" (count, of), "threshold" ({} for
        none), "validation_frames" and "expected_false_alarms"
    normal_scores : raw scores of the normal validation frames; [] where there were none

    Raises
    ------
    MedgenError : if `out` cannot be written.
    """
    scores = results.scores
    labels = ["normal"] * len(normal_scores) + [""] * len(scores)
    histogram = score_histogram([*normal_scores, *scores["score"]], labels, results.metrics["threshold"].get("value"))
    page = environment().get_template("ranking.html")
    html = page.render(
        c=context(results, results.name, "ranking", {}),
        ranks=[json_values(row) for row in scores[is_scored(scores)].head(LISTED).to_dict("records")],
        histogram=inline(histogram, "histogram-"),
        style=asset("page.css"),
    )
    write_csv(out / "ranks.csv", scores.drop(columns=BLANK))
    write_json(out / "metrics.json", json_values(results.metrics))
    write_text(out / "report.html", html)
    return out / "report.html"
