"""``bench photos FOLDER``: every method on photographs, the fixed questions and any folder of class folders.

Takes a model and a folder: the fixed questions whose repositories lie there (``photo_questions``), and every folder in it that
holds a folder of photographs for each class. Returns one ``Answers`` a question, through ``find`` with its usual sites. Beside it
stand two references that need no language: a logistic regression on thumbnails of 4 x 4 pixels, which shows what colour and light
alone tell, and one on what the vision tower ends with, its mean over the picture, which shows what there was to be had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sn_viz.activations.extract import extract
from sn_viz.activations.store import Store
from sn_viz.bench.photo_questions import SUFFIXES, PhotoQuestion, photo_questions
from sn_viz.errors import UserError
from sn_viz.models import Vlm
from sn_viz.pipeline import find
from sn_viz.run import Run
from sn_viz.types import Interval, LabelledImages, layer_name
from sn_viz.voting.classifier import SuperNeuronClassifier
from sn_viz.voting.named import COMMITTEE_WORDS, Committee, named_committee
from sn_viz.voting.statistics import Difference, paired_difference, wilson

N_PROBING, N_TEST = 64, 200
"""Photographs of a folder that is not in the fixed list, the classes alike."""
PROBING_A_CLASS = 50
"""Probing photographs of each class where there are more than two."""
COMPARED = ("full-model", "full-model-calibrated", "sav", "logit-lens", "linear-probe")
THUMBNAIL = 4
VOTERS = 15


@dataclass(frozen=True)
class Answers:
    """Every method on one question."""

    question: str
    about: str
    n_probing: int
    n_test: int
    exit_layer: str
    """Where the super neurons were chosen to decide."""
    accuracy: dict[str, Interval]
    """By method, with 95 % Wilson intervals."""
    parsed: float
    """Fraction of the full model's answers that name a class."""
    against_tower: Difference | None
    """Super neurons at the chosen exit minus the probe on the pooled tower, on the same photographs."""
    against_thumbnail: Difference
    committee: str
    """Which committee voted; "" where it has no name."""
    against_plain: Difference | None
    """The same minus the paper's plain committee at the same exit; None where that one voted."""


def questions_in(folder: str | Path, probing: int | None = None, seed: int = 0) -> list[PhotoQuestion]:
    """Return the fixed questions and class folders in ``folder``.

    Parameters
    ----------
    folder : path
    probing : int, optional
        The most probing photographs of a question, the classes alike; default: all of the fixed questions, 64 of other folders.
        More than are fixed come out of the same folders, where those hold one class each.
    seed : int
        Of which photographs of a class folder probe and which test; those of the fixed questions are fixed.

    Raises
    ------
    UserError
        When there is neither.
    """
    root = Path(folder)
    fixed = [q for q in photo_questions() if all((root / repository).is_dir() for repository in q.source)]
    known = {repository for question in fixed for repository in question.source}
    places = [root, *sorted(p for p in root.iterdir() if p.is_dir() and p.name not in known)] if root.is_dir() else []
    found = fixed + [question for place in places if (question := class_folder(place, probing, seed))]
    if not found:
        raise UserError(
            f"There are no photographs to ask about in {str(folder)!r}.",
            "Neither class folders nor the repositories of the fixed questions were found there.",
            f"Unpack one of these there as OWNER+NAME: {', '.join(sorted({r for q in photo_questions() for r in q.source}))}.",
        )
    return [_fewer(question.with_more(root, probing or 0) if question in fixed else question, probing) for question in found]


