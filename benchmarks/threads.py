"""Which threads: tokens per second where nothing else runs, and where other processes are busy.

    python benchmarks/threads.py                           # both engines, ten runs of each
    python benchmarks/threads.py --engines llamacpp --busy 1 --runs 4

Each configuration is a process of its own. In turns, so that a machine whose speed drifts slows all alike,
each writes once while the machine is quiet, and once while others spin. A run ends after `--tokens` tokens
or `--seconds`, because what is to be seen here may be a hundred times as slow. The median and the worst of
the runs are printed, and the ratios of the medians to the default's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, NamedTuple

PROMPT = "Write a long story about a dragon who is afraid of heights.\n\n"


class Configuration(NamedTuple):
    """How an engine is loaded, and the environment it finds (OpenMP reads it when it is loaded)."""

    name: str
    threads: int | None = None
    environment: dict[str, str] = {}  # a NamedTuple's default, never changed


def configurations(spins: list[int]) -> list[Configuration]:
    cores = os.cpu_count() or 1
    fewer = sorted({1, max(1, cores // 2), max(1, cores - 1)})
    passive = {"OMP_WAIT_POLICY": "passive"}
    return [
        Configuration("default"),
        *(Configuration(f"{count} of {cores} cores", count) for count in fewer),
        *(
            Configuration(f"all cores, {spin:,} spins", cores, {"OMP_WAIT_POLICY": "", "GOMP_SPINCOUNT": str(spin)})
            for spin in spins
        ),
        Configuration("all cores, no spinning", cores, passive),
    ]


# -- one configuration -----------------------------------------------------------------------------------


def work(engine: str, threads: int | None, tokens: int, seconds: float) -> None:
    """A process of its own: load, warm up, and for each line on stdin write, and say how fast it was."""
    from backtrack_sampler import BacktrackSampler
    from backtrack_sampler.discovery import embedded_model, load_provider

    options: dict[str, Any] = {"threads": threads} if threads else {}
    if engine == "transformers":
        options["dtype"] = "bfloat16"
    provider = load_provider(embedded_model(), engine, **options)
    provider.eos_token_ids = frozenset()  # long texts are wanted, not good ones
    sampler = BacktrackSampler(provider)
    sampler.generate_text(PROMPT, max_new_tokens=8)
    print("ready", flush=True)
    for _ in sys.stdin:
        provider.reset()  # the same tokens again would be remembered
        count, started = 0, time.perf_counter()
        for count, _ in enumerate(sampler.generate(PROMPT, max_new_tokens=tokens, seed=1), 1):  # noqa: B007
            if time.perf_counter() - started > seconds:
                break
        print(count / (time.perf_counter() - started), flush=True)


class Worker:
    """A configuration's process. Between its turns it waits, and so do its threads."""

    def __init__(self, engine: str, configuration: Configuration, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--work", engine]
        command += ["--tokens", str(options.tokens), "--seconds", str(options.seconds)]
        if configuration.threads:
            command += ["--threads", str(configuration.threads)]
        environment = {key: value for key, value in (os.environ | configuration.environment).items() if value}
        self.process = subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)
        if self._answer() != "ready":
            raise SystemExit(f"{' '.join(command)} has failed")

    def speed(self) -> float:
        """Tokens per second of one text."""
        assert self.process.stdin is not None
        print("go", file=self.process.stdin, flush=True)
        return float(self._answer())

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many other processes that do nothing but spin."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in spinners:
            process.kill()
            process.wait()


# -- all of them -------------------------------------------------------------------------------


def rows_of(engine: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    workers = {each.name: Worker(engine, each, options) for each in configurations(options.spins)}
    quiet: dict[str, list[float]] = {name: [] for name in workers}
    loud: dict[str, list[float]] = {name: [] for name in workers}
    for turn in range(options.runs):
        for name, worker in workers.items():
            quiet[name].append(worker.speed())
        with busy(options.busy):
            for name, worker in workers.items():
                loud[name].append(worker.speed())
        print(f"\r{engine}: {turn + 1} of {options.runs} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for worker in workers.values():
        worker.process.kill()
    return [
        {
            "engine": engine, "threads": name, "quiet": statistics.median(quiet[name]), "quiet_worst": min(quiet[name]),
            "busy": statistics.median(loud[name]), "busy_worst": min(loud[name]),
        }
        for name in workers
    ]  # fmt: skip


def show(rows: list[dict[str, Any]], busy: int) -> None:
    print(
        f"\n| engine | threads | quiet: median | worst | {busy} busy: median | worst | quiet / default | busy / default |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        default = next(each for each in rows if each["engine"] == row["engine"])
        speeds = " | ".join(f"{row[key]:.1f}" for key in ("quiet", "quiet_worst", "busy", "busy_worst"))
        ratios = " | ".join(f"{row[key] / default[key]:.2f}" for key in ("quiet", "busy"))
        print(f"| {row['engine']} | {row['threads']} | {speeds} | {ratios} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="*", default=["llamacpp", "transformers"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument(
        "--spins", type=int, nargs="*", default=[1_000, 10_000, 300_000],
        help="how often a thread looks whether there is work before it sleeps; 300,000 is OpenMP's own number",
    )  # fmt: skip
    parser.add_argument("--busy", type=int, default=2, help="how many other processes spin (default 2)")
    parser.add_argument("--tokens", type=int, default=64, help="tokens a run at the most (default 64)")
    parser.add_argument("--seconds", type=float, default=6, help="seconds a run at the most (default 6)")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/threads.json"))
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.threads, options.tokens, options.seconds)
        return
    rows = []
    options.json.parent.mkdir(parents=True, exist_ok=True)
    for engine in options.engines:
        rows += rows_of(engine, options)
        result = {"machine": platform.processor() or platform.machine(), "busy": options.busy, "rows": rows}
        options.json.write_text(json.dumps(result, indent=1))  # one engine's are not lost with the other's
    show(rows, options.busy)
    print(f"\nwritten to {options.json}")


if __name__ == "__main__":
    main()
