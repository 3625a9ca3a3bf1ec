"""Activations kept on disk: how much, are they sound, away with them."""

from __future__ import annotations

from typing import Any

from sn_viz.cli.app import cache_app
from sn_viz.cli.output import new_console


@cache_app.command("show")
def cache_show() -> None:
    """Say where the cache is and how large."""
    store = store_of_activations()
    new_console().print(f"{store.root}: {store.size() / 2**20:.1f} MB", markup=False, highlight=False)


@cache_app.command("verify")
def cache_verify() -> None:
    """Check every entry; damaged ones are put aside and will be computed again."""
    damaged = store_of_activations().verify()
    new_console().print(f"{len(damaged)} damaged entries were put aside." if damaged else "Every entry is sound.", markup=False)


@cache_app.command("clear")
def cache_clear() -> None:
    """Remove every entry."""
    store_of_activations().clear()
    new_console().print("The cache is empty.", markup=False)


def store_of_activations() -> Any:
    from sn_viz.activations.store import Store

    return Store()
