"""budgets.py - measures the program against its budgets and prints a table: what, ours, theirs, ratio, budget, verdict.

  budgets.py FOLDER_OF_PROGRAMS

Every row runs its two sides in turn (A B A B ...) and shows medians with the least and the most; the ratio is the median of
the ratios of the turns, so that a machine that becomes slower meanwhile slows both. Exit status 1 when a budget is missed,
2 when a side gave a wrong answer.
"""
import contextlib
import json
import os
import pty
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # beside the tests
sys.path.append(str(HERE.parent / "tests" / "integration"))
import browser  # noqa: E402: the one that the tests drive

NOOP = "version: 1\njobs:\n  - name: noop\n    kind: noop\n    matrix: {{i: 1..{}}}\n"
# The last job keeps the program there while it is looked at.
WATCHED = NOOP + "  - name: last\n    kind: sleep\n    args: {{duration: 60s}}\n"
TRUE = "version: 1\njobs:\n  - name: program\n    command: [/bin/true]\n    matrix: {{i: 1..{}}}\n"
SPIN = "version: 1\njobs:\n  - name: spin\n    kind: spin\n    args: {{duration: 20us}}\n    matrix: {{i: 1..{}}}\n"
NAPS = "version: 1\njobs:\n  - name: nap\n    kind: sleep\n    args: {{duration: 100ms}}\n    matrix: {{i: 1..{}}}\n"
# Adds up squares for about 200 us.
ADD = "version: 1\njobs:\n  - name: add\n    kind: sum_squares\n    args: {{n: 200000}}\n    matrix: {{i: 1..{}}}\n"
HEAD = "version: 1\njobs:\n"


def literally(text: str) -> str:
    """As a template that is filled with nothing."""
    return text.replace("{", "{{").replace("}", "}}")


def chain(jobs: int) -> str:
    """Each waits for the one before."""
    links = (f"  - {{name: j{i}, kind: noop, needs: [{f'j{i - 1}' if i else ''}]}}\n" for i in range(jobs))
    return literally(HEAD + "".join(links))


def fan(jobs: int) -> str:
    """All wait for the first, and the last for all."""
    return literally(HEAD + "  - {name: first, kind: noop}\n"
                     f"  - {{name: mid, kind: noop, needs: [first], matrix: {{i: 3..{jobs}}}}}\n"
                     "  - {name: last, kind: noop, needs: ['mid-*']}\n")


def diamonds(jobs: int) -> str:
    """Of four jobs each: one, two that wait for it, one that waits for both."""
    shape = (("a", ""), ("b", "'a-${{ i }}'"), ("c", "'a-${{ i }}'"), ("d", "'b-${{ i }}', 'c-${{ i }}'"))
    return literally(HEAD + "".join(f"  - {{name: '{name}-${{{{ i }}}}', kind: noop, matrix: {{i: 1..{jobs // 4}}}, needs: [{needs}]}}\n"
                                    for name, needs in shape))


class WrongAnswer(Exception):
    """A side did not do the work, so its time says nothing."""


@dataclass
class Row:
    what: str
    ours: Callable[[], float]
    theirs: Callable[[], float]
    budget: Optional[float] = None  # the largest ratio; None: for information
    turns: int = 5
    scale: float = 1e3
    unit: str = "ms"


