"""What can go wrong with the hub, each in a sentence with what to do about it.

Takes what the hub's client raised; returns a ``UserError``. No message holds what the client or the hub wrote: that may be an
address with a signature in it.
"""

from __future__ import annotations

import errno
import importlib

from sn_viz.errors import UserError
from sn_viz.models.hub.cache import cached, whole_commits
from sn_viz.models.hub.name import HubName

PROGRAMS = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Ends of the names of pickled files."""


def transport_error() -> type[Exception]:
    """Return what the client raises when no answer comes or it breaks off: of httpx or httpx2, whichever it is built on."""
    from huggingface_hub import get_session

    return importlib.import_module(type(get_session()).__module__.partition(".")[0]).TransportError


def answer_errors() -> tuple[type[Exception], ...]:
    """Return what the client raises of an answer that no hub gives: packed otherwise than it says, led round in circles."""
    from huggingface_hub import get_session

    client = importlib.import_module(type(get_session()).__module__.partition(".")[0])
    return client.RequestError, client.InvalidURL


def failures() -> tuple[type[Exception], ...]:
    """Return everything that asking the hub or writing its files may raise."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    return HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError, transport_error(), *answer_errors()


def as_user_error(error: Exception, name: HubName) -> UserError:
    """Return the sentence for what the client raised about a model."""
    from huggingface_hub.errors import (
        DisabledRepoError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, OfflineModeIsEnabled):
        return _not_here(name, "The hub's client is told to stay offline.", "Unset HF_HUB_OFFLINE")
    if isinstance(error, GatedRepoError):
        return gated(name)
    if isinstance(error, DisabledRepoError):
        return closed(name)
    if isinstance(error, RevisionNotFoundError):
        hint = f"Leave out @{name.revision} for its main branch, or look up its branches and tags on its page."
        return _not_fetched(name, f"{name.repository} has no branch, tag or commit {name.revision!r}.", hint)
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        cause = "The hub has no such model, or it is private; and there is no folder of that name here."
        return _not_fetched(name, cause, "Check the spelling. For a private one set HF_TOKEN to a token that may read it.")
    if isinstance(error, HfHubHTTPError):
        return _answered(error.response.status_code, name)
    if isinstance(error, transport_error()):
        return unreachable(name)
    if isinstance(error, answer_errors()):
        return no_hub(name)
    return _not_written(error, name)


def _answered(status: int, name: HubName) -> UserError:
    if status in (401, 403):
        cause = "The hub does not let this token read it, or does not know the token."
        return _not_fetched(name, cause, "Set HF_TOKEN to a valid token that may read it, or unset it for a public model.")
    if status == 429:
        return _not_fetched(name, "The hub has had too many requests from here.", "Try again in some minutes.")
    return _not_fetched(name, f"The hub answered with status {status}.", "Try again later; what is already here is kept.")


def odd_token(name: HubName) -> UserError:
    """Say that the operator's token has letters that none has; which ones is not said."""
    cause = "The token in HF_TOKEN, or the one saved by the hub's client, has letters that no token has."
    return _not_fetched(name, cause, "Copy it once more, without anything before, behind or between; or unset it.")


def lacking(name: HubName, file: str) -> UserError:
    """Say that an index names weights that the repository does not hold."""
    cause = f"Its index of shards names {file[:60]!r}, which is none of its files."
    return _not_fetched(name, cause, "Choose another revision, or another repository.")


def no_index(name: HubName) -> UserError:
    """Say that an index of shards cannot be understood."""
    return _not_fetched(name, "Its index of shards is damaged.", "Choose another revision, or another repository.")


def closed(name: HubName) -> UserError:
    """Say that the hub gives a repository to nobody."""
    return _not_fetched(name, "The hub has closed this repository.", "Choose another model.")


def gated(name: HubName) -> UserError:
    """Say that a model's licence must be accepted first."""
    return _not_fetched(
        name,
        "It is gated: its owner gives it to those who have accepted its terms.",
        f"Accept them on the page of {name.repository} on the hub, and set HF_TOKEN to a token of that account.",
    )


