"""Find super neurons, and what is done with a run: predict, check, report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sn_viz import config
from sn_viz.cli.app import app
from sn_viz.cli.options import DeviceOption, JsonOption, ModelOption, columns_given, option
from sn_viz.cli.output import AsItComes, check_json_target, have_model, new_console, no_collecting, progress_bar, quiet, write_json


@app.command()
def find(
    data: Annotated[
        str,
        typer.Argument(
            help="Folder of class folders, zip or tar of it, CSV, JSONL, Parquet, pack:NAME, hub:DATASET, bench:NAME=FOLDER."
        ),
    ],
    question: Annotated[str | None, typer.Option(help="Asked of every image.", show_default="what comes with the data")] = None,
    model: ModelOption = None,
    sites: Annotated[str, option(config.SITES)] = config.SITES.default,
    committee: Annotated[str, option(config.COMMITTEE)] = config.COMMITTEE.default,
    rule: Annotated[str | None, option(config.RULE, "the committee's")] = None,
    metric: Annotated[str | None, option(config.METRIC, "the committee's")] = None,
    voters: Annotated[int | None, option(config.VOTERS, "the committee's")] = None,
    weighting: Annotated[str | None, option(config.WEIGHTING, "the committee's")] = None,
    exit_layer: Annotated[str, option(config.EXIT_LAYER)] = config.EXIT_LAYER.default,
    test: Annotated[str | None, typer.Option(help="Separate test images, in any form that DATA may have.")] = None,
    test_size: Annotated[float, option(config.TEST_SIZE)] = config.TEST_SIZE.default,
    seed: Annotated[int, option(config.SEED)] = config.SEED.default,
    answers: Annotated[str | None, option(config.ANSWERS)] = config.ANSWERS.default,
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="Which column holds what, as FIELD=COLUMN: label=fine_label. May be repeated."),
    ] = None,
    compare: Annotated[str, option(config.COMPARE)] = config.COMPARE.default,
    device: DeviceOption = None,
    dtype: Annotated[str, option(config.DTYPE)] = config.DTYPE.default,
    device_map: Annotated[str, option(config.DEVICE_MAP)] = config.DEVICE_MAP.default,
    quantize: Annotated[str, option(config.QUANTIZE)] = config.QUANTIZE.default,
    attn: Annotated[str, option(config.ATTN)] = config.ATTN.default,
    detail: Annotated[str, option(config.DETAIL)] = config.DETAIL.default,
    engine: Annotated[str, option(config.ENGINE)] = config.ENGINE.default,
    ray_address: Annotated[
        str | None,
        typer.Option(help="HOST:PORT of a Ray cluster that this machine has joined, or auto.", show_default="this machine alone"),
    ] = None,
    json_file: JsonOption = None,
    out: Annotated[Path | None, typer.Option(help="Save the run in this folder.")] = None,
) -> None:
    """Find the super neurons that answer a question, and compare them with the model itself."""
    check_json_target(json_file)
    with quiet(json_file) as console:
        from sn_viz.search.stumps import warm_up_beside
        from sn_viz.sources.pack import begin_pack

        begin_pack(data, seed)
        warm_up_beside(
            fixed=rule not in (None, config.RULE.default)
        )  # on a new machine this compiles while torch is still being imported
        from sn_viz.storage.save import check_folder

        if out is not None:
            check_folder(out)
        config.ENGINE.check(engine)

        choice = config.choose_model(model, data)
        have_model(choice.name)  # before torch is imported: a name that is nowhere gets its answer at once

        with no_collecting():
            import sn_viz.models.load  # noqa: F401  (the other half of what takes seconds to import)
            from sn_viz import pipeline

        with progress_bar() as progress:
            shown = AsItComes(console, progress, choice.why)
            found = pipeline.find(
                data,
                question,
                choice.name,
                compare,
                test=test,
                test_size=test_size,
                sites=sites,
                committee=committee,
                rule=rule,
                metric=metric,
                voters=voters,
                weighting=weighting,
                exit_layer=exit_layer,
                seed=seed,
                answers=answers,
                columns=columns_given(columns),
                progress=progress,
                say=lambda text: new_console(stderr=True).print(text, markup=False, highlight=False),
                offer=None if json_file == "-" else shown.offer,
                device=device,
                dtype=dtype,
                device_map=device_map,
                quantize=quantize,
                attn=attn,
                detail=detail,
                engine=engine,
                ray_address=ray_address,
            )
        if out is not None:
            found.save(out)
        if json_file != "-":
            shown.end(found)
            if told := found.findings.get("engine"):
                console.print(told["sentence"], markup=False, highlight=False)
    write_json(json_file, found.to_json())


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a saved run.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Images to label.")],
    exit_layer: Annotated[str, typer.Option(help="auto (the run's own), or a layer: 3, V4.")] = "auto",
    question: Annotated[str | None, typer.Option(help="Asked of every image.", show_default="the run's own")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Let the full model answer too.")] = False,
    model: ModelOption = None,
    device: DeviceOption = None,
    json_file: JsonOption = None,
) -> None:
    """Label images with the super neurons of a saved run."""
    check_json_target(json_file)
    with quiet(json_file) as console:
        from sn_viz.activations.model_cache import model_of
        from sn_viz.early_exit import decide
        from sn_viz.models.catalog import resolve_name
        from sn_viz.report.tables import doubt_line, predictions_table
        from sn_viz.run import Run
        from sn_viz.sources.text import distinct_names

        reopened = Run.load(run)
        model = have_model(resolve_name(model) if model else reopened.config.model)
        layer = config.checked_layer(exit_layer, reopened.neurons.n_layers, reopened.neurons.n_tower)
        asked = decide.asked_ahead(reopened, images, question)
        vlm = model_of(replace(reopened.config, model=model), device)
        predictor, predictions, answers = decide.Predictor.of(reopened, layer, question, vlm), [], []
        for pictures, questions in asked:
            predictions += predictor.label(pictures, questions)
            answers += decide.full_answers(vlm, pictures, questions, reopened.answer_key) if compare else []
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
    write_json(json_file, "\n".join(rows))


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
    check_json_target(json_file)
    with quiet(json_file) as console:
        from sn_viz.activations.model_cache import model_of
        from sn_viz.checks import CHECKS, WORDINGS, Options, examine
        from sn_viz.models.catalog import resolve_name
        from sn_viz.run import Run

        options = Options(tuple(wording or WORDINGS), strength, n, seed)
        names = CHECKS.names() if what == "all" else [name.strip() for name in what.split(",")]
        reopened = Run.load(run)
        name = have_model(resolve_name(model) if model else reopened.config.model)
        vlm = model_of(replace(reopened.config, model=name), device)
        with progress_bar() as progress:
            examined = examine(reopened, names, vlm, options, progress)
        examined.save(run)
        if json_file != "-":
            for name in names:
                console.print(f"{CHECKS[name].title}: {examined.findings[name]['sentence']}", markup=False, highlight=False)
    write_json(json_file, json.dumps({name: examined.findings[name] for name in names}, indent=2, ensure_ascii=False))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a saved run.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write a run as one page with all figures; it opens offline."""
    from sn_viz.report.page import write_report
    from sn_viz.run import Run

    write_report(Run.load(run), out)
    new_console().print(f"Wrote {out}", markup=False, highlight=False)