def class_folder(place: Path, probing: int | None = None, seed: int = 0) -> PhotoQuestion | None:
    """Return a question about a folder with one folder of photographs a class, None where it is no such folder."""
    classes = sorted(path for path in place.iterdir() if path.is_dir())
    files = [sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) for path in classes]
    if len(classes) < 2 or min(map(len, files)) < 20:
        return None
    rng = np.random.default_rng(seed)
    first = _shares(probing or (N_PROBING if len(classes) == 2 else PROBING_A_CLASS * len(classes)), len(classes))
    n_test = max(N_TEST // len(classes), 20)
    parts: tuple[list, list] = ([], [])
    for label, paths in enumerate(files):
        order = [f"{paths[int(i)].relative_to(place)}" for i in rng.permutation(len(paths))]
        cut = min(first[label], len(order) // 2)
        parts[0].extend((name, label) for name in order[:cut])
        parts[1].extend((name, label) for name in order[cut : cut + n_test])
    names = tuple(path.name for path in classes)
    asked = f"Is this a {names[0]} or a {names[1]}?" if len(names) == 2 else "What is this?"
    return PhotoQuestion(place.name, "folder", asked, names, {str(place.resolve()): ""}, "", "folder", *map(tuple, parts))


def _shares(n: int, n_classes: int) -> list[int]:
    """Return how many of ``n`` photographs each class has: alike, what is left over one each from the first on, at least one."""
    each, over = divmod(n, n_classes)
    return [max(1, each + (label < over)) for label in range(n_classes)]


def _fewer(question: PhotoQuestion, probing: int | None) -> PhotoQuestion:
    if probing is None or probing >= len(question.probing):
        return question
    by_class = [[pair for pair in question.probing if pair[1] == label] for label in range(len(question.classes))]
    kept = tuple(pair for pairs, n in zip(by_class, _shares(probing, len(by_class)), strict=True) for pair in pairs[:n])
    return PhotoQuestion(**{**asdict(question), "probing": kept, "test": question.test, "classes": question.classes})


def ask(vlm: Vlm, question: PhotoQuestion, folder: str | Path, seed: int = 0, committee: str = "auto") -> Answers:
    """Return every method on one question; ``committee`` as for `sn_viz.find`."""
    probing, test = question.load(folder)
    run = find(probing, model=vlm, test=test, compare=COMPARED, committee=committee, seed=seed)
    labels = run.test.labels

    def share(predicted: np.ndarray) -> Interval:
        return wilson(int((predicted == labels).sum()), len(labels))

    chosen = run.votes.predicted[:, run.exit_index]
    accuracy = {"super neurons": share(chosen), "exit 1": share(run.votes.predicted[:, 0])}
    accuracy["all blocks"] = share(run.votes.predicted[:, -1])
    said = {baseline.name: baseline.predicted for baseline in run.baselines}
    accuracy |= {name: share(predicted) for name, predicted in said.items()}
    small = [np.stack([thumbnail(p.pixels) for p in images.pictures]) for images in (run.train, run.test)]
    by_thumbnail = probe(small[0], run.train.labels, small[1])
    accuracy["thumbnail"] = share(by_thumbnail)
    against = None
    if vlm.tower_blocks:
        by_tower, by_units = tower_answers(vlm, run.train, run.test)
        accuracy |= {"pooled tower, probe": share(by_tower), "pooled tower, super neurons": share(by_units)}
        against = paired_difference(chosen == labels, by_tower == labels)
    parsed = float((said["full-model"] >= 0).mean())
    return Answers(
        question.id, question.about, len(run.train), len(run.test), layer_name(run.exit_layer, run.neurons.n_tower), accuracy,
        parsed, against, paired_difference(chosen == labels, by_thumbnail == labels),
        named_committee(*Committee.of(run.config)) or "", _against_plain(run),
    )  # fmt: skip


def _against_plain(run: Run) -> Difference | None:
    gain = run.findings["committee"].get("gain")
    return None if gain is None else Difference(gain["value"], gain["low"], gain["high"], gain["p_value"], gain["n"])


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Return the picture as float64 (48,): 4 x 4 pixels of three colours."""
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float64).ravel() / 255


def probe(seen: np.ndarray, labels: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Return what a logistic regression on ``seen`` (example, feature) says of ``unseen``, int64 (example,)."""
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)).fit(seen, labels)
    return np.asarray(fitted.predict(unseen), np.int64)


