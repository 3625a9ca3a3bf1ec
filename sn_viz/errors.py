"""The one exception that carries a message meant for people."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right: what happened, why, and a hint on what to do.

    Parameters
    ----------
    what : str
        What went wrong, naming the file, field or choice.
    cause : str
        Why: what arrived, and what is allowed.
    hint : str
        What to do about it.

    Examples
    --------
    >>> print(UserError("'notes.txt' was not read.", "It is not an image.", "Save it as PNG or JPEG."))
    'notes.txt' was not read. It is not an image. Save it as PNG or JPEG.
    """

    def __init__(self, what: str, cause: str = "", hint: str = "") -> None:
        self.what, self.cause, self.hint = what, cause, hint
        super().__init__(" ".join(part for part in (what, cause, hint) if part))


class JustForgotten(UserError):
    """What was asked for was forgotten a moment ago, at its owner's wish: questions that were under way need no answer."""


class Cancelled(Exception):
    """The user asked a job to stop; nothing is wrong and nothing is lost."""
