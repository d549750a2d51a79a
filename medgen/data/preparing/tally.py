"""What was counted while frames were cropped, in sentences: masks that mark nothing, blanked findings, lost contrast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from medgen.errors import number_of

FEW_LEVELS = 64  # grey levels of a picture below which a lesion may drown, where the file has more
CHOOSE = "; choose what is black and white by --intensity window:LO,HI or percentile:LO,HI"
NAMED, LISTED = 3, 20  # files that a sentence names; that one names which asks to look at each


def tally(index: pd.DataFrame) -> list[str]:
    """Return what whoever prepared a data set has to know, the gravest first.

    Parameters
    ----------
    index : one row a frame, as `crop_file` makes them: columns path, label, annotated; marked, kept and kept_valid (pixels of
        the finding in the frame, in the crop, and valid there); mostly, scaled, unrelated (0 or 1); levels; rules; blanked (of
        the crop)
    """
    return [*mask_sentences(index), *_lost_findings(index), *level_sentences(index)]


def mask_sentences(index: pd.DataFrame) -> Iterator[str]:
    """Yield how many frames have masks that contradict their label, or that had to be fitted."""
    annotated, normal, marked = index["annotated"] == 1, index["label"] == "normal", index["marked"] > 0
    expected = annotated & ~normal
    if count := int((expected & ~marked).sum()):
        yield f"{count} of {int(expected.sum())} annotated frames have an empty mask, {_names(index, expected & ~marked)}"
    if count := int((normal & marked).sum()):
        have = number_of(count, "normal frame has", "normal frames have")
        yield f"{have} a mask that marks a finding, {_names(index, normal & marked)}"
    if count := int((index["mostly"] == 1).sum()):
        mark = number_of(
            count, "mask marks more than three quarters of its frame", "masks mark more than three quarters of their frame"
        )
        yield (
            f"{mark}, {_names(index, index['mostly'] == 1)}: what is not 0 is a finding there; see whether black and white have "
            "changed places"
        )
    if count := int((index["unrelated"] == 1).sum()):
        unrelated = index["unrelated"] == 1
        have = number_of(count, "frame has", "frames have")
        yield f"{have} a segmentation that refers to none of them, and counts as empty: {_names(index, unrelated)}"
    if count := int((index["scaled"] == 1).sum()):
        one, several = "mask is of another size than its frame and was", "masks are of another size than their frames and were"
        yield f"{number_of(count, one, several)} scaled to it, {_names(index, index['scaled'] == 1)}"


def level_sentences(index: pd.DataFrame) -> Iterator[str]:
    """Yield which files show too little of what they hold."""
    best = index.groupby(index["path"].str.replace(r"#\d+$", "", regex=True))["levels"].max()  # the ends of a volume hold little
    poor = best[(best > 0) & (best < FEW_LEVELS)]
    if len(poor):
        first = ", ".join(f"{name} ({levels})" for name, levels in poor.head(LISTED).items())
        more = f" and {len(poor) - LISTED} more" if len(poor) > LISTED else ""
        shown = number_of(len(poor), "file is shown", "files are shown")
        yield f"{shown} in fewer than {FEW_LEVELS} grey levels although more is there: {first}{more}{CHOOSE}"


def _lost_findings(index: pd.DataFrame) -> Iterator[str]:
    marked = index["marked"] > 0
    outside = marked & (index["kept"] == 0)
    if count := int(outside.sum()):
        yield f"{count} of {int(marked.sum())} findings are outside of the crop or too small for it, {_names(index, outside)}"
    blanked = (index["kept"] > 0) & (2 * index["kept_valid"] < index["kept"])
    if count := int(blanked.sum()):
        yield (
            f"{count} of {int(marked.sum())} findings are blanked as overlay for more than half, {_names(index, blanked)}; see "
            "`medgen inspect --steps`, and take --overlay dark or none where they are no highlights"
        )


def blanked(index: pd.DataFrame) -> Iterator[str]:
    """Yield what share of the crops is blanked, for each of the rules that were followed."""
    for rules, share in index.groupby("rules")["blanked"].mean().items():
        yield f"overlay: {100 * share:.1f} % of the pixels of the crops are blanked by the rules '{rules}'"


def _names(index: pd.DataFrame, chosen: pd.Series) -> str:
    paths: Sequence[str] = index["path"][chosen].tolist()
    return f"the first {paths[0]}" if len(paths) > NAMED else ", ".join(paths)
