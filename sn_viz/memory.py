"""How much memory pictures and activations may take: one setting, ``SN_VIZ_MEMORY``.

Takes nothing but the environment, asked when called; returns bytes. What is beyond lies in files: pictures are read again where
they came from, activations are mapped from a file in the cache folder. Results are the same with any setting.
"""

from __future__ import annotations

import os

from sn_viz.errors import UserError

DEFAULT_GIB = 1.0
VARIABLE = "SN_VIZ_MEMORY"


def memory_bytes() -> int:
    """Return the bytes that pictures and activations of a run may take together: SN_VIZ_MEMORY, in GiB, by default 1.

    Raises
    ------
    UserError
        When the setting is no number, or below 0.
    """
    said = os.environ.get(VARIABLE, "").strip()
    try:
        gib = float(said) if said else DEFAULT_GIB
    except ValueError:
        gib = -1.0
    if not 0 <= gib < 1e6:
        raise UserError(f"{VARIABLE} is no amount of memory.", f"It is {said!r}.", f"Give GiB, as in {VARIABLE}=2.")
    return int(gib * 2**30)


def picture_bytes() -> int:
    """Return the bytes of decoded pictures that are kept for the next time they are needed: a quarter."""
    return memory_bytes() // 4


def values_bytes() -> int:
    """Return the bytes of the activations of one split that are kept in memory: a quarter; larger ones lie in a file."""
    return memory_bytes() // 4
