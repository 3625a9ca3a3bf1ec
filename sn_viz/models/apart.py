"""What of a model's folder is a program, run where it can do no harm: chat templates and the patterns of tokenizers.

A template may loop for ever and a pattern may take years over forty letters; neither can be stopped inside this process. So the
templates of models that came from outside are rendered in a small process of their own (``apart_worker``), always, and their
tokenizers are tried there once before they are loaded here. Takes texts; returns texts, or a UserError within the time stated here.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sn_viz.errors import UserError
from sn_viz.sources.budget import DEFAULT

PROCESSOR_SECONDS = 10
"""What rendering a prompt, or trying a tokenizer, may take of a processor's time."""
SECONDS = 60
"""What it may take by the clock, on a machine however busy."""
START_SECONDS = 120
QUESTIONS = (
    "Is there a dog in this picture? Answer yes or no.",
    "What’s the colour of the car – red, green or blue?",
    "这张图片里有狗吗？ هل يوجد كلب؟ есть ли собака 🐶 ?",
    "   \t " * 40 + "1234567890" * 20,
)


class Apart:
    """A process that renders templates and tries tokenizers; started when it is first asked, and again after it was ended."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        """Number of the process that started it; a fork of that one has this object too."""
        self._answers: queue.Queue[str | None] = queue.Queue()
        weakref.finalize(self, _end, self.__dict__)

    def start(self) -> None:
        """Start the process without waiting for it."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
            quiet = {"PYTHONPATH": os.pathsep.join(paths), "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
            self._answers, self._owner = queue.Queue(), os.getpid()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sn_viz.models.apart_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env={**os.environ, **quiet},
            )
            threading.Thread(target=_listen, args=(self._process.stdout, self._answers), daemon=True).start()
            self._fresh = True

    def ask(self, what: str, **request: Any) -> Any:
        """Return the answer to one request.

        Parameters
        ----------
        what : str
            What is tried, for messages: "Its chat template".
        **request
            ``task`` and what it needs.

        Raises
        ------
        UserError
            When it takes too long or too much memory, or fails.
        """
        with self._lock:
            self.start()
            assert self._process is not None and self._process.stdin is not None
            if self._fresh and self._answer(START_SECONDS) is None:
                self.stop()
                raise UserError("A model could not be looked at.", "The process for that did not start.", "Try again.")
            self._fresh = False
            try:
                self._process.stdin.write(json.dumps({**request, "seconds": PROCESSOR_SECONDS}) + "\n")
                self._process.stdin.flush()
                answer = self._answer(SECONDS)
            except OSError:  # it has ended
                answer = None
            if answer is None:
                self.stop()
                raise UserError(
                    f"{what} cannot be used.",
                    f"It did not finish within {PROCESSOR_SECONDS} seconds, or took too much memory.",
                    "Choose a model from a source you trust.",
                )
        if "error" in answer:
            raise UserError(f"{what} cannot be used.", f"{answer['error']}.", "Restore the model's files.")
        return answer["answer"]

    def stop(self) -> None:
        """End the process; it is started again when it is asked again."""
        _end(self.__dict__)
        self._process = None

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        try:
            line = self._answers.get(timeout=seconds)
        except queue.Empty:
            return None
        return None if line is None else json.loads(line)


def _listen(lines: Any, answers: queue.Queue[str | None]) -> None:
    for line in lines:
        answers.put(line)
    answers.put(None)


def _end(parts: dict[str, Any]) -> None:
    """End the process, unless this is a fork of the one that started it: its pipes may be locked for ever there."""
    process = parts.get("_process")
    if process is not None and os.getpid() == parts.get("_owner"):
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            try:
                pipe.close()
            except OSError:
                continue  # what was not sent to a dead process is lost with it


def try_tokenizer(apart: Apart, folder: Path) -> None:
    """Raise a UserError when the tokenizer of a model's folder hangs or fails on questions as long as any that may be asked."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        return
    most = DEFAULT.question_characters
    letters = "".join(map(chr, range(32, 127))) + "\n\té’中ا"
    texts = [*QUESTIONS, *(letter * most for letter in letters), ("ab" * most)[:most], ("a b" * most)[:most], ("a1 " * most)[:most]]
    texts += [(letter * most)[: most - 1] + "!" for letter in "aA1x .-_/"]
    apart.ask("Its tokenizer", task="tokenize", file=str(file.resolve()), texts=texts)


class Template:
    """The chat template of one model, rendered in a process of its own."""

    def __init__(self, apart: Apart, processor: Any) -> None:
        template = processor.chat_template
        self.apart, self.template = apart, template.get("default", "") if isinstance(template, dict) else template
        self.tokens = {name: _texts(token) for name, token in processor.tokenizer.special_tokens_map.items()}

    def __call__(self, turns: Sequence[Any]) -> list[str]:
        """Return the prompt of each conversation, ready for the answer."""
        return self.apart.ask("Its chat template", task="render", template=self.template, turns=list(turns), tokens=self.tokens)


def _texts(token: Any) -> Any:
    return [str(one) for one in token] if isinstance(token, list | tuple) else str(token)