def tower_answers(vlm: Vlm, train: LabelledImages, test: LabelledImages) -> tuple[np.ndarray, np.ndarray]:
    """Return what a probe, and super neurons, say from the mean of the tower's last states, int64 (example,) each."""
    seen, unseen = (extract(vlm, images, sites="tower-residual", up_to_layer=0, cache=Store()) for images in (train, test))
    last = np.flatnonzero(seen.neurons.layer == seen.neurons.layer.max())
    first, second = seen.values[:, last].astype(np.float32), unseen.values[:, last].astype(np.float32)
    units = SuperNeuronClassifier(voters=VOTERS).fit(first, train.labels)
    return probe(first, train.labels, second), np.asarray(units.predict(second), np.int64)


def chosen_of(folder: str | Path, only: Sequence[str] = (), probing: int | None = None, seed: int = 0) -> list[PhotoQuestion]:
    """Return the questions in ``folder``, or those called ``only``; see `questions_in`."""
    asked = questions_in(folder, probing, seed)
    unknown = set(only) - {question.id for question in asked}
    if unknown:
        raise UserError(
            f"There is no question called {min(unknown)!r} here.",
            f"There are: {', '.join(question.id for question in asked)}.",
            "Choose among these.",
        )
    return [question for question in asked if not only or question.id in only]


def measure(
    vlm: Vlm,
    folder: str | Path,
    only: Sequence[str] = (),
    probing: int | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda name: None,
    committee: str = "auto",
) -> list[Answers]:
    """Return every method on every question in ``folder``, or on those called ``only``."""
    answers = []
    for question in chosen_of(folder, only, probing, seed):
        progress(question.id)
        answers.append(ask(vlm, question, folder, seed, committee))
    return answers


def as_json(answers: Sequence[Answers]) -> str:
    """Return the answers as JSON."""
    return json.dumps([asdict(one) for one in answers], indent=1)


SAME = Difference(0.0, 0.0, 0.0, 1.0, 0)
METHODS = (
    "full-model", "full-model-calibrated", "super neurons", "exit 1", "all blocks", "sav", "logit-lens", "linear-probe",
    "thumbnail", "pooled tower, probe", "pooled tower, super neurons",
)  # fmt: skip


def lines(answers: Sequence[Answers]) -> list[str]:
    """Return the answers as a Markdown table, the means beneath."""
    out = [
        "| question (probing, test) | " + " | ".join(METHODS) + " | exit | parse | who votes |",
        "|---|" + "---|" * (len(METHODS) + 3),
    ]
    for one in answers:
        cells = [_show(one.accuracy.get(method)) for method in METHODS]
        head = f"{one.question} ({one.n_probing}, {one.n_test})"
        out.append(
            f"| {head} | "
            + " | ".join(cells)
            + f" | {one.exit_layer} | {one.parsed:.2f} | {COMMITTEE_WORDS.get(one.committee, '')} |"
        )
    if len(answers) > 1:
        means = [[one.accuracy[method].value for one in answers if method in one.accuracy] for method in METHODS]
        out.append("| mean | " + " | ".join(f"{np.mean(all_of):.3f}" if all_of else "" for all_of in means) + " |  |  |  |")
        out.append("")
        against = {
            "the probe on the pooled tower": [one.against_tower for one in answers if one.against_tower is not None],
            "a probe on a thumbnail of 4 x 4 pixels": [one.against_thumbnail for one in answers],
            "the paper's plain committee at the same exit": [one.against_plain or SAME for one in answers],
        }
        out += [f"Super neurons minus {what}: {_mean_of(pairs)}, in points." for what, pairs in against.items() if pairs]
    return out


def _mean_of(known: Sequence[Difference]) -> str:
    """Return the mean of paired differences, with what test photographs drawn anew from the same questions would make of it."""
    mean = 100 * np.mean([one.value for one in known])
    half = 100 * np.sqrt(np.sum([((one.high - one.low) / 2) ** 2 for one in known])) / len(known)
    return f"{mean:+.1f} ({mean - half:+.1f} to {mean + half:+.1f}; 95 %)"


def _show(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.value:.3f} ({interval.low:.2f} to {interval.high:.2f})"
