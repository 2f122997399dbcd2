#!/usr/bin/env python3
"""Measures package-cache beside nginx, squid, the original and a bare server, on the loopback
interface, and prints a Markdown table. Progress goes to standard error.

usage: bench.py [--growth] PROGRAM

Environment:
  BENCH_ROUNDS=5      rounds; each measures every column once, in turn, and begins with the next one
  BENCH_SECONDS=2     how long one measurement of hits lasts
  BENCH_ROWS=REGEX    only the rows whose name matches
  BENCH_COLUMNS=WORDS only these servers (ours, bare, static, fresh, cache, squid, original, direct)
  BENCH_OURS=PATH     another build in place of PROGRAM
  BENCH_ORIGINAL=PATH the program of package-cache 0.2, in Python
  BENCH_BUILD=1       time a clean release build as well
  BENCH_DIR=/var/tmp  where the files and the caches "on disk" are made, and removed again
"""

import datetime
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import bed as beds
import build
import client
import growth
import rows
import servers
import table

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ("ours", "bare", "static", "fresh", "cache", "squid", "original", "direct")
SIDE = ("squid", "original")  # slow, and no yardstick: measured in the first round only
DESCRIPTORS = 40000  # enough for 8000 idle connections

# What each program is for, and where it is to be had.
TOOLS = {
    "nginx": ("static, fresh, cache and the origin of all misses", "apt-get install nginx-light, emerge www-servers/nginx"),
    "wrk": ("every row of small hits", "apt-get install wrk, emerge app-benchmarks/wrk"),
    "cc": ("bare.c and load.c", "apt-get install gcc libc6-dev, emerge sys-devel/gcc"),
    "squid": ("squid", "apt-get install squid, emerge net-proxy/squid"),
}


def say(text):
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def find_programs(ours, work):
    """The programs to run, and a note for each that is missing."""
    found, notes = {"ours": ours}, []
    where = os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin"
    for name, (use, remedy) in TOOLS.items():
        found[name] = shutil.which(name, path=where)
        if not found[name]:
            notes.append(f"{name} is not installed, so without it: {use} ({remedy})")
    if found["cc"]:
        for name in ("bare", "load"):
            found[name] = str(work / name)
            command = [found["cc"], "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-pthread"]
            subprocess.run([*command, "-o", found[name], str(HERE / f"{name}.c")], check=True)
    found["original"] = os.environ.get("BENCH_ORIGINAL")
    if not found["original"]:
        notes.append("original is skipped: make a Python 3.11 venv, pip install package-cache==0.2 there,"
                     " and set BENCH_ORIGINAL=VENV/bin/package-cache")
    return found, notes


def raise_descriptors():
    """Takes as many descriptors as are to be had, for this process and the servers it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(hard, DESCRIPTORS), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def start_servers(bed):
    """Starts all that can be had. Returns a note for each that cannot."""
    notes = []
    needs_origin = ("cache", "squid", "original")
    program = {name: "nginx" for name in ("direct", "static", "fresh", "cache")}
    wanted = os.environ.get("BENCH_COLUMNS", " ".join(COLUMNS)).split()
    for unknown in set(wanted) - set(COLUMNS):
        sys.exit(f"BENCH_COLUMNS: no server {unknown!r}; name some of: {' '.join(COLUMNS)}")
    for column in ("direct", *(name for name in COLUMNS if name != "direct")):
        if column not in wanted and column != "direct":
            continue
        if not bed.programs.get(program.get(column, column)):
            continue
        if column in needs_origin and not bed.setting.origin:
            continue
        for place in ("disk", "tmpfs") if column in beds.CACHES else ("disk",):
            try:
                server = bed.start(column, place)
            except (RuntimeError, OSError, KeyError, subprocess.SubprocessError) as error:
                notes.append(f"{column} on {place} is skipped: {error}")
                continue
            if column == "direct":
                bed.setting.origin = server
    return notes


def measure(bed, row, notes):
    """The figures of one row: for each metric, for each column, one a round."""
    figures = {line.metric: {} for line in row.lines}
    columns = [name for name in row.columns if (name, "disk") in bed.servers]

    def attempt(column, act):
        try:
            return act(column)
        except (client.ClientError, RuntimeError, OSError) as error:
            notes.append(f"{row.work}, {column}: {error}")
            columns.remove(column)
            for values in figures.values():
                values.pop(column, None)
            return None

    for column in list(columns):
        attempt(column, row.verify)
    for turn in range(min(bed.rounds * row.times, row.rounds or sys.maxsize)):
        # Each is first in its turn: the first of a round may find caches and memory cold.
        first = turn % max(len(columns), 1)
        for column in [name for name in columns[first:] + columns[:first] if turn == 0 or name not in SIDE]:
            say(f"  {row.work}, round {turn + 1}: {column}")
            got = attempt(column, row.measure)
            for metric, values in figures.items():
                if got is not None and metric in got:
                    values.setdefault(column, []).append(got[metric])
    return figures


def version(*command):
    """The first line that a program says of its version."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return "unknown"
    return ((done.stdout or done.stderr).strip().splitlines() or ["unknown"])[0]


