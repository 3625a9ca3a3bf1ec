"""The words of this tool, each in one plain sentence: the one source for the page, the report and the documentation.

Takes nothing; imports nothing of sn_viz.
"""

from __future__ import annotations

import re

from markupsafe import Markup

GLOSSARY: dict[str, str] = {
    "neuron": "One number inside the model: one unit, at one site, in one layer; its value changes from picture to picture.",
    "super neuron": "A neuron that answers the question by itself, when its value is compared with a threshold.",
    "unit": "The place of a neuron in its layer's list of numbers, counted from 0.",
    "site": "Where in a layer the numbers are read: the residual stream, the output of attention or MLP, or inside the MLP.",
    "layer": "One decoder block of the language model, counted from 1; V1, V2 and so on are blocks of the vision tower.",
    "vision tower": "The part of the model that looks at the picture, before the language model reads anything.",
    "first token": "The first word piece that the model writes; neurons are read at the place in the prompt that decides it.",
    "threshold": "The value at which a neuron changes its answer, chosen on the probing images only.",
    "stump": "A neuron with its threshold, the side on which it speaks, and the class it then says.",
    "voter": "One of the super neurons that decide together, one vote each: 15 or 64, whichever did better on left-out probing "
    "pictures.",
    "margin": "By how much the winning class leads the vote, as a share of all votes.",
    "probing images": "The labelled pictures on which neurons, thresholds and the exit layer are chosen.",
    "held-out": "Not used for choosing anything: accuracies are measured on such pictures only.",
    "edited after looking": "Said of a test whose pictures were relabelled or left out once a result on them was seen.",
    "group": "Pictures that belong together, of one person or one film, say; a group is never on both sides of a split.",
    "balanced accuracy": "The share answered right of each class, then averaged over the classes; a frequent one counts no more.",
    "effect size": "How far the means of two classes lie apart, in deviations within the classes (Cohen's d); no share.",
    "chance": "What answering without looking at the picture would reach, such as always giving the commonest answer.",
    "interval": "The range that holds the true value in 95 of 100 such measurements; few pictures make it wide.",
    "null": "How good the best neuron looks when the labels are shuffled, hence mean nothing: what luck alone reaches.",
    "verdict": "Whether the result is beyond luck, unclear, or nothing was found, judged before any speed is shown.",
    "cross-validation": "Choosing on a part of the probing images and checking on the rest, in turns.",
    "early exit": "Stopping the model after some layer, so that the layers behind it are never computed.",
    "exit layer": "The layer after which the model stops.",
    "exit policy": "The rule that says where to stop: always at one layer, or as soon as the margin is large enough.",
    "full model": "The same model run to its end, answering in words.",
    "calibrated": "The full model with its scores shifted to fit the probing images, so that a habit of saying yes is undone.",
    "logit lens": "Reading an answer out of a middle layer with the part of the model that normally reads the last one.",
    "linear probe": "A weighted sum of all numbers of one layer, fitted to the labels (logistic regression).",
    "SAV": "Sparse Attention Vectors: a few good attention heads, each of which names the class whose average it is nearest to.",
    "LoRA": "Fine-tuning by small added matrices while the model's own weights stay as they are.",
}
"""Word -> what it means here."""
OTHER_FORMS = {"held-out": ("held out",), "null": ("shuffled labels",), "vision tower": ("tower",)}
"""Under which other forms a text may use a word."""


def words_in(text: str) -> dict[str, str]:
    """Return the words of the glossary that a text uses, in the glossary's order.

    Examples
    --------
    >>> list(words_in("Two voters stop at layer 1; annulled."))
    ['layer', 'voter']
    """
    return {word: said for word, said in GLOSSARY.items() if _pattern(word).search(text)}


def _pattern(word: str) -> re.Pattern[str]:
    forms = "|".join(re.escape(form) for form in (word, *OTHER_FORMS.get(word, ())))
    return re.compile(rf"\b(?:{forms})(?:s|es)?\b", re.IGNORECASE)


def as_html(words: dict[str, str] | None = None) -> Markup:
    """Return words with what they mean as an HTML description list; by default all of them."""
    told = GLOSSARY if words is None else words
    rows = (Markup("<dt>{}</dt><dd>{}</dd>").format(word, said) for word, said in told.items())
    return Markup("<dl>{}</dl>").format(Markup().join(rows))


def as_markdown() -> str:
    """Return the page of the documentation."""
    rows = "".join(f"| {word} | {said} |\n" for word, said in GLOSSARY.items())
    head = (
        "# The words\n\nThe page and the report explain them in the same sentences.\n\n| word | what it means here |\n|---|---|\n"
    )
    return head + rows
