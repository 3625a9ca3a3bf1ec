"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

JsonOption = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON to this file; - prints only JSON.")]
ModelOption = Annotated[str | None, typer.Option(help="Name, or folder of a model. [default: SN_VIZ_MODEL, else tiny-llava]")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Small sizes, few repetitions: a look, not a record.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, ... [default: the fastest there is]")]
