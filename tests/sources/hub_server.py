"""A stand-in for the hub's data sets, on this machine: what the real client asks for, and nothing else."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def handler(name: str, files: Mapping[str, bytes], asked: list[str], gated: bool = False) -> type[BaseHTTPRequestHandler]:
    """Return what answers for the data set ``name`` with ``files``; paths that were asked for go into ``asked``."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            sent = self.rfile.read(length).decode()
            wanted = json.loads(sent)["paths"] if sent.startswith("{") else urllib.parse.parse_qs(sent).get("paths", [])
            asked.append(self.path)
            if not self.path.startswith(f"/api/datasets/{name}/paths-info/"):
                return self._send(404, b"{}")
            found = [self._entry(path) for path in wanted if path in files]
            folders = {path.rsplit("/", 1)[0] for path in files if "/" in path}
            found += [{"type": "directory", "path": path, "oid": COMMIT, "size": 0} for path in wanted if path in folders]
            self._send(200, json.dumps(found).encode())
            return None

        def _entry(self, path: str) -> dict:
            return {"type": "file", "path": path, "size": len(files[path]), "oid": COMMIT}

        def _listed(self, below: str) -> list[dict]:
            """Return what lies in a folder, and in the folders in it when all is asked for."""
            inside = [path for path in files if path.startswith(below)]
            if "recursive=true" in self.path.lower():
                return [self._entry(path) for path in inside]
            folders = {below + path.removeprefix(below).split("/")[0] for path in inside if "/" in path.removeprefix(below)}
            own = [self._entry(path) for path in inside if "/" not in path.removeprefix(below)]
            return own + [{"type": "directory", "path": path, "oid": COMMIT, "size": 0} for path in sorted(folders)]

        def _answer(self) -> None:
            path = urllib.parse.unquote(urllib.parse.urlparse(self.path).path)
            asked.append(path)
            api, resolve = f"/api/datasets/{name}", f"/datasets/{name}/resolve/{COMMIT}/"
            if gated and name in path:
                return self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
            if path.startswith(f"{api}/revision/") and path.rpartition("/")[2] not in ("main", COMMIT):
                return self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
                told = {"id": name, "sha": COMMIT, "private": False, "gated": False, "tags": [], "siblings": []}
                told["siblings"] = [{"rfilename": file} for file in files]
                return self._send(200, json.dumps(told).encode())
            if path.startswith(f"{api}/tree/{COMMIT}"):
                below = path.removeprefix(f"{api}/tree/{COMMIT}").strip("/")
                return self._send(200, json.dumps(self._listed(f"{below}/" if below else "")).encode())
            if path.startswith(resolve) and path.removeprefix(resolve) in files:
                return self._file(files[path.removeprefix(resolve)])
            self._send(404, b'{"error": "not found"}', {"X-Error-Code": "EntryNotFound" if resolve in path else "RepoNotFound"})
            return None

        def _file(self, data: bytes) -> None:
            wanted = self.headers.get("Range", "")
            more = {"ETag": '"0"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            if wanted.startswith("bytes="):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                stop = min(int(last or len(data) - 1), len(data) - 1)
                more["Content-Range"] = f"bytes {first}-{stop}/{len(data)}"
                return self._send(206, data[int(first) : stop + 1], more)
            self._send(200, data, more)
            return None

        def _send(self, status: int, data: bytes, more: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **(more or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def hub_with(name: str, files: Mapping[str, bytes], gated: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a hub that has one data set, and the list of what it is asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(name, files, asked, gated))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
