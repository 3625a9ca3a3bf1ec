"""Do the answers survive other words? The same images, asked differently, with thresholds as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sn_viz.checks import CHECKS, Check, Options, sample
from sn_viz.checks.compared import conditions, sentence
from sn_viz.sources.text import clean_question
from sn_viz.types import Progress, RunRecord

if TYPE_CHECKING:
    from sn_viz.models import Vlm


def ask(run: RunRecord, vlm: Vlm, options: Options, progress: Progress) -> dict[str, Any]:
    """Ask every wording of every image."""
    plain = sample(run.test, options.n_images, options.seed)
    changed = {
        wording: replace(plain, questions=tuple(clean_question(reworded(wording, q)) for q in plain.questions))
        for wording in dict.fromkeys(options.wordings)
    }
    found = conditions(run, vlm, plain, changed, progress)
    return found | {"sentence": sentence(found, "Asked differently")}


def reworded(wording: str, question: str) -> str:
    """Return ``wording`` with the question in the place of ``{question}``; other braces stay as they are."""
    return wording.replace("{question}", question)


CHECKS.register("wordings")(Check("Asked differently", ask))
