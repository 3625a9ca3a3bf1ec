"""The lesson as a page of the documentation: how to teach it, the questions without answers, and the answers.

Takes nothing; returns Markdown. The page of the app prints the same sheet.
"""

from __future__ import annotations

from typing import Any

from sn_viz.lessons.told import lesson, recorded

HEAD = """\
# Teach with it

The rail **Learn** of the page is a lesson of {n} steps, about {minutes} minutes together. Each asks for a guess, shows what was
measured, and then opens that very place in the workbench, where the class goes on by itself. Nothing has to be prepared: the sets
are drawn, the model is embedded, and no network is needed.

The numbers of the lesson are recorded with the model `{model}` (on {on}), so that everybody sees the same. Each stands with its
95 % interval and the number of pictures. Under them stands what the run in the workbench says, which is measured on your machine.

## In class

- **A link to a step:** `?learn=3` opens step 3; with `&pack=left-of` the workbench opens on that set, and any other part of a link
  (`model`, `layer`, `neuron`, `t`, `tab`) may stand beside it. *For teachers* at the foot of the rail copies such a link.
- **Projector:** `?projector=1`, the button, or the key P while the rail has the focus: large type and high contrast.
- **Keyboard:** Tab through a step, arrow left and right (Home, End) between steps, Escape to close. A word with a dotted line is
  explained on Enter, a touch or under the mouse; Escape closes that too.
- **Without eyes:** each figure has its numbers in a table below it (*The same in numbers*).
- **On paper:** *Print the questions*, *Print the answers*; both stand below as well.
- **On one machine for thirty:** see [serving](serving.md). The recorded steps need no turn at the model; a set that nobody has
  opened yet is run first, and the line under the question says how far it is.

The recorded numbers are made, compared and, with `--write`, kept by one command:

```bash
python -m sn_viz lessons --only luck
```

Without `--only` it runs every step: some minutes on two cores. A test does the same and fails when the numbers no longer hold.
Times are not recorded; they are your machine's, and the race tells them.
"""


def as_markdown() -> str:
    """Return the page of the documentation."""
    steps, when = lesson(), recorded()["recorded"]
    head = HEAD.format(n=len(steps), minutes=sum(step["minutes"] for step in steps), **when)
    questions = "".join(_question(step) for step in steps)
    answers = "".join(_answer(step) for step in steps)
    return f"{head}\n## The questions\n\n{questions}## The answers\n\n{answers}".rstrip() + "\n"


def _question(step: dict[str, Any]) -> str:
    options = "".join(f"- ☐ {option['text']}\n" for option in step["options"])
    return (
        f"### {step['number']}. {step['title']}\n\n{step['setting']}\n\n**{step['question']}**\n\n{options}\n"
        f"*Talk about it:* {step['discuss']}\n\n"
    )


def _answer(step: dict[str, Any]) -> str:
    right = [option["text"] for option in step["options"] if option["right"]]
    grid = step["figure"]["table"]
    lines = [grid["head"], ["---"] * len(grid["head"]), *grid["rows"]]
    rows = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    return (
        f"### {step['number']}. {step['title']}: answer\n\n☒ {', '.join(right)}\n\n{step['reveal']}\n\n{step['so']}\n\n"
        f"{step['figure']['caption']}\n\n{rows}\n*To talk about:* {step['answer']}\n\n"
    )
