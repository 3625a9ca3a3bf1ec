"""Many processes, on this machine or on all machines of a Ray cluster: the one file of the package that imports Ray.

The driver, which is the process that calls ``find``, cuts the work and hands it out; actors do it (`sn_viz.engines.worker`). What
they read and search lies in files of the cache folder, which all machines must see. A worker that is lost costs what it had in
hand: another one does the same jobs again, bit for bit.

A cluster trusts whoever reaches it: who can connect runs code on it. One that is started here listens on the loopback address alone
and has no dashboard.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sn_viz.engines import ENGINES
from sn_viz.engines.worker import (
    Block,
    Copy,
    Job,
    Kept,
    Lean,
    Null,
    Pass,
    Search,
    Setup,
    Worker,
    edges,
    pack,
    result_of,
    smallest,
)
from sn_viz.errors import UserError
from sn_viz.matrix import SharedFile, SharedFilling, shared_part
from sn_viz.models.options import dtype_name
from sn_viz.paths import PACKAGE, cache_folder
from sn_viz.search import stumps as here
from sn_viz.sources.later import PictureLater
from sn_viz.types import Neurons, Picture, Stumps

if TYPE_CHECKING:
    from sn_viz.activations.extract import Reading
    from sn_viz.activations.store import Store
    from sn_viz.matrix import Filling
    from sn_viz.models.vlm import Vlm

AT_A_WORKER = 2
"""Jobs that a worker has at a time: one it does, and the next, so that it waits for nobody. They are what its loss costs."""
TRIES = 3
"""A job that so many workers did not survive is at fault itself."""
START_SECONDS = 900.0
"""How long the first worker may take: a model of 15 GB has to come from somewhere."""
ANSWER_SECONDS = 10.0
"""How long a cluster may take to answer at its address."""
LOOK_SECONDS = 0.5
"""Between two looks at whether the run was cancelled."""
BLOCKS_A_WORKER = 2
"""Of neurons, in a search: with more of them less is lost with a worker, and more labels are sent."""
COPIED_AT_ONCE = 64
STORE_BYTES = 80 * 2**20
"""Ray's own object store, where Ray is started here: nothing large goes through it."""
EXTRA = "pip install 'sn-viz[ray]', or pip install -r requirements-ray.txt"


@ENGINES.register("ray")
def ray_engine(address: str | None = None, device: str | None = None) -> RayEngine:
    """Actors on a Ray cluster, or on this machine where no address is named."""
    _ray()  # that it is not installed, or nobody is there, is told before anything slow begins
    if address:
        _check_address(address)
    return RayEngine(address, device)


def start_here(n_processors: int, gpus: bool = True) -> None:
    """Start a cluster of this machine alone, which listens on the loopback address only; `end_here` ends it.

    Raises
    ------
    UserError
        When it does not start, or would listen elsewhere.
    """
    ray, more = _ray(), {} if gpus else {"num_gpus": 0}
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    place: dict[str, Any] = {"object_store_memory": STORE_BYTES, "_node_ip_address": "127.0.0.1"}
    try:
        with _on_loopback(), _findable():
            ray.init("local", num_cpus=n_processors, **place, **quiet, **more)
    except Exception as error:  # Ray raises many kinds, some of them its own
        cause = f"{type(error).__name__}: {str(error)[:300]}"
        raise UserError("Ray did not start.", cause, "Look at its log files, in /tmp/ray.") from error
    if any(node["NodeManagerAddress"] not in ("127.0.0.1", "::1") for node in ray.nodes()):
        ray.shutdown()
        raise UserError("Ray did not start.", "It would listen to other machines.", "Start it yourself, and name its address.")


def end_here() -> None:
    """End the cluster that this process started, or leave the one that it joined."""
    _ray().shutdown()


@dataclass
class Traffic:
    """Bytes that went through the driver."""

    jobs: int = 0
    """Jobs handed out, those handed out again included."""
    sent: int = 0
    """Jobs, packed."""
    received: int = 0
    """Results, packed."""
    pictures: int = 0
    """Pixels of pictures that only the driver had, written to the shared folder."""

    @property
    def total(self) -> int:
        return self.sent + self.received + self.pictures


