"""The command line: ``python -m sn_viz find pack:presence-dog``.

Turns arguments into calls of the package and results into tables or JSON. Exit status 0 on success, 2 with one sentence on stderr
for a user's mistake, 1 for a fault of ours. Everything heavy is imported by the command that needs it, so that the light ones
answer at once.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_viz.errors import Cancelled, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from sn_viz.types import Progress

app = typer.Typer(
    name="sn_viz",
    help="Find super neurons in a vision-language model, and stop it early.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cache_app = typer.Typer(help="Activations kept on disk.")
bench_app = typer.Typer(help="Measure this machine; prints tables or JSON.")
app.add_typer(cache_app, name="cache")
app.add_typer(bench_app, name="bench")

# Typer brings its own copy of click or uses the installed one, depending on its version: the root of its usage errors, either way.
UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON to this file; - prints only JSON.")]
ModelOption = Annotated[str | None, typer.Option(help="Name, or folder of a model. [default: SN_VIZ_MODEL, else tiny-llava]")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Small sizes, few repetitions: a look, not a record.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, ... [default: the fastest there is]")]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; never raises for a user's mistake."""
    # Threads that wait by spinning make a shared machine ten times slower; this must be said before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = bare_json(list(sys.argv[1:] if argv is None else argv))
    try:
        return int(app(arguments or ["--help"], standalone_mode=False) or 0)
    except UserError as error:
        return _complain(str(error), 2)
    except UsageError as error:
        return _complain(error.format_message(), 2)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        return _complain("Stopped.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone; say nothing more on exit
        return 0
    except Exception:
        incident = uuid.uuid4().hex[:8]
        logging.getLogger("sn_viz").exception("incident %s", incident)
        return _complain(f"Something went wrong in sn_viz itself (incident {incident}); the log above says where.", 1)


def run() -> None:
    """Hand over to `main`: what the installed command ``sn-viz`` calls."""
    sys.exit(main())


def bare_json(arguments: list[str]) -> list[str]:
    """Give ``-`` to every ``--json`` that comes without a value: at the end, or before another option."""
    full: list[str] = []
    for argument, following in zip(arguments, [*arguments[1:], None], strict=False):
        full.append(argument)
        if argument == "--json" and (following is None or (following.startswith("-") and following != "-")):
            full.append("-")
    return full


@app.command()
def find(
    data: Annotated[
        str, typer.Argument(help="Folder of class folders, zip of it, CSV, JSONL, pack:NAME, hub:DATASET, bench:NAME=FOLDER.")
    ],
    question: Annotated[str | None, typer.Option(help="Asked of every image. [default: what comes with the data]")] = None,
    model: ModelOption = None,
    sites: Annotated[
        str, typer.Option(help="all (the language model's), tower (the vision tower's), or names; commas between.")
    ] = "all",
    rule: Annotated[str, typer.Option(help="Threshold rule; an unknown name lists them.")] = "best-split",
    metric: Annotated[str, typer.Option(help="balanced-accuracy, accuracy, roc-auc, f1.")] = "balanced-accuracy",
    voters: Annotated[int, typer.Option(help="How many super neurons vote.")] = 15,
    weighting: Annotated[str, typer.Option(help="majority or log-odds.")] = "majority",
    exit_layer: Annotated[str, typer.Option(help="auto, a layer from 1, or V1 and on in the vision tower.")] = "auto",
    test: Annotated[str | None, typer.Option(help="Separate test images, in any form that DATA may have.")] = None,
    test_size: Annotated[float, typer.Option(help="Fraction of DATA kept for testing.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the split, the folds and the null.")] = 0,
    answers: Annotated[
        str | None, typer.Option(help='What the model says for each class: "dog=yes,cat=no". [default: told by names and question]')
    ] = None,
    compare: Annotated[str, typer.Option(help="all (but slow ones), none, or names with commas: all,lora.")] = "all",
    device: DeviceOption = None,
    json_file: JsonOption = None,
    out: Annotated[Path | None, typer.Option(help="Save the run in this folder.")] = None,
) -> None:
    """Find the super neurons that answer a question, and compare them with the model itself."""
    _check_json_target(json_file)
    with _quiet(json_file) as console:
        from sn_viz.search.stumps import warm_up_beside

        warm_up_beside(fixed=rule != "best-split")  # on a new machine this compiles while torch is still being imported
        from sn_viz import pipeline
        from sn_viz.config import choose_model
        from sn_viz.report.tables import print_run
        from sn_viz.storage.run_folder import check_folder

        if out is not None:
            check_folder(out)

        choice = choose_model(model, data)
        with _progress() as progress:
            found = pipeline.find(
                data,
                question,
                choice.name,
                compare,
                test=test,
                test_size=test_size,
                sites=sites,
                rule=rule,
                metric=metric,
                voters=voters,
                weighting=weighting,
                exit_layer=exit_layer,
                seed=seed,
                answers=answers,
                progress=progress,
                device=device,
            )
        if out is not None:
            found.save(out)
        if json_file != "-":
            console.print(f"Model: {choice.name} ({choice.why})", markup=False, highlight=False)
            print_run(found, console)
    _write_json(json_file, found.to_json())


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a saved run.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Images to label.")],
    exit_layer: Annotated[str, typer.Option(help="auto (the run's own), or a layer: 3, V4.")] = "auto",
    question: Annotated[str | None, typer.Option(help="Asked of every image. [default: the run's own]")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Let the full model answer too.")] = False,
    model: ModelOption = None,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Label images with the super neurons of a saved run."""
    _check_json_target(json_file)
    with _quiet(json_file) as console:
        from sn_viz.config import checked_layer
        from sn_viz.early_exit import decide
        from sn_viz.models.catalog import lasting_name
        from sn_viz.models.once import model_named
        from sn_viz.report.tables import doubt_line, predictions_table
        from sn_viz.run import Run
        from sn_viz.sources.text import distinct_names

        reopened = Run.load(run)
        model = lasting_name(model) if model else reopened.config.model
        layer = checked_layer(exit_layer, reopened.neurons.n_layers, reopened.neurons.n_tower)
        pictures, questions = decide.pictures_and_questions(reopened, images, question)
        vlm = model_named(model, device)
        predictions = decide.predict(reopened, pictures, layer, questions[0], vlm)
        answers = decide.full_answers(vlm, pictures, questions, reopened.answer_key) if compare else []
        names = distinct_names(images)
        if json_file != "-":
            said_in_full = [f"{a.text} ({a.milliseconds:.1f} ms)" for a in answers]
            console.print(predictions_table(names, predictions, said_in_full, reopened.neurons.n_tower))
            if doubt := doubt_line(reopened, layer):
                console.print(f"The run behind these labels: {doubt}", highlight=False)
    rows = []
    for i, (name, said) in enumerate(zip(images, predictions, strict=True)):
        row: dict[str, Any] = {
            "image": name,
            "label": said.label,
            "exit_layer": said.exit_layer,
            "exit_layer_name": reopened.neurons.layer_name(said.exit_layer),
            "milliseconds": said.milliseconds,
            "margin": said.margin,
            "tally": dict(zip(reopened.train.classes, said.tally, strict=True)),
        }
        if compare:
            row["full_model"] = {"answer": answers[i].text, "milliseconds": answers[i].milliseconds}
        rows.append(json.dumps(row, ensure_ascii=False))
    _write_json(json_file, "\n".join(rows))


@app.command()
def check(
    run: Annotated[Path, typer.Argument(help="Folder of a saved run; what is found is added to it.")],
    what: Annotated[str, typer.Option(help="causal, wordings, pictures, with commas between; all asks for all three.")] = "all",
    wording: Annotated[
        list[str] | None, typer.Option(help="The question in other words; {question} stands for it. May be given several times.")
    ] = None,
    strength: Annotated[float, typer.Option(help="How much pictures are changed, 0 to 1.")] = 0.5,
    n: Annotated[int, typer.Option("-n", "--number", help="Test images to ask about, at most.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the images, the random neurons and the noise.")] = 0,
    model: ModelOption = None,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Put a run to the test: are its neurons causal, does it survive other words and changed pictures?"""
    _check_json_target(json_file)
    with _quiet(json_file) as console:
        from sn_viz.checks import CHECKS, WORDINGS, Options, examine
        from sn_viz.models.catalog import lasting_name
        from sn_viz.models.once import model_named
        from sn_viz.run import Run

        options = Options(tuple(wording or WORDINGS), strength, n, seed)
        names = CHECKS.names() if what == "all" else [name.strip() for name in what.split(",")]
        reopened = Run.load(run)
        vlm = model_named(lasting_name(model) if model else reopened.config.model, device)
        with _progress() as progress:
            examined = examine(reopened, names, vlm, options, progress)
        examined.save(run)
        if json_file != "-":
            for name in names:
                console.print(f"{CHECKS[name].title}: {examined.findings[name]['sentence']}", markup=False, highlight=False)
    _write_json(json_file, json.dumps({name: examined.findings[name] for name in names}, indent=2, ensure_ascii=False))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a saved run.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write a run as one page with all figures; it opens offline."""
    from sn_viz.report.page import write_report
    from sn_viz.run import Run

    write_report(Run.load(run), out)
    _console().print(f"Wrote {out}", markup=False, highlight=False)


@app.command()
def world(
    task: Annotated[str, typer.Argument(help="Name of a task; an unknown one lists them.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=100_000, help="How many scenes.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same scenes.")] = 0,
    shifted: Annotated[bool, typer.Option("--shifted", help="Backgrounds, noise and colours that training never showed.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write; one sub-folder per class.")] = Path("world"),
) -> None:
    """Draw labelled scenes of the embedded model's world."""
    from sn_viz.sources.export import save_folders
    from sn_viz.world.tasks import draw_task

    images = draw_task(task, n, seed, shifted=shifted)
    save_folders(images, out)
    _console().print(f"Wrote {len(images)} images of {', '.join(images.classes)} in {out}", markup=False, highlight=False)
    if images.question:
        _console().print(f"Question: {images.question}", markup=False, highlight=False)


@app.command()
def packs(json_file: JsonOption = None) -> None:
    """List the sample packs."""
    from sn_viz.sources.pack import pack_names

    rows = [
        {"name": p.name, "title": p.title, "question": p.question or None, "classes": list(p.classes), "trained": p.trained}
        | {"origin": p.origin}
        for p in pack_names()
    ]
    _list(("pack", "about", "question (none: one an image)", "classes", "model trained on such", "origin"), rows, json_file)


@app.command()
def models(json_file: JsonOption = None) -> None:
    """List the models known by name."""
    from sn_viz.models.catalog import CATALOG

    rows = [
        {"name": m.name, "megabytes": m.n_bytes // 10**6, "usable_by_name": m.available, "hub_id": m.hub_id, "note": m.note}
        for m in CATALOG
    ]
    _list(("model", "MB", "usable by name", "hub", "note"), rows, json_file)


@app.command()
def train(
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Time to train. [default: the recipe's own]")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the finished model goes. [default: tiny-FAMILY]")] = None,
    work: Annotated[
        Path | None, typer.Option(help="Where pictures, checkpoints and the log are kept. [default: train-FAMILY in the cache]")
    ] = None,
    family: Annotated[
        str, typer.Option(help="llava; gemma3: another decoder, trained in the same world; photo: trained on photographs too.")
    ] = "llava",
    more: Annotated[list[Path] | None, typer.Argument(help="More folders, after --photos.", metavar="[FOLDER]...")] = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="Folders of photographs (Caltech-101, Tiny-ImageNet, CIFAR-10), for --family photo.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished stage.")] = False,
    device: DeviceOption = None,
) -> None:
    """Train an embedded model from scratch."""
    from dataclasses import replace

    from sn_viz.training.families import FAMILIES
    from sn_viz.training.train import Recipe
    from sn_viz.training.train import train as train_model
    from sn_viz.training.train_photo import PhotoRecipe, train_photo

    folders = [*(photos or []), *(more or [])]
    if folders and not FAMILIES[family].photographs:
        raise UserError(
            f"The family {family!r} takes no photographs.", f"Given: {folders[0]}.", "Leave them out, or choose --family photo."
        )
    with_photos = bool(folders)
    recipe = PhotoRecipe(family=family) if with_photos else Recipe.of(family)
    if minutes is not None:
        recipe = replace(recipe, minutes=tuple(minutes * share / sum(recipe.minutes) for share in recipe.minutes))
    target = out or Path(f"tiny-{family}")
    if isinstance(recipe, PhotoRecipe):
        done = train_photo(target, folders, recipe, folder=work, device=device, resume=resume)
    else:
        done = train_model(target, recipe, folder=work, device=device, resume=resume)
    _console().print(f"The model is in {done}", markup=False, highlight=False)


@cache_app.command("show")
def cache_show() -> None:
    """Say where the cache is and how large."""
    store = _store()
    _console().print(f"{store.root}: {store.size() / 2**20:.1f} MB", markup=False, highlight=False)


@cache_app.command("verify")
def cache_verify() -> None:
    """Check every entry; damaged ones are put aside and will be computed again."""
    damaged = _store().verify()
    _console().print(f"{len(damaged)} damaged entries were put aside." if damaged else "Every entry is sound.", markup=False)


@cache_app.command("clear")
def cache_clear() -> None:
    """Remove every entry."""
    _store().clear()
    _console().print("The cache is empty.", markup=False)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="[default: SN_VIZ_PORT, else a free one]")] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path under which a proxy serves the app. [default: GRADIO_ROOT_PATH, else none]")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on; 0.0.0.0 for a class. [default: SN_VIZ_HOST, else 127.0.0.1: this machine only]"),
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            help="Name under which visitors come, such as class.example.org; may be repeated. [default: SN_VIZ_HOST_NAMES]"
        ),
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy is the only way in, and X-Forwarded-Host is its word.")
    ] = False,
) -> None:
    """Start the app in the browser."""
    from sn_viz.ui.page import build
    from sn_viz.ui.server.launch import launch, port_of_environment

    port = port or port_of_environment()
    launch(build(), port, root_path, host, host_name or (), behind_proxy)


