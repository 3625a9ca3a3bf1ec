"""Build the environment of a Hugging Face Space from the README, start the page in it as a Space does, and ask for it.

    python docs/space.py                   # all of it: minutes, and gigabytes where torch comes with CUDA
    python docs/space.py --resolve         # only whether pip finds versions that go together; installs nothing
    python docs/space.py --python PATH     # with another Python than the front matter names
    python docs/space.py --here            # start the page in the Python that runs this; installs nothing

What is tested are the files that git tracks, in a folder of their own, since only they get to a Space. What pip is told besides
requirements.txt is what Spaces tell it: Gradio in the version of the front matter, and their own package ``spaces``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPACE, HOST = "someone/sn-viz", "someone-sn-viz.hf.space"
START_SECONDS = 300
VERSIONS = "import json, sys; from importlib.metadata import version; print(json.dumps([version(each) for each in sys.argv[1:]]))"


def front_matter(readme: str) -> dict[str, str]:
    """Return the settings between the two lines of dashes that a README begins with; lists are left out."""
    found = re.match(r"---\n(.*?)\n---\n", readme, re.DOTALL)
    if found is None:
        raise SystemExit("The README does not begin with the settings of a Space.")
    pairs = (line.partition(":") for line in found[1].splitlines() if re.match(r"[A-Za-z_]+:\s*\S", line))
    return {name: value.strip().strip("\"'") for name, _, value in pairs}


def wanted(settings: dict[str, str]) -> list[str]:
    """Return what pip is asked to install on a Space, in one go."""
    return ["-r", "requirements.txt", f"gradio[oauth,mcp]=={settings['sdk_version']}", "spaces"]


def resolve(settings: dict[str, str], folder: Path) -> dict[str, str]:
    """Return name -> version of all that would be installed for the front matter's Python, whichever runs this.

    pip reads wheels' descriptions for that; where the index serves them alone, nothing large is fetched.
    """
    report = folder / "report.json"
    only = ["--only-binary=:all:", "--python-version", settings["python_version"], "--target", str(folder / "nowhere")]
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report), *only]
    subprocess.run([*command, *wanted(settings)], cwd=ROOT, check=True)
    found = json.loads(report.read_text("utf-8"))["install"]
    return {each["metadata"]["name"].lower(): each["metadata"]["version"] for each in found}


def tracked_files(folder: Path) -> Path:
    """Copy the files that git tracks, as they are now, to ``folder``; return it."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(settings: dict[str, str], python: str, app: Path, folder: Path) -> Path:
    """Make a virtual environment, install what a Space installs, and return its Python."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    own = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([own, "-m", "pip", "install", "--quiet", *wanted(settings)], cwd=app, check=True)
    return own


@contextmanager
def space(python: Path | str, settings: dict[str, str], app: Path, port: int, **more: str) -> Iterator[str]:
    """Run the app as a Space does while the context lasts; yield its address, once it answers.

    Parameters
    ----------
    python : path or str
    settings : dict
        From `front_matter`.
    app : Path
        The folder with the files.
    port : int
        Spaces use 7860.
    **more
        Further settings of the Space, as environment variables.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SN_VIZ", "GRADIO", "SPACE", "PYTHON"))}
    home = app.parent / "home"
    home.mkdir(exist_ok=True)
    own = {"SPACE_ID": SPACE, "SPACE_HOST": HOST, "SYSTEM": "spaces", "HOME": str(home), "GRADIO_SERVER_NAME": "0.0.0.0"}
    named = {**clean, **own, "GRADIO_SERVER_PORT": str(port), "GRADIO_NUM_PORTS": "1", "GRADIO_ANALYTICS_ENABLED": "False", **more}
    with open(app.parent / "log.txt", "w", encoding="utf-8") as log:
        process = subprocess.Popen([python, settings["app_file"]], cwd=app, env=named, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield _answering(process, f"http://127.0.0.1:{port}", app.parent / "log.txt")
    finally:
        process.terminate()
        process.wait(30)


def _answering(process: subprocess.Popen, address: str, log: Path) -> str:
    for _ in range(4 * START_SECONDS):
        if process.poll() is not None:
            raise SystemExit(f"The app has ended:\n{log.read_text('utf-8')}")
        try:
            ask(address, "/")
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.25)
        else:
            return address
    raise SystemExit(f"No answer for {START_SECONDS} seconds:\n{log.read_text('utf-8')}")


def ask(address: str, path: str, host: str = HOST) -> str:
    """Return what is served under ``path`` to a visitor who comes by the Space's name."""
    headers = {"host": host, "x-forwarded-host": host, "x-forwarded-proto": "https"}
    with urllib.request.urlopen(urllib.request.Request(f"{address}{path}", headers=headers), timeout=60) as answer:
        return answer.read().decode("utf-8")


def look(address: str, settings: dict[str, str]) -> dict[str, object]:
    """Ask for the page, its settings and its files; return what a Space's log would be searched for.

    Raises
    ------
    SystemExit
        When the page is another than it should be, or somebody who comes by another name is answered.
    """
    page, config = ask(address, "/"), json.loads(ask(address, "/config"))
    sizes = {path: len(ask(address, path)) for path in ("/sn-viz/page.js", "/sn-viz/style.css", "/sn-viz/plotly.js")}
    try:
        ask(address, "/", "elsewhere.example")
        raise SystemExit("A visitor who came by another name was answered.")
    except urllib.error.HTTPError as error:
        refused = error.code
    checks = {
        "the title": config["title"] in page,
        "Gradio's version": config["version"] == settings["sdk_version"],
        "its own files": min(sizes.values()) > 1000,
        "another name refused": refused == 421,
        "the Space known": config["space_id"] == SPACE,
    }
    if not all(checks.values()):
        raise SystemExit(f"Not as it should be: {', '.join(name for name, holds in checks.items() if not holds)}.")
    return {"title": config["title"], "gradio": config["version"], "functions": len(config["dependencies"])}


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    """Do what the command line says, and print the facts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--resolve", action="store_true", help="only look whether the versions go together")
    parser.add_argument("--here", action="store_true", help="use the Python that runs this, and install nothing")
    parser.add_argument("--python", help="the Python to build with; by default the front matter's")
    parser.add_argument("--port", type=int, default=7860)
    asked = parser.parse_args()
    settings = front_matter((ROOT / "README.md").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if asked.resolve:
            found = resolve(settings, folder)
            shown = ", ".join(f"{name} {found[name]}" for name in ("gradio", "torch", "transformers", "numpy", "spaces"))
            print(f"Python {settings['python_version']}: {len(found)} packages go together, among them {shown}")
            return
        app = tracked_files(folder / "app")
        python: Path | str = sys.executable
        if not asked.here:
            began = time.perf_counter()
            python = build(settings, _python(asked.python, settings), app, folder / "venv")
            print(f"installed in {time.perf_counter() - began:.0f} s", flush=True)
        names = ("gradio", "torch", "transformers")
        versions = subprocess.run([python, "-c", VERSIONS, *names], check=True, capture_output=True, text=True).stdout
        print(", ".join(f"{name} {one}" for name, one in zip(names, json.loads(versions), strict=True)), flush=True)
        began = time.perf_counter()
        with space(python, settings, app, asked.port) as address:
            print(f"the page answered after {time.perf_counter() - began:.0f} s")
            print(json.dumps(look(address, settings)))


def _python(asked: str | None, settings: dict[str, str]) -> str:
    found = asked or shutil.which(f"python{settings['python_version']}")
    if found is None:
        raise SystemExit(f"There is no python{settings['python_version']} here. Install it, or name another with --python.")
    return found


if __name__ == "__main__":
    main()
