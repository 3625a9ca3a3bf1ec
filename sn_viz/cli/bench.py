"""Measure this machine and this code; every benchmark that has no command of its own gets one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from sn_viz import config
from sn_viz.cli.app import bench_app
from sn_viz.cli.options import DeviceOption, JsonOption, ModelOption, QuickOption, option
from sn_viz.cli.output import check_json_target, have_model, progress_bar, quiet, write_json
from sn_viz.errors import UserError


@bench_app.command("model")
def bench_model(
    model: ModelOption = None,
    n: Annotated[int, typer.Option("-n", "--number", min=20, help="Held-out pictures a task.")] = 1000,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the pictures, for a look.")] = False,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Measure what the model knows of the embedded world: the tables of its model card."""
    check_json_target(json_file)
    with quiet(json_file):
        from sn_viz.bench.model import as_json, lines, measure
        from sn_viz.config import DRAWN_MODEL, choose_model
        from sn_viz.models import load_model

        result = measure(load_model(have_model(choose_model(model, default=DRAWN_MODEL).name), device), n, quick)
    write_json(json_file, as_json(result))
    if json_file != "-":
        typer.echo("\n".join(lines(result)))


@bench_app.command("paper")
def bench_paper(
    root: Annotated[str, typer.Argument(help="Folder with one folder per benchmark (a wrong one lists them), or hub.")],
    model: ModelOption = None,
    only: Annotated[str | None, typer.Option(help="Names with commas between.", show_default="all that the paper reports")] = None,
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
    check_json_target(json_file)
    with quiet(json_file) as console:
        from sn_viz.activations.model_cache import model_named
        from sn_viz.bench import paper
        from sn_viz.config import choose_model

        vlm = model_named(have_model(choose_model(model).name), device)
        settings = paper.settings_of(vlm, n_train, n_test, seed, compare)
        names = [name.strip() for name in only.split(",")] if only else []
        planned = paper.jobs(root, out, settings, names)
        print(paper.estimate(planned, vlm, settings).sentence(), file=sys.stderr)
        if not estimate:
            with progress_bar() as progress:
                planned = paper.carry_out(planned, vlm, settings, progress)
    if json_file != "-":
        console.print(paper.table(planned))
        for note in paper.notes(planned):
            console.print(note, markup=False, highlight=False)
    write_json(json_file, json.dumps(paper.as_json(planned, settings), indent=2, ensure_ascii=False))


@bench_app.command("photos")
def bench_photos(
    folder: Annotated[Path, typer.Argument(help="Folder with class folders, or with the repositories of the fixed questions.")],
    model: ModelOption = None,
    only: Annotated[str, typer.Option(help="Questions with commas between.", show_default="all")] = "",
    probing: Annotated[int | None, typer.Option(min=4, help="Probing photographs of a question.", show_default="64")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds, and of which photographs of a class folder probe.")] = 0,
    committee: Annotated[str, option(config.COMMITTEE)] = config.COMMITTEE.default,
    committees: Annotated[
        bool, typer.Option("--committees", help="Compare which neurons vote and how: 5, 20 and 64 photographs, every exit.")
    ] = False,
    draws: Annotated[int, typer.Option(min=1, help="With --committees: draws of the probing photographs.")] = 5,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Ask every method about photographs: the fixed questions, and any folder of class folders."""
    check_json_target(json_file)
    if committees:
        _photo_committees(folder, model, device, (only, probing, draws), json_file)
        return
    with quiet(json_file):
        from sn_viz.bench.photos import as_json, lines, measure
        from sn_viz.config import choose_model
        from sn_viz.models import load_model

        vlm = load_model(have_model(choose_model(model).name), device)
        tell = lambda name: print(f"{name} ...", file=sys.stderr)  # noqa: E731
        answers = measure(vlm, folder, _names(only), probing, seed, tell, committee)
    write_json(json_file, as_json(answers))
    if json_file != "-":
        typer.echo("\n".join(lines(answers)))


def _photo_committees(
    folder: Path, model: str | None, device: str | None, what: tuple[str, int | None, int], json_file: str | None
) -> None:
    only, probing, draws = what
    with quiet(json_file):
        from dataclasses import asdict

        from sn_viz.bench.photo_committees import measure
        from sn_viz.bench.tasks.committees import markdown
        from sn_viz.config import choose_model
        from sn_viz.models import load_model

        vlm = load_model(have_model(choose_model(model).name), device)
        table = measure(vlm, folder, _names(only), probing, draws, lambda line: print(line, file=sys.stderr))
    write_json(json_file, json.dumps([asdict(line) for line in table], indent=1))
    if json_file != "-":
        typer.echo(markdown(table))


def _names(only: str) -> list[str]:
    return [name.strip() for name in only.split(",") if name.strip()]


@bench_app.command("record")
def bench_record(
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Record the run on photographs: folder with flower, other and sources.txt.", show_default="the drawn pack"
        ),
    ] = None,
    pack: Annotated[str, typer.Option(help="The sample pack for where scikit-learn has no photograph.")] = "presence-dog",
    model: Annotated[str, typer.Option(help="An embedded model, for the pack.")] = "tiny-llava",
    out: Annotated[Path | None, typer.Option(help="Where to.", show_default="assets/recorded")] = None,
) -> None:
    """Record a run that the page opens with: find, race one picture, keep the times and what makes the rest again."""
    from sn_viz.bench import record, record_photograph
    from sn_viz.ui.components import recorded, story

    with progress_bar() as progress:
        if photos is None:
            made = record.make(pack, have_model(model), progress)
        else:
            made, evidence = record_photograph.make(photos, progress)
            evidence.write(out or recorded.FOLDER)
    recorded.write(made, out or recorded.FOLDER)
    typer.echo(f"{story.sentence(made)} {story.luck(made)}")


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
    check_json_target(json_file)
    with quiet(json_file) as console:
        from sn_viz.bench import as_json, machine, table
        from sn_viz.bench.duplicates import measure

        if half not in ("first", "second", "all"):
            raise UserError(f"There is no half called {half!r}.", "There are: first, second, all.", "Choose one of these.")
        tables = {"duplicates": measure(folder, half, *((50, 500) if quick else ()))}
    if json_file != "-":
        console.print(table(tables, machine()))
    write_json(json_file, json.dumps(as_json(tables, machine()), indent=2, ensure_ascii=False))


@bench_app.command("tasks")
def bench_tasks(
    model: ModelOption = None,
    device: DeviceOption = None,
    quick: QuickOption = False,
    json_file: JsonOption = None,
    tasks: Annotated[str, typer.Option(help="Only these, separated by commas.", show_default="all")] = "",
    so_far: Annotated[bool, typer.Option("--so-far", help="Print what is measured already; measure nothing.")] = False,
    committees: Annotated[
        bool, typer.Option("--committees", help="Compare which neurons vote and how: 5, 20, 100 and 500 images, every exit.")
    ] = False,
    split: Annotated[
        Path | None, typer.Option(help="With --committees: JSON of tasks to choose on and to judge on.", show_default="ours")
    ] = None,
    pool: Annotated[int, typer.Option(min=20, help="With --committees: images that are drawn from, for each task.")] = 1000,
    test: Annotated[int, typer.Option(min=20, help="With --committees: test images of each task.")] = 500,
    draws: Annotated[int, typer.Option(min=1, help="With --committees: draws of the probing images.")] = 5,
) -> None:
    """Compare every method on every task: hours, taken up again where it was stopped; minutes with --quick."""
    check_json_target(json_file)
    if committees:
        _committees(_bench_options(model, device, quick), split, (pool, test, draws), tasks, so_far, json_file)
        return
    with quiet(json_file):
        from sn_viz.bench import as_json, machine
        from sn_viz.bench.tasks import measured
        from sn_viz.bench.tasks.markdown import markdown
        from sn_viz.bench.tasks.plan import FULL, QUICK, part_of
        from sn_viz.models import load_model

        options = _bench_options(model, device, quick)
        plan = part_of(QUICK if quick else FULL, tasks)
        vlm = load_model(options.model, device=options.device)
        facts = as_json({"tasks": measured(vlm, plan, so_far)}, machine())
    write_json(json_file, json.dumps(facts, indent=2, ensure_ascii=False))
    if json_file != "-":
        typer.echo(markdown(facts))


def _committees(
    options: Any, split: Path | None, size: tuple[int, int, int], tasks: str, so_far: bool, json_file: str | None
) -> None:
    with quiet(json_file):
        from dataclasses import asdict

        from sn_viz.bench.tasks.committees import Split, folder_of, lines, markdown, plan_of, work
        from sn_viz.bench.tasks.plan import part_of
        from sn_viz.models import load_model

        parts = Split.of(split)
        plan = plan_of(parts, *((60, 60, 2) if options.quick else size))
        vlm, some = load_model(options.model, device=options.device), part_of(plan, tasks)
        table = lines(folder_of(vlm, plan) if so_far else work(vlm, some), plan, parts)
    write_json(json_file, json.dumps([asdict(line) for line in table], indent=1))
    if json_file != "-":
        typer.echo(markdown(table))


@bench_app.command("fuzz")
def bench_fuzz(
    minutes: Annotated[float, typer.Option(min=0.01, help="How long, all kinds of input together.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Another seed tries other inputs.")] = 0,
    only: Annotated[str, typer.Option(help="Kinds with commas between; an unknown name lists them.", show_default="all")] = "",
    again: Annotated[int | None, typer.Option("--try", min=0, help="Repeat this one try of --only, with its traceback.")] = None,
    json_file: JsonOption = None,
) -> None:
    """Try damaged and hostile inputs of every kind for a while; fails when one was neither read nor refused in a sentence."""
    check_json_target(json_file)
    names = [name.strip() for name in only.split(",") if name.strip()]
    if again is not None and len(names) != 1:
        raise UserError("One try is of one kind.", f"--only names {len(names)}.", "Write for example --only images --try 12.")
    with quiet(json_file) as console:
        from sn_viz.bench import as_json, fuzz, machine, table

        if again is not None:
            typer.echo(fuzz.repeat(names[0], seed, again))
            return
        found = fuzz.measure(minutes, seed, names)
        tables, where = {"fuzz": fuzz.rows(found, seed)}, machine()
    if json_file != "-":
        console.print(table(tables, where))
    write_json(json_file, json.dumps(as_json(tables, where), indent=2, ensure_ascii=False))
    if not all(one.sound for one in found):
        raise typer.Exit(1)


@bench_app.command("scale")
def bench_scale(
    model: ModelOption = None,
    device: DeviceOption = None,
    engine: Annotated[str, typer.Option(help="local, or ray: one worker against two.")] = "local",
    quick: QuickOption = False,
    json_file: JsonOption = None,
) -> None:
    """Measure memory and time of find as data grow; with --engine ray, one worker against two."""
    from sn_viz.config import ENGINE

    ENGINE.check(engine)
    _bench("scale", model, device, quick, json_file, engine)


@bench_app.command("all")
def bench_all(
    model: ModelOption = None, device: DeviceOption = None, quick: QuickOption = False, json_file: JsonOption = None
) -> None:
    """Run every benchmark, those that take hours in their quick mode, and print one table: what was measured, and what holds."""
    _bench(None, model, device, quick, json_file)


def _add_benches() -> None:
    """Give every benchmark that has no command of its own one; the first line of its file says what it measures."""
    own = {command.name for command in bench_app.registered_commands}
    for path in sorted(Path(__file__).resolve().parents[1].joinpath("bench").glob("[a-z]*.py")):
        source = path.read_text(encoding="utf-8")  # imported only when it runs
        if path.stem not in own and f'@BENCHES.register("{path.stem}"' in source:
            bench_app.command(path.stem, help=source.splitlines()[0].strip('"'))(_bench_command(path.stem))


def _bench_command(name: str) -> Callable[..., None]:
    def run_one(
        model: ModelOption = None, device: DeviceOption = None, quick: QuickOption = False, json_file: JsonOption = None
    ) -> None:
        _bench(name, model, device, quick, json_file)

    return run_one


def _bench(
    name: str | None, model: str | None, device: str | None, quick: bool, json_file: str | None, engine: str = "local"
) -> None:
    """Run one benchmark, or all that are registered, and print its rows as one table or as JSON."""
    check_json_target(json_file)
    with quiet(json_file) as console:
        from sn_viz.bench import BENCHES, as_json, machine, table

        where, tables = machine(), {}
        asked = [_Asked(name, name, model, engine)] if name else _every(BENCHES.names(), model)
        for title, each, of, on in asked:
            print(f"bench {title} ...", file=sys.stderr)
            hours = name is None and each not in BENCHES.usual()
            tables[title] = BENCHES[each](_bench_options(of, device, quick or hours, on))
    if json_file != "-":
        console.print(table(tables, where))
    write_json(json_file, json.dumps(as_json(tables, where), indent=2, ensure_ascii=False))


class _Asked(NamedTuple):
    """One benchmark among those that are run."""

    title: str
    name: str
    model: str | None
    engine: str


def _every(names: Sequence[str], model: str | None) -> Iterator[_Asked]:
    """Yield every benchmark: the speed of both default models unless one is named, and what a second worker gains where Ray is."""
    from sn_viz.config import DEFAULT_MODEL

    for name in names:
        yield _Asked(name, name, model, "local")
        if name == "speed" and model is None:
            yield _Asked(f"speed, {DEFAULT_MODEL}", name, DEFAULT_MODEL, "local")
        if name == "scale" and find_spec("ray") is not None:
            yield _Asked("scale, on Ray", name, model, "ray")


def _bench_options(model: str | None, device: str | None, quick: bool, engine: str = "local") -> Any:
    from sn_viz.bench import Options
    from sn_viz.config import DRAWN_MODEL, choose_model

    return Options(have_model(choose_model(model, default=DRAWN_MODEL).name), device, quick, engine)


_add_benches()
