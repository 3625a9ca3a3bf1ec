"""How a model of the hub is written: ``OWNER/NAME``, ``OWNER/NAME@REVISION``, or an address of its page.

Takes text; returns a ``HubName``, or None where the text is none. An address is read for the name in it and never opened. It knows
nothing about files or the network.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sn_viz.errors import UserError

HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
MAIN = "main"
"""The branch that is meant where none is named."""
OTHER_KINDS = (
    *("datasets", "spaces", "kernels", "buckets", "collections", "papers", "docs", "blog", "api", "models", "settings", "tasks"),
    *("organizations", "join", "login", "new", "pricing", "posts", "chat", "learn", "inference", "search", "terms-of-service"),
)
"""First parts of addresses that lead to no model."""
_NAME = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95})(?:@([A-Za-z0-9_][\w./-]{0,199}))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_BEFORE_REVISION = ("tree", "blob", "resolve", "raw", "commit", "commits")


@dataclass(frozen=True)
class HubName:
    """A model repository of the hub, at a revision."""

    repository: str
    """OWNER/NAME."""
    revision: str = ""
    """Branch, tag or commit; "" is the main branch."""

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a whole commit, whose files never change."""
        return _COMMIT.fullmatch(self.revision) is not None

    def at(self, commit: str) -> HubName:
        """Return the same repository at a commit."""
        return HubName(self.repository, commit)

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


def read_name(text: str) -> HubName | None:
    """Return the model that ``text`` names, or None where it is no name of the hub, such as a path.

    Raises
    ------
    UserError
        When it is an address that leads to no model of the hub.

    Examples
    --------
    >>> str(read_name("llava-hf/llava-1.5-7b-hf@main"))
    'llava-hf/llava-1.5-7b-hf@main'
    >>> str(read_name("https://huggingface.co/llava-hf/llava-1.5-7b-hf/tree/refs%2Fpr%2F3"))
    'llava-hf/llava-1.5-7b-hf@refs/pr/3'
    >>> read_name("models/mine/llava") is None
    True
    """
    text = text.strip()
    if "://" in text or text.lower().startswith(tuple(f"{host}/" for host in HOSTS)):
        return _of_address(text)
    found = _NAME.fullmatch(text)
    return _checked(found[1], found[2] or "") if found else None


def is_pinned_name(text: str) -> bool:
    """Return whether ``text`` is OWNER/NAME@COMMIT, which means the same files on any machine."""
    found = _NAME.fullmatch(text)
    return found is not None and _COMMIT.fullmatch(found[2] or "") is not None


def _checked(repository: str, revision: str) -> HubName | None:
    odd = "--" in repository or ".." in repository or repository.endswith((".git", ".", "-"))
    odd |= ".." in revision or "//" in revision or revision.endswith(("/", ".", ".lock"))
    return None if odd else HubName(repository, revision)


def _of_address(text: str) -> HubName:
    """Return the name in an address of a model's page, or of a file in it."""
    if text.lower().startswith("hf://"):
        found = read_name(re.sub(r"(?i)^hf://(models/)?", "", text))
    else:
        try:
            address = urlsplit(text if "://" in text else f"https://{text}")
            host, parts = address.hostname or "", [unquote(part) for part in address.path.split("/") if part]
        except ValueError:
            host, parts = "", []
        if address_refused := host not in _hosts():
            parts = []
        if parts[:1] and (parts[0] in OTHER_KINDS):
            cause = f"It leads to something else than a model: {parts[0]}."
            raise UserError(f"{_shown(text)!r} is no model of the hub.", cause, "Give the name of a model as OWNER/NAME.")
        found = None if address_refused else read_name(_as_name(parts))
    if found is None:
        cause = f"Of addresses only those of models at {HOSTS[0]} are understood, and none is ever opened."
        raise UserError(f"{_shown(text)!r} is no model of the hub.", cause, "Give OWNER/NAME, or the path of a folder.")
    return found


def _shown(text: str) -> str:
    """Return an address without what may be a secret in it: who signs in, and what stands behind a question mark."""
    plain = re.sub(r"(?<=://)[^/?#]*@", "...@", text[:1000])
    return re.sub(r"\?.*", "?...", plain, flags=re.DOTALL)[:100]


def _as_name(parts: list[str]) -> str:
    """Return OWNER/NAME@REVISION of the parts of a path; what comes after the revision names a file and does not matter."""
    name = "/".join(parts[:2])
    if len(parts) < 4 or parts[2] not in _BEFORE_REVISION:
        return name
    revision = "/".join(parts[3:6]) if parts[3:5] in (["refs", "pr"], ["refs", "convert"]) else parts[3]
    return f"{name}@{revision}"


def _hosts() -> set[str]:
    """Return the hosts of the hub: its own, and the mirror that HF_ENDPOINT names."""
    try:
        mirror = urlsplit(os.environ.get("HF_ENDPOINT", "")).hostname
    except ValueError:
        mirror = None
    return {*HOSTS, mirror or HOSTS[0]}
