"""Two machines that can be parted: network namespaces with an address, a name and a Ray node each, one of which is cut off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [pytest.mark.kill, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
PORT = 6479
QUESTION = "Is it light?"
QUICK = {"period": 500, "timeout": 1000, "failure_threshold": 4, "initial_delay": 0}
"""Milliseconds and times in which Ray finds a machine gone; by default it takes half a minute."""

DRIVER = """
import hashlib, json, subprocess, sys
from pathlib import Path
from sn_viz import find
from sn_viz.engines.ray import RayEngine
folder, question, address, link, cut = sys.argv[1:]
was_cut, carried = [], []

def wire():
    return sum(int(Path(f"/sys/class/net/{link}/statistics/{way}_bytes").read_text()) for way in ("rx", "tx"))

def progress(fraction, doing):
    hands = engine._pool._hands if engine._pool else []
    if not was_cut and cut == "yes" and doing.startswith("Reading image") and fraction > 0.12:
        if len(engine._machines) == 2 and all(hand.doing for hand in hands):
            was_cut.append(doing)
            subprocess.run(["ip", "link", "set", link, "down"], check=True)

with RayEngine(address, threads=1) as engine:
    before = wire()
    run = find(folder, question, model="tiny-llava", device="cpu", compare="none", engine=engine, progress=progress)
    carried.append(wire() - before)
