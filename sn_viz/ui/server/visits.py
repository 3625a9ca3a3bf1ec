"""Which sessions and which uploaded files belong to one browser, so that all of it can be forgotten at once.

Takes the names under which requests come; returns names and paths. A browser is known by this server's own cookie, which nobody can
guess; a session is one opening of the page. It knows nothing about what is kept under these names.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from cachetools import LRUCache

COOKIE = "sn_viz_visitor"
BROWSERS = 2000
"""Browsers remembered at most; the one seen longest ago goes first."""
SESSIONS = 100
"""Of one browser."""


class Visits:
    """Sessions and uploads by browser.

    Parameters
    ----------
    most : int
        Browsers remembered.
    """

    def __init__(self, most: int = BROWSERS) -> None:
        self._sessions: LRUCache[str, tuple[str, ...]] = LRUCache(most)
        self._files: LRUCache[str, set[str]] = LRUCache(most)
        self._lock = threading.Lock()

    def opened(self, browser: str, session: str) -> None:
        """Note that a browser has opened the page."""
        with self._lock:
            self._sessions[browser] = (*self._sessions.get(browser, ())[1 - SESSIONS :], session)

    def arrived(self, browser: str, paths: Iterable[str]) -> None:
        """Note files that a browser has uploaded."""
        with self._lock:
            self._files[browser] = self._files.get(browser, set()) | set(paths)

    def sessions_of(self, browser: str) -> list[str]:
        """Return the sessions of a browser."""
        with self._lock:
            return list(self._sessions.get(browser, ()))

    def drop(self, browser: str) -> list[str]:
        """Forget a browser; returns the paths of its uploads that no other browser has uploaded too."""
        with self._lock:
            self._sessions.pop(browser, None)
            mine = self._files.pop(browser, set())
            others = set().union(*self._files.values()) if self._files else set()
            return sorted(mine - others)


def browser_of(cookies: Mapping[str, str]) -> str:
    """Return the name of the browser that sends these cookies, "" for one without ours."""
    token = str(cookies.get(COOKIE, "")).partition(".")[0]
    return f"visitor {token}" if len(token) == 32 and token.isalnum() else ""
