"""The other end of ``apart``: a small process that renders chat templates and tries tokenizers, with its time and memory bounded.

Reads one JSON request a line, writes one JSON answer a line. It loads neither torch nor weights. Each request may take so much
processor time, after which the system ends this process, whatever it is doing; so does memory beyond the bound.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

MEMORY = 2 * 2**30
"""Bytes this process may take beyond what its libraries do."""
MOST_TEXT = 2_000_000
"""Characters of one rendered prompt."""


def render(request: dict[str, Any]) -> list[str]:
    """Return the prompts of ``request["turns"]``, just as transformers renders them."""
    from transformers.utils.chat_template_utils import render_jinja_template

    shown: Any = render_jinja_template(
        conversations=request["turns"], chat_template=request["template"], add_generation_prompt=True, **request["tokens"]
    )
    prompts = shown[0]
    longest = max(map(len, prompts))
    if longest > MOST_TEXT:
        raise ValueError(f"a prompt has {longest:,} characters, at most {MOST_TEXT:,} are read")
    return prompts


def tokenize(request: dict[str, Any]) -> int:
    """Read ``request["file"]``, a tokenizer.json, and split every text; returns the tokens of the longest."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(request["file"])
    return max(len(tokenizer.encode(text).ids) for text in request["texts"])


TASKS = {"render": render, "tokenize": tokenize}


def main() -> None:
    """Answer requests until the other end closes."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    import jinja2.sandbox  # noqa: F401
    import tokenizers  # noqa: F401
    from transformers.utils import chat_template_utils  # noqa: F401

    _bound_memory()
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        _bound_time(request["seconds"])
        try:
            answer = {"answer": TASKS[request["task"]](request)}
        except MemoryError:
            answer = {"error": "it takes too much memory"}
        except BaseException as error:  # tokenizers panics with an exception that is no Exception
            answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
        _bound_time(0)
        print(json.dumps(answer), file=answers, flush=True)


def _bound_memory() -> None:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    except (ImportError, OSError, ValueError):
        return  # no such bound on this system; the time is still bounded


def _bound_time(seconds: float) -> None:
    """Let the system end this process after so many seconds of its own processor time; 0 lifts that."""
    import signal

    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
