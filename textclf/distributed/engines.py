"""Who does the work: this process, processes of this machine, or a Dask cluster, by one contract.

An engine runs one job on many tasks and gives each result as it comes. What goes wrong with a task's data comes as the
task's outcome; a worker that is lost costs the time of its task, which another does again.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from textclf.errors import DataError, TextclfError, require_packages, spell
from textclf.storage.files import temporary_folder

if TYPE_CHECKING:
    from distributed import Client

_TRIES, _PAUSE = 40, 0.5  # seconds: how long a cluster that has lost workers is waited for

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SharedFile:
    """A file that every worker can open: at `path`, or, where workers are elsewhere, below a worker's own folder."""

    path: str
    is_shipped: bool = False

    def where(self) -> Path:
        """Return its path on the worker that asks."""
        if not self.is_shipped:
            return Path(self.path)
        from distributed import get_worker

        return Path(get_worker().local_directory) / self.path


class Engine(Protocol):
    """Runs jobs."""

    def share(self, path: Path, digest: str) -> SharedFile:
        """Make a file of this machine, of the SHA-256 `digest`, available to every worker, later ones included."""

    @property
    def workers(self) -> int:
        """How many tasks are worked on at a time."""

    def run(
        self, job: Callable[..., Result], tasks: Sequence[Task], given: object = None, *, stay: bool = False
    ) -> Iterator[tuple[Task, Result | TextclfError]]:
        """Give each task with `job(task)`, or `job(task, given)`, or with what is wrong with its data, in any order.

        With `stay` the same task goes to the same worker each time, as long as that lives: what it keeps is then there.
        An error that is no TextclfError ends the run.
        """


class Serial:
    """Runs one task after the other in this process."""

    def share(self, path: Path, digest: str) -> SharedFile:
        """Return the file as it is."""
        return SharedFile(str(path))

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def run(
        self, job: Callable[..., Result], tasks: Sequence[Task], given: object = None, *, stay: bool = False
    ) -> Iterator[tuple[Task, Result | TextclfError]]:
        """Give each task with its outcome, in order."""
        for task in tasks:
            yield task, _outcome(job, task, given)


class DaskEngine:
    """Runs tasks on the workers of a Dask cluster."""

    def __init__(self, client: "Client", *, same_machine: bool) -> None:
        self._client = client
        self._same_machine = same_machine

    def share(self, path: Path, digest: str) -> SharedFile:
        """Send the file to all workers, unless they are processes of this machine."""
        if self._same_machine:
            return SharedFile(str(path.resolve()))
        name = f"textclf-{digest}{path.suffix}"
        self._client.register_plugin(_shipping(name, path.read_bytes()))
        return SharedFile(name, is_shipped=True)

    @property
    def workers(self) -> int:
        """How many workers there are now."""
        return max(1, len(self._addresses()))

    def run(
        self, job: Callable[..., Result], tasks: Sequence[Task], given: object = None, *, stay: bool = False
    ) -> Iterator[tuple[Task, Result | TextclfError]]:
        """Give each task with its outcome, as it comes; leaving early cancels the rest."""
        from distributed import KilledWorker, as_completed

        sent = None if given is None else self._send(given)
        homes = self._addresses() if stay else []
        futures = {}
        for number, task in enumerate(tasks):
            home = {"workers": [homes[number % len(homes)]], "allow_other_workers": True} if homes else {}
            futures[self._client.submit(_outcome, job, task, sent, pure=False, **home)] = task
        try:
            for future in as_completed(futures, loop=self._client.loop):
                task = futures[future]
                try:
                    outcome = future.result()
                except KilledWorker as error:
                    outcome = DataError(
                        f"{spell(str(task))[:200]}: expected to be worked on, found that {error.allowed_failures + 1}"
                        " workers were lost at it. Is their memory enough?"
                    )
                future.release()
                yield task, outcome
        finally:
            self._client.cancel(list(futures))

    def _send(self, given: object) -> Any:  # noqa: ANN401 - a future of an optional package
        for _ in range(_TRIES):
            try:
                return self._client.scatter(given, broadcast=True, hash=False)
            except (OSError, TimeoutError):  # a worker was lost just now; the scheduler has yet to notice
                sleep(_PAUSE)
        raise TextclfError("the cluster: expected workers that take parameters, found none. Are they still running?")

    def _addresses(self) -> list[str]:
        return sorted(self._client.scheduler_info(n_workers=-1)["workers"])


def _outcome(job: Callable[..., Any], task: Any, given: Any) -> Any:  # noqa: ANN401 - the job's types
    try:
        return job(task) if given is None else job(task, given)
    except TextclfError as error:
        return error


def _shipping(name: str, content: bytes) -> Any:  # noqa: ANN401 - a class of an optional package
    from distributed import WorkerPlugin

    class Shipping(WorkerPlugin):  # type: ignore[misc] # the package is skipped by mypy
        """Writes a file into each worker's folder, also of workers that join later."""

        def __init__(self) -> None:
            self.name = name

        def setup(self, worker: Any) -> None:  # noqa: ANN401
            path = Path(worker.local_directory) / name
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.replace(path)

    return Shipping()


def _readying(*, same_terminal: bool) -> Any:  # noqa: ANN401 - a class of an optional package
    from distributed import WorkerPlugin

    class Readying(WorkerPlugin):  # type: ignore[misc] # the package is skipped by mypy
        """Lets each worker, also one that joins later, leave Ctrl-C to the command line.

        One of the `same_terminal` does not hear its Ctrl-C: this process does, and ends it.
        """

        name = "textclf-readying"

        def setup(self, worker: Any) -> None:  # noqa: ANN401
            if same_terminal and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Readying()


@contextmanager
def dask_engine(*, scheduler: str | None = None, workers: int | None = None) -> Iterator[DaskEngine]:
    """Give an engine on the cluster of a scheduler (tcp://host:port), or on so many processes of this machine.

    Raises TextclfError when Dask is not installed or the scheduler does not answer.
    """
    require_packages("--scheduler" if scheduler else "--workers", "dask", "distributed", extra="dask")
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout="20s", set_as_default=False)
        except (OSError, ValueError, ImportError) as error:
            raise TextclfError(
                f"--scheduler: expected a Dask scheduler at {scheduler}, found none ({spell(str(error))[:200]})."
            ) from error
        with client:
            client.register_plugin(_readying(same_terminal=False))
            yield DaskEngine(client, same_machine=False)
        return
    # A worker that is shot for its memory would be started again without end: the system's own limit stands.
    with (
        temporary_folder() as folder,
        dask.config.set({"distributed.worker.daemon": True, "temporary-directory": str(folder)}),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", memory_limit=0,
            silence_logs="CRITICAL",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        client.register_plugin(_readying(same_terminal=True))
        yield DaskEngine(client, same_machine=True)
