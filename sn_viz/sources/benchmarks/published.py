"""What the paper is reported to reach: figures to print beside ours.

"Taking Shortcuts for Categorical VQA Using Super Neurons", arXiv 2603.10781. The figures are the best that public summaries list
for it; the full text, and with it the model and setting of each, was not at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "arXiv 2603.10781 as summarised publicly; percent, validation sets, the best figure listed for each"


@dataclass(frozen=True)
class Published:
    """One figure."""

    benchmark: str
    """As it is registered here."""
    percent: float
    setting: str = ""
    """"" for the figure listed first."""


PUBLISHED: tuple[Published, ...] = (
    Published("pope", 96.1),
    Published("pope", 93.7, "another setting, not named"),
    Published("instaorder-occlusion", 78.2),
    Published("instaorder-depth", 66.1),
    Published("vizwiz", 81.2),
    Published("clevr", 88.3),
    Published("aokvqa", 85.2),
    Published("scienceqa", 82.9),
)


def names() -> tuple[str, ...]:
    """Return the benchmarks that have a figure, in the order of the table."""
    return tuple(dict.fromkeys(row.benchmark for row in PUBLISHED))


def of(benchmark: str) -> tuple[Published, ...]:
    """Return the figures of one benchmark; none where the paper lists none."""
    return tuple(row for row in PUBLISHED if row.benchmark == benchmark)