digest = hashlib.sha256(run.train_values.tobytes() + run.test_values.tobytes()).hexdigest()
told = {"engine": run.findings["engine"], "cut": was_cut, "values": digest, "wire": carried[0], "seconds": run.seconds}
found = {**json.loads(run.to_json()), "null_scores": run.null_scores.tolist(), "stability": run.findings["stability"]["again"]}
print("TOLD" + json.dumps({**told, "found": {name: found[name] for name in KEPT}}))
"""
KEPT = ("neurons", "exit_layer", "accuracy", "null", "null_scores", "stability", "n_train", "n_test")


def ip(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)


def why_not() -> str:
    """Return why no network namespaces can be made here; "" when they can."""
    if shutil.which("ip") is None:
        return "ip is not installed (iproute2)"
    name = f"sn-try-{os.getpid()}"
    made = ip("netns", "add", name, check=False)
    ip("netns", "del", name, check=False)
    return f"ip netns add: {made.stderr.strip()}" if made.returncode else ""


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Yield ``inside(which, *command)``, which begins a command on the first or the second of two linked machines."""
    if reason := why_not():
        pytest.skip(f"No network namespaces can be made: {reason}.")
    number = os.getpid() % 200
    names, links = [f"sn-{number}-{i}" for i in (1, 2)], [f"snv{number}{i}" for i in (1, 2)]
    addresses, begun = [f"10.213.{number}.{i}" for i in (1, 2)], []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "SN_VIZ_CACHE": "", "RAY_worker_niceness": "0"}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex, "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= {f"RAY_health_check_{name}{'' if 'threshold' in name else '_ms'}": str(value) for name, value in QUICK.items()}

    def inside(which: int, *command: str, **more: str) -> subprocess.Popen[str]:
        named = f'hostname machine-{which}; exec "$0" "$@"'
        whole = ["ip", "netns", "exec", names[which], "unshare", "--uts", "sh", "-c", named, *command]
        log = tmp_path_factory.mktemp("log") / "said.txt"
        with log.open("w") as file:
            one = subprocess.Popen(
                whole, stdout=file, stderr=subprocess.STDOUT, env={**environment, **more}, start_new_session=True
            )
        begun.append(one)
        one.log = log  # type: ignore[attr-defined]
        return one

    inside.links, inside.addresses, inside.names = links, addresses, names  # type: ignore[attr-defined]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", links[0], "type", "veth", "peer", "name", links[1])
        for name, link, address in zip(names, links, addresses, strict=True):
            ip("link", "set", link, "netns", name)
            ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            ip("-n", name, "link", "set", link, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield inside
    finally:
        for one in begun:
            if one.poll() is None:
                os.killpg(one.pid, signal.SIGKILL)
        for name in names:
            for process in ip("netns", "pids", name, check=False).stdout.split():
                os.kill(int(process), signal.SIGKILL)
            ip("netns", "del", name, check=False)


@pytest.fixture(scope="module")
def cluster(machines, tmp_path_factory):
    """Two Ray nodes, one a machine; returns the address of the first."""
    address = f"{machines.addresses[0]}:{PORT}"
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    places = [f"/tmp/sn{os.getpid()}{i}" for i in (1, 2)]  # paths of sockets must be short
    where = [[f"--node-ip-address={machines.addresses[i]}", f"--temp-dir={places[i]}"] for i in (0, 1)]
    machines(0, *ray, "--head", f"--port={PORT}", "--include-dashboard=false", *where[0])
    wait_for(machines, address, 1)
    machines(1, *ray, f"--address={address}", *where[1])
    wait_for(machines, address, 2)
    yield address
    for place in places:
        shutil.rmtree(place, ignore_errors=True)


def wait_for(machines, address: str, n_nodes: int) -> None:
    """Wait until the cluster has so many nodes."""
    code = "import ray, sys; ray.init(sys.argv[1], logging_level='ERROR'); print('NODES', sum(n['Alive'] for n in ray.nodes()))"
    said, end = "", time.monotonic() + 180
    while time.monotonic() < end:
        asked = machines(0, sys.executable, "-c", code, address)
        asked.wait(60)
        said = asked.log.read_text()
        if f"NODES {n_nodes}" in said:
            return
        time.sleep(1)
    pytest.fail(f"the cluster did not come to {n_nodes} nodes: {said[-1500:]}")


def find_on(machines, address: str, folder: Path, cache: Path, cut: bool) -> dict:
    """Run ``find`` on the first machine; returns what it told."""
    code = DRIVER.replace("KEPT", repr(KEPT))
    arguments = [str(folder), QUESTION, address, machines.links[0], "yes" if cut else "no"]
    one = machines(0, sys.executable, "-c", code, *arguments, SN_VIZ_CACHE=str(cache))
    one.wait(600)
    said = one.log.read_text()
    assert one.returncode == 0, said[-3000:]
    return json.loads(said.split("TOLD")[1].splitlines()[0])


@pytest.fixture(scope="module")
def alone(photographs, tmp_path_factory):
    """What one process finds, with one thread."""
    import hashlib

    from sn_viz import find

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SN_VIZ_CACHE", str(tmp_path_factory.mktemp("alone")))
        run = find(photographs(160), QUESTION, model="tiny-llava", device="cpu", compare="none")
    found = {**json.loads(run.to_json()), "null_scores": run.null_scores.tolist(), "stability": run.findings["stability"]["again"]}
    return {
        "values": hashlib.sha256(run.train_values.tobytes() + run.test_values.tobytes()).hexdigest(),
        "found": {name: found[name] for name in KEPT},
    }


def test_two_machines_and_one_that_is_cut_off_half_way_find_what_one_process_finds(machines, cluster, photographs, alone, tmp_path):
    whole = find_on(machines, cluster, photographs(160), tmp_path / "one", cut=False)
    assert whole["engine"]["workers"] == 2 and whole["engine"]["machines"] == 2 and whole["engine"]["lost"] == 0
    assert whole["values"] == alone["values"] and whole["found"] == alone["found"]
    parted = find_on(machines, cluster, photographs(160), tmp_path / "two", cut=True)
    assert parted["cut"] and parted["engine"]["lost"] >= 1
    assert parted["values"] == alone["values"] and parted["found"] == alone["found"]
    print(whole["engine"], whole["wire"], whole["seconds"], parted["engine"], parted["cut"], parted["seconds"])