def facts(bed, work):
    """The machine and the programs, a line each."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    yield f"date: {datetime.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    yield f"machine: {cpu.group(1) if cpu else platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    yield f"kernel: {platform.system()} {platform.release()}"
    yield f"load at the start: {load_average()}"
    yield f"rounds: {bed.rounds} of {bed.seconds} s; descriptors: {bed.setting.descriptors}"
    yield f"disk: {file_system(work)}; tmpfs: {file_system(bed.tmpfs)}"
    programs = bed.programs
    yield f"ours: {version(programs['ours'], '--version')}"
    for name, option in (("nginx", "-v"), ("wrk", "-v"), ("squid", "-v"), ("cc", "--version")):
        if programs.get(name):
            yield f"{name}: {version(programs[name], option)}"
    if programs.get("original"):
        yield "original: package-cache 0.2"


def load_average():
    """The load averages of 1, 5 and 15 minutes."""
    return " ".join(f"{figure:.2f}" for figure in os.getloadavg())


def file_system(path):
    """The type of the file system that holds PATH."""
    return version("stat", "-f", "-c", "%T", str(path))


def report(bed, work, chosen, notes):
    """Runs the rows and prints the table, line by line as the figures come."""
    columns = [name for name in COLUMNS if (name, "disk") in bed.servers]
    for fact in facts(bed, work):
        print(f"* {fact}")
    print(f"\nMedians; ratios with their least and greatest over the rounds. One round of {' and '.join(SIDE)}.\n\n{table.heading(columns)}")
    for row in chosen:
        if not re.search(os.environ.get("BENCH_ROWS", ""), row.work):
            continue
        figures = measure(bed, row, notes)
        for line in row.lines:
            print(table.line_text(row.work, line, columns, figures[line.metric]), flush=True)
    print(f"\nLoad at the end: {load_average()}")
    if notes:
        print("\nWithout figures:\n")
        for note in notes:
            print(f"* {note}")


def run(ours, grow):
    """One whole run, in directories of its own."""
    rounds, seconds = (int(os.environ.get(name, default))
                       for name, default in (("BENCH_ROUNDS", 5), ("BENCH_SECONDS", 2)))
    above = os.environ.get("BENCH_DIR", "/var/tmp")
    with (tempfile.TemporaryDirectory(prefix="package-cache-bench.", dir=above) as work,
          tempfile.TemporaryDirectory(prefix="package-cache-bench.", dir="/dev/shm") as tmpfs):
        for directory in (work, tmpfs):
            os.chmod(directory, 0o755)  # squid has an account of its own
        work = pathlib.Path(work)
        programs, notes = find_programs(ours, work)
        setting = servers.Setting(programs, work, raise_descriptors())
        bed = beds.Bed(setting, tmpfs, rounds, seconds)
        say("making the files")
        beds.make_files(setting.files)
        try:
            notes += start_servers(bed)
            chosen = growth.rows(bed) if grow else [*rows.contract(bed), *build.rows()]
            report(bed, work, chosen, notes)
        finally:
            bed.stop()


def main():
    """Reads the command line and runs."""
    words = [word for word in sys.argv[1:] if word != "--growth"]
    ours = os.environ.get("BENCH_OURS") or (words[0] if len(words) == 1 else None)
    if not ours or not os.access(ours, os.X_OK):
        say(f"bench: no program at {ours}; run make first, or name one with BENCH_OURS")
        return 2
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]  # all of this is about loopback
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(os.path.abspath(ours), "--growth" in sys.argv)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
