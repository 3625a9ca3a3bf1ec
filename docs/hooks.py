"""Pages that mkdocs adds: a page of the API for every part of the package, and files of the repository that lie outside docs/.

Takes mkdocs' configuration, files and pages; returns them with more. A new part of the package is documented without a line here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sn_viz"
OUTSIDE = {
    "EXPERIMENTS.md": "experiments.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "assets/tiny-llava/README.md": "model-cards/tiny-llava.md",
    "assets/tiny-gemma3/README.md": "model-cards/tiny-gemma3.md",
    "assets/tiny-photo/README.md": "model-cards/tiny-photo.md",
}
"""Files that the site shows too, and where."""
NAV_OF_OUTSIDE = (
    "experiments.md",
    "changelog.md",
    "security.md",
    {"Model cards": [page for page in OUTSIDE.values() if "/" in page]},
)


def parts() -> list[str]:
    """Return the modules and sub-packages that lie directly in the package."""
    found = {path.stem for path in PACKAGE.glob("[a-z]*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    return sorted(found)


def on_config(config: Any) -> Any:
    """Put the added pages into the navigation."""
    api = [{"What most people need": "api/index.md"}, *({f"sn_viz.{part}": f"api/{part}.md"} for part in parts())]
    config.nav = [*config.nav, {"Python": api}, {"Records": list(NAV_OF_OUTSIDE)}]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for part in parts():
        files.append(File.generated(config, f"api/{part}.md", content=f"::: sn_viz.{part}\n    options:\n      heading_level: 1\n"))
    for there, here in OUTSIDE.items():
        files.append(File.generated(config, here, content=(ROOT / there).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files outside docs/, which work in the repository, lead to their pages of the site."""
    up = "../" * page.file.src_uri.count("/")
    for there, here in OUTSIDE.items():
        markdown = re.sub(rf"\]\((\.\./)+{re.escape(there)}", f"]({up}{here}", markdown)
    return markdown