@bench_app.command("model")
def bench_model(
    model: ModelOption = None,
    n: Annotated[int, typer.Option("-n", "--number", min=20, help="Held-out pictures a task.")] = 1000,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the pictures, for a look.")] = False,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Measure what the model knows of the embedded world: the tables of its model card."""
    _check_json_target(json_file)
    with _quiet(json_file):
        from sn_viz.bench.model import as_json, lines, measure
        from sn_viz.config import choose_model
        from sn_viz.models import load_model

        result = measure(load_model(choose_model(model).name, device), n, quick)
    _write_json(json_file, as_json(result))
    if json_file != "-":
        typer.echo("\n".join(lines(result)))


@bench_app.command("paper")
def bench_paper(
    root: Annotated[str, typer.Argument(help="Folder with one folder per benchmark (a wrong one lists them), or hub.")],
    model: ModelOption = None,
    only: Annotated[str | None, typer.Option(help="Names with commas between. [default: all that the paper reports]")] = None,
    n_train: Annotated[int, typer.Option("--train", min=20, help="Probing questions of each.")] = 400,
    n_test: Annotated[int, typer.Option("--test", min=20, help="Test questions of each.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Draws other questions.")] = 0,
    compare: Annotated[str, typer.Option(help="all, none, or names of methods with commas between.")] = "full-model",
    out: Annotated[Path, typer.Option(help="Results, one file each; what is there is not done again.")] = Path("paper-results"),
    estimate: Annotated[bool, typer.Option("--estimate", help="Only say what it would take.")] = False,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Reproduce the paper's table on any model, the published figures beside ours."""
    _check_json_target(json_file)
    with _quiet(json_file) as console:
        from sn_viz.bench import paper
        from sn_viz.config import choose_model
        from sn_viz.models.once import model_named

        vlm = model_named(choose_model(model).name, device)
        settings = paper.settings_of(vlm, n_train, n_test, seed, compare)
        names = [name.strip() for name in only.split(",")] if only else []
        planned = paper.jobs(root, out, settings, names)
        print(paper.estimate(planned, vlm, settings).sentence(), file=sys.stderr)
        if not estimate:
            with _progress() as progress:
                planned = paper.carry_out(planned, vlm, settings, progress)
    if json_file != "-":
        console.print(paper.table(planned))
        for note in paper.notes(planned):
            console.print(note, markup=False, highlight=False)
    _write_json(json_file, json.dumps(paper.as_json(planned, settings), indent=2, ensure_ascii=False))


@bench_app.command("photos")
def bench_photos(
    folder: Annotated[Path, typer.Argument(help="Folder with class folders, or with the repositories of the fixed questions.")],
    model: ModelOption = None,
    only: Annotated[str, typer.Option(help="Questions with commas between. [default: all]", show_default=False)] = "",
    probing: Annotated[int | None, typer.Option(min=4, help="Probing photographs of a question. [default: 64]")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds.")] = 0,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Ask every method about photographs: the fixed questions, and any folder of class folders."""
    _check_json_target(json_file)
    with _quiet(json_file):
        from sn_viz.bench.photos import as_json, lines, measure
        from sn_viz.config import choose_model
        from sn_viz.models import load_model

        vlm = load_model(choose_model(model).name, device)
        names = [name.strip() for name in only.split(",") if name.strip()]
        answers = measure(vlm, folder, names, probing, seed, lambda name: print(f"{name} ...", file=sys.stderr))
    _write_json(json_file, as_json(answers))
    if json_file != "-":
        typer.echo("\n".join(lines(answers)))


@bench_app.command("duplicates")
def bench_duplicates(
    folder: Annotated[Path, typer.Argument(help="Photographs, however deep.", exists=True, file_okay=False)],
    half: Annotated[
        str, typer.Option(help="Which pictures: first, second or all; thresholds were set on a first half.")
    ] = "second",
    quick: QuickOption = False,
    json_file: JsonOption = None,
) -> None:
    """Measure how many altered copies of photographs are found, and how many different pictures are taken for one."""
    _check_json_target(json_file)
    with _quiet(json_file) as console:
        from sn_viz.bench import as_json, machine, table
        from sn_viz.bench.duplicates import measure

        if half not in ("first", "second", "all"):
            raise UserError(f"There is no half called {half!r}.", "There are: first, second, all.", "Choose one of these.")
        tables = {"duplicates": measure(folder, half, *((50, 500) if quick else ()))}
    if json_file != "-":
        console.print(table(tables, machine()))
    _write_json(json_file, json.dumps(as_json(tables, machine()), indent=2, ensure_ascii=False))


@bench_app.command("tasks")
def bench_tasks(
    model: ModelOption = None,
    device: DeviceOption = None,
    quick: QuickOption = False,
    json_file: JsonOption = None,
    tasks: Annotated[str, typer.Option(help="Only these, separated by commas. [default: all]", show_default=False)] = "",
    so_far: Annotated[bool, typer.Option("--so-far", help="Print what is measured already; measure nothing.")] = False,
) -> None:
    """Compare every method on every task: hours, taken up again where it was stopped; minutes with --quick."""
    _check_json_target(json_file)
    with _quiet(json_file):
        from sn_viz.bench import as_json, machine
        from sn_viz.bench.tasks import FULL, QUICK, markdown, measured, part_of
        from sn_viz.models import load_model

        options = _bench_options(model, device, quick)
        plan = part_of(QUICK if quick else FULL, tasks)
        vlm = load_model(options.model, device=options.device)
        facts = as_json({"tasks": measured(vlm, plan, so_far)}, machine())
    _write_json(json_file, json.dumps(facts, indent=2, ensure_ascii=False))
    if json_file != "-":
        typer.echo(markdown(facts))


@bench_app.command("fuzz")
def bench_fuzz(
    minutes: Annotated[float, typer.Option(min=0.01, help="How long, all kinds of input together.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed tries other inputs.")] = 0,
    only: Annotated[str, typer.Option(help="Kinds with commas between; an unknown name lists them. [default: all]")] = "",
    again: Annotated[int | None, typer.Option("--try", min=0, help="Repeat this one try of --only, with its traceback.")] = None,
    json_file: JsonOption = None,
) -> None:
    """Try damaged and hostile inputs of every kind for a while; fails when one was neither read nor refused in a sentence."""
    _check_json_target(json_file)
    names = [name.strip() for name in only.split(",") if name.strip()]
    if again is not None and len(names) != 1:
        raise UserError("One try is of one kind.", f"--only names {len(names)}.", "Write for example --only images --try 12.")
    with _quiet(json_file) as console:
        from sn_viz.bench import as_json, fuzz, machine, table

        if again is not None:
            typer.echo(fuzz.repeat(names[0], seed, again))
            return
        found = fuzz.measure(minutes, seed, names)
        tables, where = {"fuzz": fuzz.rows(found, seed)}, machine()
    if json_file != "-":
        console.print(table(tables, where))
    _write_json(json_file, json.dumps(as_json(tables, where), indent=2, ensure_ascii=False))
    if not all(one.sound for one in found):
        raise typer.Exit(1)


@bench_app.command("all")
def bench_all(
    model: ModelOption = None, device: DeviceOption = None, quick: QuickOption = False, json_file: JsonOption = None
) -> None:
    """Run every benchmark, those that take hours in their quick mode, and print one table: what was measured, and what holds."""
    _bench(None, model, device, quick, json_file)


def _add_benches() -> None:
    """Give every benchmark that has no command of its own one; the first line of its file says what it measures."""
    own = {command.name for command in bench_app.registered_commands}
    for path in sorted(Path(__file__).with_name("bench").glob("[a-z]*.py")):
        source = path.read_text(encoding="utf-8")  # imported only when it runs
        if path.stem not in own and f'@BENCHES.register("{path.stem}")' in source:
            bench_app.command(path.stem, help=source.splitlines()[0].strip('"'))(_bench_command(path.stem))


def _bench_command(name: str) -> Callable[..., None]:
    def run_one(
        model: ModelOption = None, device: DeviceOption = None, quick: QuickOption = False, json_file: JsonOption = None
    ) -> None:
        _bench(name, model, device, quick, json_file)

    return run_one


def _bench(name: str | None, model: str | None, device: str | None, quick: bool, json_file: str | None) -> None:
    """Run one benchmark, or all that are registered, and print its rows as one table or as JSON."""
    _check_json_target(json_file)
    with _quiet(json_file) as console:
        from sn_viz.bench import BENCHES, as_json, machine, table

        where, tables = machine(), {}
        for each in BENCHES.names() if name is None else [name]:
            print(f"bench {each} ...", file=sys.stderr)
            hours = name is None and each not in BENCHES.usual()
            tables[each] = BENCHES[each](_bench_options(model, device, quick or hours))
    if json_file != "-":
        console.print(table(tables, where))
    _write_json(json_file, json.dumps(as_json(tables, where), indent=2, ensure_ascii=False))


def _bench_options(model: str | None, device: str | None, quick: bool) -> Any:
    from sn_viz.bench import Options
    from sn_viz.config import choose_model

    return Options(choose_model(model).name, device, quick)


_add_benches()


def _store() -> Any:
    from sn_viz.activations.store import Store

    return Store()


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    # Not a terminal: a pipe or a file has no width to keep to, and tables cut at 80 columns lose what was asked for.
    return Console(stderr=stderr, width=None if (sys.stderr if stderr else sys.stdout).isatty() else 200)


def _list(headings: tuple[str, ...], rows: list[dict[str, Any]], json_file: str | None) -> None:
    _check_json_target(json_file)
    if json_file != "-":
        from sn_viz.report.tables import plain_table

        def cell(value: Any) -> str:
            if isinstance(value, list):
                return ", ".join(map(str, value))
            if value is None or isinstance(value, bool):
                return {None: "", True: "yes", False: "no"}[value]
            return f"{value:.3g}" if isinstance(value, float) else str(value)

        _console().print(plain_table(headings, [[cell(value) for value in row.values()] for row in rows]))
    _write_json(json_file, json.dumps(rows, indent=2, ensure_ascii=False))


def _write_json(target: str | None, text: str) -> None:
    if target == "-":
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            sys.stdout = open(os.devnull, "w")  # what is left in its buffer would fail again on exit
            raise UserError(
                "The results were not written to standard output.", f"{error.strerror or error}.", "Free some space."
            ) from error
    elif target is not None:
        try:
            Path(target).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{target!r} was not written.", f"{error.strerror or error}.", "Name a file you may write.") from error


def _check_json_target(target: str | None) -> None:
    """Refuse, before anything slow begins, a JSON file that cannot be or that would replace a file of another kind."""
    if target is None or target == "-":
        return
    path = Path(target)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(
            f"{target!r} cannot be written.", "It is a folder, or its folder does not exist.", "Name a file such as result.json."
        )
    if path.exists() and path.suffix.lower() not in (".json", ".jsonl", ".txt"):
        raise UserError(f"{target!r} would be overwritten.", "It is no JSON file.", "Name a file such as result.json after --json.")


@contextmanager
def _quiet(json_file: str | None) -> Iterator[Console]:
    """Silence libraries; while JSON goes to standard output, anything else that is printed goes to standard error."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TQDM_DISABLE", "1")
    console = _console()
    if json_file == "-":
        with redirect_stdout(sys.stderr):
            yield console
    else:
        yield console


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a progress bar on standard error when someone is looking at it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("Starting", total=1.0)
        yield lambda fraction, doing: bar.update(task, completed=fraction, description=doing)


def _complain(sentence: str, status: int) -> int:
    print(f"sn_viz: {' '.join(sentence.split())}", file=sys.stderr)
    return status
