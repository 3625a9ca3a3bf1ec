"""Train an embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sn_viz.cli.app import app
from sn_viz.cli.options import DeviceOption
from sn_viz.cli.output import new_console
from sn_viz.errors import UserError


@app.command()
def train(
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Time to train.", show_default="the recipe's own")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the finished model goes.", show_default="tiny-FAMILY")] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Where pictures, checkpoints and the log are kept.", show_default="train-FAMILY in the cache"),
    ] = None,
    family: Annotated[
        str, typer.Option(help="llava; gemma3: another decoder, trained in the same world; photo: trained on photographs too.")
    ] = "llava",
    more: Annotated[list[Path] | None, typer.Argument(help="More folders, after --photos.", metavar="[FOLDER]...")] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option(help="Folders of photographs (Caltech-101, Tiny-ImageNet, CIFAR-10, Imagenette), for --family photo."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished stage.")] = False,
    device: DeviceOption = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that put batches of photographs together, which a GPU needs; 0: this one does.")
    ] = 0,
) -> None:
    """Train an embedded model from scratch."""
    from dataclasses import replace

    from sn_viz.training.families import EMBEDDED_FAMILIES
    from sn_viz.training.train import Recipe
    from sn_viz.training.train import train as train_model
    from sn_viz.training.train_photo import PhotoRecipe, train_photo

    folders = [*(photos or []), *(more or [])]
    if folders and not EMBEDDED_FAMILIES[family].photographs:
        raise UserError(
            f"The family {family!r} takes no photographs.", f"Given: {folders[0]}.", "Leave them out, or choose --family photo."
        )
    with_photos = bool(folders)
    recipe = PhotoRecipe(family=family) if with_photos else Recipe.of(family)
    if minutes is not None:
        recipe = replace(recipe, minutes=tuple(minutes * share / sum(recipe.minutes) for share in recipe.minutes))
    target = out or Path(f"tiny-{family}")
    if isinstance(recipe, PhotoRecipe):
        done = train_photo(target, folders, recipe, folder=work, device=device, resume=resume, workers=workers)
    else:
        done = train_model(target, recipe, folder=work, device=device, resume=resume)
    new_console().print(f"The model is in {done}", markup=False, highlight=False)
