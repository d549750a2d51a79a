"""A placeholder of the page that compares backends."""

from __future__ import annotations

import json
from pathlib import Path

from medgen.files import write_text
from medgen.report.comparison import Comparison
from medgen.report.markup import plain


def write_comparison(comparison: Comparison, out: Path) -> Path:
    """Write ``metrics.json`` into the folder `out`; return where the page will be."""
    metrics = {entry.name: [run.metrics for run in entry.runs] for entry in comparison.entries}
    write_text(out / "metrics.json", json.dumps(plain(metrics), indent=2) + "\n")
    return out / "report.html"