class RayEngine:
    """Extraction and search on actors.

    Parameters
    ----------
    address : str, optional
        ``HOST:PORT`` of a cluster that this machine has joined, or "auto" for the one that was started on it; by default a cluster
        of this machine alone is started, and ended by `close`.
    device : str, optional
        "cpu" leaves GPUs alone; by default each actor has one, where the cluster has any.
    workers : int, optional
        How many actors at most; by default as many as the cluster has GPUs, or, without any, processors for.
    threads : int, optional
        Processors of an actor without a GPU; by default as many as torch uses here, so that numbers are those of the local engine.

    Attributes
    ----------
    traffic : Traffic
        What has gone through the driver so far.
    lost : int
        Workers that were lost so far.
    """

    def __init__(
        self, address: str | None = None, device: str | None = None, workers: int | None = None, threads: int | None = None
    ) -> None:
        self.address, self.device, self.workers, self._threads = address or None, device, workers, threads
        self.traffic, self.lost = Traffic(), 0
        self._pool: _Pool | None = None
        self._owns = False
        self._files: list[SharedFile] = []
        self._machines: tuple[str, ...] = ()
        self._most = 0

    # What the pipeline asks for

    def carrier(self, vlm: Vlm) -> _Carrier:
        """Return who carries out the passes of this model.

        Raises
        ------
        UserError
            When it cannot be loaded again elsewhere, or no worker can be had.
        """
        import sn_viz
        from sn_viz.activations.side_by_side import has_one_thread

        if not vlm.source:
            raise UserError(
                "This model cannot be spread over workers.", "It was made in memory.", "Save it as a folder, and name the folder."
            )
        if vlm.shared_out:
            raise UserError("A model shared out over devices is not spread over workers.", "Each would need them all.", "Use one.")
        self._connect()
        on_gpu = self.device != "cpu" and self._total("GPU") > 0
        options = replace(vlm.options, dtype=dtype_name(vlm.dtype), device_map="none")
        threads = 1 if has_one_thread(vlm) else self._n_threads()  # as in a process alone, for the last bits
        setup = Setup(vlm.source, options, "cuda" if on_gpu else "cpu", vlm.key, threads, sn_viz.__version__)
        if self._pool is None or self._pool.setup != setup:
            self._new_pool(setup, sum(one.nbytes for one in vlm.module.parameters()))
        return _Carrier(self, on_gpu)

    def find_stumps(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        rule: str = "best-split",
        metric: str = "balanced-accuracy",
        classes: Any = None,
        rows: np.ndarray | None = None,
    ) -> Stumps:
        """As `sn_viz.search.stumps.find_stumps`; values that lie in no shared file are searched in this process."""
        return self._searched(None, None, values, labels, rule, metric, classes, rows)

    def search_for_voters(self, neurons: Neurons, k: int) -> Callable[..., Stumps]:
        """Return a search whose result leaves out (score NaN) what is never among the ``k`` best up to any layer."""
        return partial(self._searched, k, tuple(neurons.up_to(layer) for layer in neurons.layers))

    def best_scores_under_null(
        self,
        values: np.ndarray,
        labels: np.ndarray,
        metric: str = "balanced-accuracy",
        rule: str = "best-split",
        n_labellings: int = 100,
        seed: int = 0,
        groups: np.ndarray | None = None,
    ) -> np.ndarray:
        """As `sn_viz.search.stumps.best_scores_under_null`."""
        blocks = self._blocks(values, labels)
        if not blocks:
            return here.best_scores_under_null(values, labels, metric, rule, n_labellings, seed, groups)
        few = None if groups is None else smallest(groups)
        jobs = [Null(*_block(one), metric, rule, n_labellings, seed, few) for one in blocks]
        found = dict(self._results(jobs))
        return np.fmax.reduce([found[i] for i in range(len(jobs))])  # fmax: a block without a defined neuron says nothing

    def told(self) -> dict[str, Any]:
        """Return how many workers there were, on which machines, what was lost, and what went through the driver."""
        if not self._most:
            return {}
        were = "was" if self.lost == 1 else "were"
        lost = f"; {self.lost} {were} lost on the way, and what was in hand was done again" if self.lost else ""
        there = f"{len(self._machines)} machine{'s' * (len(self._machines) != 1)}"
        return {
            "name": "ray",
            "workers": self._most,
            "machines": len(self._machines),
            "lost": self.lost,
            "bytes_through_driver": self.traffic.total,
            "sentence": f"Pictures were read and neurons searched by {self._most} workers on {there}{lost}.",
        }

    def close(self) -> None:
        """End the workers, the cluster if it was started here, and remove what was shared."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.end()
        for file in self._files:
            file.remove()
        self._files.clear()
        if self._owns:
            self._owns = False
            end_here()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # How it is done

    @property
    def processes(self) -> list[int]:
        """The numbers of the workers' processes, each on its machine."""
        return [hand.process for hand in self._pool._hands] if self._pool else []

    def wait(self) -> None:
        """Wait until every worker is ready, for whoever measures what comes then; work begins as soon as the first one is."""
        assert self._pool is not None, "there is a pool before there are workers"
        self._pool.wait()

    def shared_filling(self, shape: tuple[int, int], dtype: type[np.floating]) -> SharedFilling:
        """Return what workers fill; it goes when the engine is closed, but for the arrays that are mapped from it."""
        made = SharedFilling(cache_folder(), shape, dtype)
        self._files.append(made.file)
        return made

    def work(self, jobs: Sequence[Job | Callable[[], Job]]) -> Iterator[tuple[int, Any] | None]:
        """Have jobs done; yields (number, result) in the order in which they end, and None now and then.

        A job may be given as what makes it, which is called once, just before it is first sent.
        """
        assert self._pool is not None, "there is a pool before there are jobs"
        yield from self._pool.work(jobs)

    def _results(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Any]]:
        return (one for one in self.work(jobs) if one is not None)

    def _searched(
        self,
        k: int | None,
        ends: Sequence[int] | None,
        values: np.ndarray,
        labels: np.ndarray,
        rule: str = "best-split",
        metric: str = "balanced-accuracy",
        classes: Any = None,
        rows: np.ndarray | None = None,
    ) -> Stumps:
        blocks = self._blocks(values, labels)
        if not blocks:
            return here.find_stumps(values, labels, rule, metric, classes, rows)
        labels = np.asarray(labels)
        n_given = None if classes is None else int(classes) if isinstance(classes, int | np.integer) else len(classes)
        n_classes = max(2, n_given or int((labels if rows is None else labels[rows]).max()) + 1)
        first, few = blocks[0].start, None if rows is None else smallest(rows)
        jobs = []
        for one in blocks:
            inside = None if ends is None else tuple(min(max(first + end, one.start), one.stop) - one.start for end in ends)
            inside = () if inside is None else (*inside, one.stop - one.start)
            jobs.append(Search(*_block(one), rule, metric, n_given, few, k, tuple(sorted({end for end in inside if end}))))
        return _joined(dict(self._results(jobs)), jobs, n_classes)

    def _blocks(self, values: np.ndarray, labels: np.ndarray) -> list[Block]:
        """Return the neurons of a shared matrix in blocks; none for values that workers do not see, or labels that are refused."""
        part, labels = shared_part(values), np.asarray(labels)
        fit = labels.shape == values.shape[:1] and labels.dtype.kind in "iu" and labels.min(initial=0) >= 0
        if self._pool is None or part is None or not fit:
            return []
        (file, left), few = part, smallest(labels)
        cut = edges(values.shape[1], BLOCKS_A_WORKER * max(1, self._pool.n_wanted), file.width)
        return [Block(file, left + start, left + stop, few) for start, stop in cut]

    def _connect(self) -> None:
        ray = _ray()
        if ray.is_initialized():
            return
        if self.address is None:
            self._owns = True
            n_threads = self._n_threads()
            workers = self.workers or max(1, _cores() // n_threads)
            start_here(workers * n_threads, gpus=self.device != "cpu")
        else:
            _join(self.address)

    def _n_threads(self) -> int:
        if self._threads is None:
            from sn_viz.models.threads import n_threads

            self._threads = n_threads()
        return self._threads

    def _total(self, kind: str) -> float:
        return sum(node["Resources"].get(kind, 0) for node in _ray().nodes() if node["Alive"])

    def _new_pool(self, setup: Setup, n_bytes: int) -> None:
        if self._pool is not None:
            self._pool.end()
        gpu = setup.device == "cuda"
        need = {"num_cpus": 1 if gpu else setup.threads, "num_gpus": int(gpu), "memory": 0 if gpu else int(1.5 * n_bytes)}
        room = sum(_places(node["Resources"], need) for node in _ray().nodes() if node["Alive"])
        if not room:
            raise UserError(
                "No machine of the cluster has room for a worker.",
                f"One needs {_needs(need)}.",
                "Start Ray on a larger machine, or set OMP_NUM_THREADS lower.",
            )
        self._pool = _Pool(setup, need, min(room, self.workers or room), self)

    def noted(self, machine: str) -> None:
        """Note on which machine a worker is ready."""
        self._machines = tuple(dict.fromkeys((*self._machines, machine)))
        self._most = max(self._most, self._pool.n_ready if self._pool else 0)


class _Carrier:
    """Has passes carried out by workers; see `sn_viz.activations.extract.Carrier`."""

    def __init__(self, engine: RayEngine, on_gpu: bool) -> None:
        from sn_viz.activations.extract import BATCH_ON_CPU, BATCH_ON_GPU

        self._engine = engine
        self.batch_size: int | None = BATCH_ON_GPU if on_gpu else BATCH_ON_CPU

    def filling(self, shape: tuple[int, int], dtype: type[np.floating]) -> Filling:
        return self._engine.shared_filling(shape, dtype)

    def known(self, cache: Store, keys: Sequence[str], names: Sequence[str], filling: Filling) -> Iterator[str]:
        """Have the rows that the store holds copied into the matrix; what turns out to be damaged is not among the names."""
        from sn_viz.activations.extract import rows_by_name

        where = {name: tuple(rows) for name, rows in rows_by_name(names).items() if any(cache.has(key, name) for key in keys)}
        there, file = list(where), _file_of(filling)
        parts = [there[start : start + COPIED_AT_ONCE] for start in range(0, len(there), COPIED_AT_ONCE)]
        root = str(cache.root.absolute())
        jobs = [
            Copy(root, tuple(keys), tuple(map(bytes.fromhex, some)), file, tuple(where[name] for name in some)) for some in parts
        ]
        for done in self._engine.work(jobs):
            if done is not None:
                yield from (name for number, name in enumerate(parts[done[0]]) if number not in done[1])

    def carry_out(self, reading: Reading, filling: Filling, cache: Store | None) -> Iterator[list[int]]:
        """Have the passes carried out; yields their rows, and nothing now and then."""
        file, root = _file_of(filling), None if cache is None else cache.root.absolute()
        if root is not None:
            root.mkdir(parents=True, exist_ok=True)
        kept: dict[int, list[Path]] = {}

        def job(number: int, rows: list[int]) -> Pass:
            """Return one pass; pictures that only this process has are put where workers see them until it is done."""
            pictures, kept[number] = [], []
            for one in (reading.pictures[row] for row in rows):
                found = one.reference() if isinstance(one, PictureLater) else None
                if found is None:
                    found = self._kept(one)
                    kept[number].append(Path(found.path))
                pictures.append(found)
            asked = tuple(reading.questions[row] for row in rows)
            place = file, tuple(rows), None if root is None else str(root)
            return Pass(tuple(pictures), asked, reading.last, reading.sites, reading.parts, *place)

        jobs = [partial(job, number, rows) for number, rows in enumerate(reading.groups)]
        try:
            for done in self._engine.work(jobs):
                if done is None:
                    yield []
                    continue
                for path in kept.pop(done[0]):
                    path.unlink(missing_ok=True)
                yield list(reading.groups[done[0]])
        finally:
            for path in (path for paths in kept.values() for path in paths):
                path.unlink(missing_ok=True)
        if cache is not None and reading.groups:
            cache.bound()

    def _kept(self, picture: Picture) -> Kept:
        """Write the pixels of a picture to the shared folder."""
        path = cache_folder().absolute() / f"picture-{uuid.uuid4().hex}.shared"
        try:
            with open(path, "xb") as file:
                np.save(file, picture.pixels, allow_pickle=False)
        except OSError as error:
            hint = "Free some space, or let SN_VIZ_CACHE name a folder on another disk."
            raise UserError(
                "A picture could not be handed to the workers.", f"The file system says: {error.strerror}.", hint
            ) from error
        self._engine.traffic.pictures += picture.pixels.nbytes
        return Kept(str(path), bytes.fromhex(picture.sha256))


@dataclass(eq=False)
class _Hand:
    """One worker, as the driver sees it."""

    actor: Any
    starting: Any
    """The call that loads the model; None once it has ended."""
    process: int = 0
    """Its number on its machine."""
    doing: list[int] = field(default_factory=list)


class _Pool:
    """Workers that are alike, replaced when they are lost."""

    def __init__(self, setup: Setup, need: dict[str, int], n_wanted: int, engine: RayEngine) -> None:
        self.setup, self.n_wanted = setup, n_wanted
        self._engine, self._need = engine, need
        self._actor = _ray().remote(Worker).options(**need, max_restarts=0, max_task_retries=0)
        self._hands = [self._hand() for _ in range(n_wanted)]
        self._began = time.monotonic()

    @property
    def n_ready(self) -> int:
        return sum(hand.starting is None for hand in self._hands)

    def end(self) -> None:
        """End all workers."""
        for hand in self._hands:
            _kill(hand.actor)
        self._hands = []

    def work(self, jobs: Sequence[Job | Callable[[], Job]]) -> Iterator[tuple[int, Any] | None]:
        """See `RayEngine.work`."""
        ray, waiting, tries = _ray(), deque(range(len(jobs))), Counter[int]()
        packed: dict[int, bytes] = {}
        flying: dict[Any, tuple[int, _Hand]] = {}
        left = len(jobs)
        try:
            while left:
                self._hand_out(jobs, waiting, packed, flying)
                calls = [*flying, *(hand.starting for hand in self._hands if hand.starting is not None)]
                ready, _ = ray.wait(calls, num_returns=1, timeout=LOOK_SECONDS)
                for call in ready:
                    if call not in flying:
                        self._started(call, waiting, flying, tries)
                        continue
                    number, hand = flying.pop(call)
                    try:
                        answer = ray.get(call)
                    except ray.exceptions.RayActorError:
                        waiting.appendleft(number)
                        self._lost(hand, waiting, flying, tries, number)
                        continue
                    hand.doing.remove(number)
                    self._engine.traffic.received += len(answer)
                    left -= 1
                    packed.pop(number, None)
                    yield number, result_of(answer)
                if not ready:
                    self._look()
                    yield None
        finally:
            for hand in self._hands:
                hand.doing.clear()  # whoever stops here asks for nothing more; what is under way ends by itself

    def wait(self) -> None:
        """See `RayEngine.wait`."""
        while starting := [hand.starting for hand in self._hands if hand.starting is not None]:
            for call in _ray().wait(starting, num_returns=1, timeout=LOOK_SECONDS)[0]:
                self._started(call, deque(), {}, Counter())
            self._look()

    def _hand(self) -> _Hand:
        actor = self._actor.remote(self.setup)
        return _Hand(actor, actor.ready.remote())

    def _hand_out(
        self,
        jobs: Sequence[Job | Callable[[], Job]],
        waiting: deque[int],
        packed: dict[int, bytes],
        flying: dict[Any, tuple[int, _Hand]],
    ) -> None:
        """Give jobs to those who have fewest, so that all have one before any has two."""
        for most in range(1, AT_A_WORKER + 1):
            for hand in self._hands:
                if not waiting or hand.starting is not None or len(hand.doing) >= most:
                    continue
                number = waiting.popleft()
                if number not in packed:
                    job = jobs[number]
                    packed[number] = pack(job() if callable(job) else job)
                self._engine.traffic.jobs += 1
                self._engine.traffic.sent += len(packed[number])
                hand.doing.append(number)
                flying[hand.actor.do.remote(packed[number])] = number, hand

    def _started(self, call: Any, waiting: deque[int], flying: dict[Any, tuple[int, _Hand]], tries: Counter[int]) -> None:
        ray = _ray()
        hand = next((hand for hand in self._hands if hand.starting == call), None)
        if hand is None:
            return
        try:
            machine, hand.process = result_of(ray.get(call))
        except ray.exceptions.RayActorError:
            self._lost(hand, waiting, flying, tries, None)
            return
        hand.starting, self._began = None, time.monotonic()
        self._engine.noted(machine)

    def _lost(
        self, hand: _Hand, waiting: deque[int], flying: dict[Any, tuple[int, _Hand]], tries: Counter[int], number: int | None
    ) -> None:
        """Take back what a lost worker had in hand, the job it was at first, and begin another worker."""
        if hand not in self._hands:
            return
        self._engine.lost += 1
        for call, (other, whose) in list(flying.items()):
            if whose is hand:
                del flying[call]
                waiting.append(other)
        at_fault = hand.doing[0] if hand.doing else number
        if at_fault is not None:
            tries[at_fault] += 1
            if tries[at_fault] >= TRIES:
                raise UserError(
                    "A part of the work ended every worker that tried it.",
                    f"{TRIES} workers were lost at it, as happens when memory runs out.",
                    "Give each worker more memory: use fewer of them on a machine.",
                )
        elif self._engine.lost > TRIES * self.n_wanted:
            raise UserError("Workers end before they can begin.", f"{self._engine.lost} were lost.", "Look at Ray's own log files.")
        _kill(hand.actor)
        self._hands[self._hands.index(hand)] = self._hand()

    def _look(self) -> None:
        """Give up when for long no worker was ready."""
        if self.n_ready:
            self._began = time.monotonic()
        elif time.monotonic() - self._began > START_SECONDS:
            raise UserError(
                "No worker began.",
                f"In {START_SECONDS:.0f} s the cluster gave none of {_needs(self._need)}, or the model was not loaded.",
                "See what else runs on the cluster: ray status.",
            )


def _joined(found: dict[int, tuple[np.ndarray | None, Lean]], jobs: Sequence[Search], n_classes: int) -> Stumps:
    """Return the stumps of all blocks as one search would have returned them; those that were left out have the score NaN."""
    classes = np.array([1] if n_classes == 2 else range(n_classes), np.int16)
    sizes = [(job.stop - job.start) * len(classes) for job in jobs]
    at, total = np.concatenate([[0], np.cumsum(sizes)]), sum(sizes)
    threshold, margin = np.zeros(total, np.float32), np.zeros(total, np.float32)
    sign, score = np.ones(total, np.int8), np.full(total, np.nan, np.float32)
    for i in range(len(jobs)):
        kept, stumps = found[i]
        where = slice(at[i], at[i + 1]) if kept is None else at[i] + kept
        threshold[where], sign[where], score[where] = stumps.threshold, stumps.sign, stumps.score
        margin[where] = stumps.margin
    n_neurons = total // len(classes)
    neuron, class_index = np.repeat(np.arange(n_neurons, dtype=np.int64), len(classes)), np.tile(classes, n_neurons)
    return Stumps(neuron, class_index, threshold, sign, score, margin)


def _block(block: Block) -> tuple[SharedFile, int, int, np.ndarray]:
    return block.matrix, block.start, block.stop, block.labels


def _file_of(filling: Filling) -> SharedFile:
    assert isinstance(filling, SharedFilling), "a carrier is given its own filling"
    return filling.file


def _places(resources: dict[str, float], need: dict[str, int]) -> int:
    """Return for how many workers a machine has room."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return int(min(resources.get(names[kind], 0) // n for kind, n in need.items() if n))


def _needs(need: dict[str, int]) -> str:
    """Say what a worker needs."""
    parts = [f"{need['num_cpus']} processor{'s' * (need['num_cpus'] != 1)}"]
    parts += ["a GPU"] * bool(need["num_gpus"])
    parts += [f"{need['memory'] / 2**30:.1f} GiB of memory"] * bool(need["memory"])
    return " and ".join(parts)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ray() -> Any:
    """Return Ray, imported on first use, which tells nobody that it is used.

    Raises
    ------
    UserError
        When it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UserError("The engine ray needs Ray.", "It is not installed.", f"Install it: {EXTRA}.") from error
    return ray


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let Ray take the loopback address for this machine's: on Linux it looks for one that others reach, whatever it is told."""
    from ray._private import ray_constants

    name = "ENABLE_RAY_CLUSTER"
    before = getattr(ray_constants, name, None)
    setattr(ray_constants, name, False)
    try:
        yield
    finally:
        setattr(ray_constants, name, before)


def _join(address: str) -> None:
    """Join the cluster at an address.

    Raises
    ------
    UserError
        When there is none, or this machine is not part of it.
    """
    _check_address(address)
    try:
        _ray().init(address, namespace=f"sn_viz-{uuid.uuid4().hex}", log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises many kinds, some of them its own
        said = str(error).splitlines()[0][:300] if str(error) else "it gave no reason"
        raise _not_joined(address, f"{type(error).__name__}: {said}.") from error


@contextlib.contextmanager
def _findable() -> Iterator[None]:
    """Let processes that begin meanwhile find this package, which may lie where only this process looks."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE.parent), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _check_address(address: str) -> None:
    """Refuse an address where nobody listens: Ray itself would ask for minutes."""
    if "://" in address:
        raise UserError(
            f"{address!r} is the address of a Ray Client.",
            "The driver has to be on a machine of the cluster.",
            "Run there, with --ray-address auto.",
        )
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise _not_joined(address, "It is not HOST:PORT.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        raise _not_joined(address, f"Nobody answers there: {error.strerror or error}.") from error


def _not_joined(address: str, cause: str) -> UserError:
    hint = "Start Ray on this machine: ray start --head, or ray start --address=HOST:PORT of a cluster; then --ray-address auto."
    return UserError(f"No Ray cluster was joined at {address!r}.", cause, hint)


def _kill(actor: Any) -> None:
    ray = _ray()
    if not sys.is_finalizing() and ray.is_initialized():
        with contextlib.suppress(Exception):  # it may have ended before, with its machine
            ray.kill(actor)