def unreachable(name: HubName) -> UserError:
    """Say that the hub gave no answer, and what of the model is here."""
    return _not_here(name, "The hub did not answer.", "Check the network")


def no_hub(name: HubName) -> UserError:
    """Say that something else than a hub answered."""
    return _not_here(
        name, "What answered is not the hub; perhaps this network asks to sign in first.", "Open any page in a browser"
    )


def broken_off(name: HubName) -> UserError:
    """Say that the connection was lost in the middle of a file."""
    return _not_fetched(name, "The connection to the hub was lost.", "Try again: it goes on where it stopped.")


def damaged(name: HubName, file: str) -> UserError:
    """Say that a file is not what the hub announced."""
    return _not_fetched(name, f"What arrived of {file[:60]} is not what the hub announced.", "Try again.")


def no_room(name: HubName, needed: str, free: str) -> UserError:
    """Say that the disk is too small."""
    cause = f"It takes {needed}, and {free} of the disk are free."
    return _not_fetched(name, cause, "Free some room, or set HF_HOME to a folder on a larger disk.")


def too_large(name: HubName, needed: str, most: str) -> UserError:
    """Say that visitors may not start so large a download."""
    cause = f"It takes {needed}; on this server up to {most} are fetched."
    return _not_fetched(name, cause, "Choose a smaller model; its operator may set SN_VIZ_MODEL_MAX_GB.")


def only_pickled(name: HubName, others: list[str]) -> UserError:
    """Say that a repository has no weights that are safe to read."""
    if not others:
        cause = "It has no weights that transformers reads: neither model.safetensors nor its shards."
        return _not_fetched(name, cause, "Choose a repository with a whole model of transformers.")
    why = ": they may hold programs" if others[0].endswith(PROGRAMS) else ""
    cause = f"Its weights are not safetensors but only files such as {others[0][:60]}, which are not read{why}."
    hint = (
        f"Look among its pull requests on the hub for a safetensors version and name it {name.repository}@refs/pr/NUMBER, "
        "or convert it yourself and give the folder."
    )
    return _not_fetched(name, cause, hint)


def no_model(name: HubName) -> UserError:
    """Say that a repository is none of transformers."""
    return _not_fetched(name, "It has no config.json, so it is no model of transformers.", "Choose another repository.")


def oversized(name: HubName, file: str, size: str) -> UserError:
    """Say that a text file is larger than any that is read."""
    return _not_fetched(name, f"Its {file[:60]} has {size}, more than is read of such a file.", "Choose another repository.")


def untold(name: HubName) -> UserError:
    """Say that the hub did not tell sizes and digests."""
    cause = "The hub did not tell the sizes and digests of its files."
    return _not_fetched(name, cause, "Unset HF_ENDPOINT to ask the hub itself, or download it yourself and give the folder.")


def _not_written(error: Exception, name: HubName) -> UserError:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return _not_fetched(
            name, "The disk is full.", "Free some room, or set HF_HOME to a folder on a larger disk; it then goes on."
        )
    reason = getattr(error, "strerror", None) or type(error).__name__
    return _not_fetched(name, f"The hub's cache cannot be written: {reason}.", "Set HF_HOME to a folder that you may write.")


def _not_here(name: HubName, cause: str, hint: str) -> UserError:
    if (copy := cached(name)) is not None:  # it was asked where a branch is now
        what = f"The hub could not be asked about {str(name)!r}."
        there = f"{cause} The model is here, at commit {copy.hub.revision[:7]}."
        return UserError(what, there, f"{hint}; until it is asked again, the model is used as it is here.")
    here = whole_commits(name)
    also = (
        f"; or name what is here: {name.repository}@{here[-1]}" if here else ", or give the path of a folder that holds the model"
    )
    return _not_fetched(name, f"{cause} The model is not here{' at this revision' if here else ''}.", f"{hint}{also}.")


def _not_fetched(name: HubName, cause: str, hint: str) -> UserError:
    return UserError(f"The model {str(name)!r} was not fetched.", cause, hint)