class Ours:
    """The program under measurement, and the batch files it is given."""

    def __init__(self, programs: Path, folder: Path):
        self.programs = programs
        self.folder = folder

    def command(self, text: str, jobs: int, *options: str, recorded: bool = False) -> list:
        batch = self.folder / "jobs.yaml"
        batch.write_text(text.format(jobs))
        store = [] if recorded else ["--no-store"]
        return [self.programs / "runner", "--procs", "2", *store, "--progress", "none", *options, batch]

    def seconds(self, text: str, jobs: int, *options: str) -> Callable[[], float]:
        """The whole wall time of a run, output to /dev/null. Its answer is checked once, before."""
        results = self.folder / "results.jsonl"
        subprocess.run(self.command(text, jobs, "--results", str(results), *options), stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
        done = {result["job"] for result in map(json.loads, results.open()) if result["status"] == "ok"}
        if len(done) != jobs:
            raise WrongAnswer(f"{len(done)} of {jobs} jobs were done with {options}")

        def measure() -> float:
            command = self.command(text, jobs, *options)
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            return time.perf_counter() - began

        return measure

    def record(self, jobs: int) -> tuple:
        """The wall time of a run with a run store, and the peak resident memory of its master in MiB. What the store has is counted by
        another reader."""
        store = self.folder / "recorded.sqlite"
        for left in self.folder.glob("recorded.sqlite*"):
            left.unlink()
        command = self.command(NOOP, jobs, "--store", str(store), recorded=True)
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as master:
            _, status, used = os.wait4(master.pid, 0)
            master.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - began
        with contextlib.closing(sqlite3.connect(store)) as database:
            found = database.execute("SELECT count(*) FROM jobs WHERE status = 'ok'").fetchone()[0]
        if master.returncode != 0 or found != jobs:
            raise WrongAnswer(f"{found} of {jobs} outcomes were recorded")
        return took, used.ru_maxrss / 1024

    def taking(self, *words) -> Callable[[], float]:
        def measure() -> float:
            began = time.perf_counter()
            subprocess.run([self.programs / "runner", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            return time.perf_counter() - began

        return measure

    def reading(self, *words) -> Callable[[], float]:
        """Of the store that was recorded last."""
        return self.taking(*words, "--store", self.folder / "recorded.sqlite")

    def resuming(self, missing: int) -> Callable[[], float]:
        """A run of the recorded batch again, after so many of its outcomes were lost."""
        def measure() -> float:
            with contextlib.closing(sqlite3.connect(self.folder / "recorded.sqlite")) as database, database:
                database.execute("DELETE FROM jobs WHERE job % (SELECT count(*) / ? FROM jobs) = 0", (missing,))
            return self.reading("--resume", "--progress", "none", self.folder / "jobs.yaml")()

        return measure

    def page(self, jobs: int) -> Path:
        """The report of a run."""
        page = self.folder / "report.html"
        subprocess.run(self.command(NOOP, jobs, "--report", str(page)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        return page

    def opened(self, page: Path, jobs: int) -> float:
        """Seconds until a browser that is there already has loaded a report and painted its charts."""
        with contextlib.chdir(self.folder), browser.Browser() as window:
            began = time.perf_counter()
            window.open(page)
            window.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            took = time.perf_counter() - began
            if window.run("document.body.dataset.ready") != "yes" or f"Of {jobs:,} attempts".replace(",", " ") not in window.run("document.body.innerText"):
                raise WrongAnswer("the report is not of these jobs")
        return took

    def shown(self, style: str) -> float:
        """Seconds of processor time, the workers' included, of ten seconds of short sleeping jobs with that --progress on a terminal."""
        command = self.command(NAPS, 800, "--procs", "8", "--progress", style)
        screen, terminal = pty.openpty()
        drawn = []

        def look() -> None:
            with contextlib.suppress(OSError):  # it is closed at the other end
                while part := os.read(screen, 65536):
                    drawn.append(part)

        looking = threading.Thread(target=look)
        looking.start()
        with subprocess.Popen(command, stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal) as master:
            _, status, used = os.wait4(master.pid, 0)
            master.returncode = os.waitstatus_to_exitcode(status)
        os.close(terminal)
        looking.join()
        os.close(screen)
        if master.returncode != 0 or (style == "full") != (b"".join(drawn).count(b"w7  running") > 50):
            raise WrongAnswer(f"{command} did not draw what it should")
        return used.ru_utime + used.ru_stime

    def first_result(self, jobs: int) -> Callable[[], float]:
        return lambda: self.watch(jobs, 1)[0]

    def peak_memory(self, jobs: int, results: int) -> Callable[[], float]:
        return lambda: self.watch(jobs, results)[1]

    def watch(self, jobs: int, results: int) -> tuple:
        """Seconds to the first result, and the peak resident memory in MiB of the master after so many of them."""
        command = self.command(WATCHED, jobs)
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as master:
            try:
                first = master.stdout.readline()
                took = time.perf_counter() - began
                for _ in range(results - 1):
                    if not master.stdout.readline():
                        raise WrongAnswer(f"{command} ended early")
                if not first.startswith(b'{"job":"noop-'):
                    raise WrongAnswer(f"{command} began with {first!r}")
                status = Path(f"/proc/{master.pid}/status").read_text()
            finally:
                master.kill()
        return took, int(status.split("VmHWM:")[1].split()[0]) / 1024


def printed(*command) -> Callable[[], float]:
    """A program that times itself and prints the seconds."""
    return lambda: float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def bound_loops(loop: Path) -> float:
    """Two loops of one program at a time, each on a core of its own: no kernel moves a program between exec and exit."""
    cores = sorted(os.sched_getaffinity(0))[-2:]
    began = time.perf_counter()
    loops = [subprocess.Popen((loop, "1000", "1", "/bin/true"), stdout=subprocess.DEVNULL,
                              preexec_fn=lambda core=core: os.sched_setaffinity(0, {core})) for core in (cores[0], cores[-1])]
    if any([loop.wait() for loop in loops]):
        raise WrongAnswer("a bound loop failed")
    return time.perf_counter() - began


def rows(ours: Ours):
    pool = (sys.executable, HERE / "python_pool.py")
    noop = ours.seconds(NOOP, 100_000)
    million = ours.seconds(NOOP, 1_000_000)
    yield Row("100 000 noop, 2 processes, shm : Pool(2).imap_unordered", noop, printed(*pool, "jobs", "100000"), 1 / 10)
    yield Row("1 000 000 noop, each : 100 000, each", lambda: million() / 10, noop, 1.3)
    yield Row("100 000 noop, pipe : shm", ours.seconds(NOOP, 100_000, "--transport", "pipe"), noop)
    yield Row("100 000 noop, threads : shm", ours.seconds(NOOP, 100_000, "--mode", "threads"), noop)
    yield Row("100 000 noop, serial : shm", ours.seconds(NOOP, 100_000, "--mode", "serial"), noop)
    yield Row("50 000 x 20 us, 2 processes, ledger : without", ours.seconds(SPIN, 50_000, "--procs", "2"),
              ours.seconds(SPIN, 50_000, "--procs", "2", "--ledger", "off"), 1.01, turns=15)
    yield Row("1 000 000 noop, 2 processes, ledger : without", ours.seconds(NOOP, 1_000_000, "--procs", "2"),
              ours.seconds(NOOP, 1_000_000, "--procs", "2", "--ledger", "off"), 1.03, turns=11)
    for shape in (chain, fan, diamonds):
        many, few = ours.seconds(shape(100_000), 100_000), ours.seconds(shape(10_000), 10_000)
        yield Row(f"100 000 noop in a {shape.__name__.rstrip('s')}, each : 10 000, each", lambda many=many: many() / 10, few, 1.3)
    yield Row("100 000 noop in a fan : without needs", ours.seconds(fan(100_000), 100_000), noop, 1.3)
    yield Row("first result of 10 000 000 jobs : of 1 000", ours.first_result(10_000_000), ours.first_result(1_000), 1.5, turns=11)
    yield Row("peak memory, 500 000 of 10 000 000 done : 1 000 of 1 000", ours.peak_memory(10_000_000, 500_000),
              ours.peak_memory(1_000, 1_000), 1.1, scale=1, unit="MiB")
    # Budgets that are plain figures stand on the other side.
    yield Row("1 000 000 noop recorded : 300 000 a second", lambda: ours.record(1_000_000)[0], lambda: 1 / 0.3, 1)
    for what, reading in (("runs", ours.reading("runs")), ("show", ours.reading("show")),
                          ("one job shown", ours.reading("show", "noop-999999")),
                          ("exported as a job log", ours.reading("export", "-f", "joblog")),
                          ("exported as JSON lines", ours.reading("export")), ("resumed, 1 000 are missing", ours.resuming(1_000))):
        yield Row(f"a store of 1 000 000 jobs, {what} : 2 s", reading, lambda: 2.0, 1)
    yield Row("peak memory, 10 000 000 jobs recorded : 200 MiB", lambda: ours.record(10_000_000)[1], lambda: 200.0, 1, turns=1,
              scale=1, unit="MiB")
    page = ours.page(1_000_000)
    yield Row("the report of 1 000 000 jobs : 5 MB", lambda: page.stat().st_size / 1e6, lambda: 5.0, 1, turns=1, scale=1, unit="MB")
    if Path(browser.CHROMIUM).exists():
        yield Row("the report of 1 000 000 jobs opens : 2 s", lambda: ours.opened(page, 1_000_000), lambda: 2.0, 1)
    else:
        print(f"how soon a report opens is not measured: there is no browser {browser.CHROMIUM}")
    yield Row("CPU of the dashboard of 8 workers, 10 s : 1 %", lambda: ours.shown("full") - ours.shown("none"), lambda: 0.1, 1, turns=3)
    yield Row("compare config/compare.yaml, 3 repetitions : 90 s",
              ours.taking("compare", HERE.parent / "config" / "compare.yaml", "--repeat", "3"), lambda: 90.0, 1, turns=1,
              scale=1, unit="s")
    loop = ours.programs / "bench_spawn_loop"
    true = ours.seconds(TRUE, 2_000)
    yield Row("2 000 x /bin/true, 2 at a time : posix_spawn loop", true, printed(loop, "2000", "2", "/bin/true"), 1.1, turns=9)
    yield Row("the same : 2 loops of 1 000, each bound to a core", true, lambda: bound_loops(loop), turns=9)
    calls = "20000"
    yield Row("20 000 no-op submits : ProcessPoolExecutor(2)", printed(ours.programs / "bench_pool", "submit", calls),
              printed(*pool, "executor", calls), 1 / 50, turns=7)
    yield Row("4 000 x 200 us, 8 processes : 2", ours.seconds(ADD, 4_000, "--procs", "8"), ours.seconds(ADD, 4_000))
    for method, budget in (("fork", 1 / 4), ("spawn", 1 / 10)):
        yield Row(f"8 workers ready, {method} : Pool(8), {method}",
                  printed(ours.programs / "bench_start_workers", method, "8"), printed(*pool, "start", method), budget, turns=11)


def shown(values: list, scale: float, unit: str) -> str:
    median, least, most = (scale * value for value in (statistics.median(values), min(values), max(values)))
    digits = 1 if most < 1000 else 0
    return f"{median:.{digits}f} {unit} ({least:.{digits}f}-{most:.{digits}f})"


def measure(row: Row) -> bool:
    """Prints the row. False: its budget is missed."""
    ours, theirs = [], []
    for _ in range(row.turns):
        ours.append(row.ours())
        theirs.append(row.theirs())
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    kept = row.budget is None or ratio <= row.budget
    verdict = "" if row.budget is None else "kept" if kept else "MISSED"
    budget = "" if row.budget is None else f"{row.budget:.2f}"
    print(f"{row.what:<55} {shown(ours, row.scale, row.unit):>24} {shown(theirs, row.scale, row.unit):>26} "
          f"{ratio:>7.3f} {budget:>7} {verdict}", flush=True)
    return kept


def others() -> str:
    """What other work takes of the processors while we wait: above a few percent no verdict should be trusted."""
    def idle_and_all():
        times = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return times[3] + times[4], sum(times)

    idle, total = idle_and_all()
    time.sleep(1)
    idle_now, total_now = idle_and_all()
    return f"{100 * (1 - (idle_now - idle) / (total_now - total)):.0f} %"


def main() -> int:
    before = others()
    print(f"{'ours : theirs':<55} {'ours (least-most)':>24} {'theirs (least-most)':>26} {'ratio':>7} {'budget':>7} verdict")
    with tempfile.TemporaryDirectory(prefix="runner-bench-") as folder:
        try:
            verdicts = [measure(row) for row in rows(Ours(Path(sys.argv[1]).resolve(), Path(folder)))]
        except (WrongAnswer, subprocess.CalledProcessError) as wrong:
            print(f"wrong answer: {wrong}", file=sys.stderr)
            return 2
    missed = verdicts.count(False)
    print(f"{missed} of the budgets missed" if missed else "all budgets kept",
          f"(other work took {before} of the processors before, {others()} after)")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
