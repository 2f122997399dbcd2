"""The rows of growth: what stays flat and what grows with the number of files, their size, and the
clients of one transfer."""

import contextlib
import copy
import os
import shutil
import time

import client
import process
from bed import GIB, KIB, MIB, SHARED
from rows import Row, sampled_miss
from table import Line

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
SIZES = (4 * KIB, 64 * KIB, MIB, 16 * MIB, 256 * MIB, GIB, 8 * GIB)
CLIENTS = (1, 10, 50, 100, 200)
PAIR = ("ours", "static")

# wrk's requests: a random one of so many files.
RANDOM = """
local name = "/%02x/%d"
request = function()
    local i = math.random(0, {count} - 1)
    return wrk.format("GET", name:format(i % 256, i))
end
"""


def rows(bed):
    """Every row; each file is made when its row is reached, and removed with the next."""
    for count in COUNTS:
        yield files_in_cache(bed, count)
    shutil.rmtree(bed.setting.work / "many", ignore_errors=True)
    for size in SIZES:
        yield file_size(bed, size)
    for clients in CLIENTS:
        yield clients_of_one_transfer(bed, clients)


def files_in_cache(bed, count):
    """Random hits out of COUNT sparse files of 4 KiB; start time and memory of a new server."""
    other = copy.copy(bed.setting)
    other.files = bed.setting.work / "many"
    script = bed.setting.work / "random.lua"

    def prepare(column):
        if column == PAIR[0]:
            fill(other.files, count)
            script.write_text(RANDOM.format(count=count))
            os.sync()

    def measure(column):
        home, port = other.home(column), process.free_port()
        command = getattr(other, "make_" + column)(home, port, other.files)
        started, took = client.first_answer(command, port, "/00/0")
        started.terminate()
        started.wait()
        server = other.start(column, other.files)
        with contextlib.closing(Stopping(server)):
            swept = at_rest(server)
            bed.wrk(server, 64, script=script)  # the first pass reads directories from the disk
            hits = bed.wrk(server, 64, script=script)
            return {**hits, "rss": server.memory("VmRSS"), "start": took * 1e3, "swept": swept}

    lines = (
        Line("rate", "hits/s, 64 connections"),
        Line("rss", "MiB in use"),
        Line("start", "ms to the first answer"),
        Line("swept", "CPU s after start"),
    )
    return Row(f"{count:,} files in the cache", PAIR, lines, measure, prepare, rounds=3)


def at_rest(server):
    """Waits, for 60 seconds at most, until a new server does nothing more. Returns its CPU seconds."""
    deadline, used = time.monotonic() + 60, None
    while used != (used := server.cpu()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return used


class Stopping:
    """Closing it stops the server."""

    def __init__(self, server):
        self.close = server.stop


def fill(directory, count):
    """Makes DIRECTORY hold COUNT sparse files, in 256 directories."""
    directory.mkdir(exist_ok=True)
    for i in range(256):
        (directory / f"{i:02x}").mkdir(exist_ok=True)
    for i in range(count):
        name = directory / f"{i % 256:02x}" / str(i)
        with contextlib.suppress(FileExistsError):
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.truncate(file, 4 * KIB)
            os.close(file)


def file_size(bed, size):
    """Hits on one sparse file of SIZE bytes by one client."""
    file = (f"sparse-{size}.bin", size)

    def prepare(column):
        if column == PAIR[0]:
            for old in bed.setting.files.glob("sparse-*"):
                old.unlink()
            (bed.setting.files / file[0]).touch()
            os.truncate(bed.setting.files / file[0], size)
        client.load(bed.program("load"), bed.server(column).port, ["/" + file[0]], 1, size)

    def measure(column):
        server = bed.server(column)
        server.forget_peak()
        return {**bed.bodies(server, file, 1), "peak": server.memory("VmHWM")}

    text = f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB" if size >= MIB else f"{size // KIB} KiB"
    lines = (Line("rate", "GiB/s"), Line("peak", "MiB at most in use"))
    return Row(f"hits on a file of {text}", PAIR, lines, measure, prepare)


def clients_of_one_transfer(bed, clients):
    """CLIENTS ask at once for one file that nobody has."""
    lines = (
        Line("wall", "s"),
        Line("first", "ms to the first byte, median"),
        Line("cpu", "CPU s/GiB fetched"),
        Line("peak", "MiB at most in use"),
        Line("gets", "GETs at the origin"),
    )
    return Row(
        f"{clients} client{'s' if clients > 1 else ''}, one missing {SHARED[1] // MIB} MiB file",
        ("ours", "cache", "direct"),
        lines,
        lambda column: bed.misses(column, "tmpfs", SHARED, bed.new_paths(SHARED) * clients, clients),
        lambda column: sampled_miss(bed, column, "tmpfs", SHARED),
        rounds=3,
    )
