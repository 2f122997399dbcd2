"""The test bed: the files, the running servers, and what a measurement needs of them.

Every server of a run is up from the start; an idle one costs nothing. Where a figure needs a
server without a past (memory, start), `fresh` makes one.
"""

import contextlib
import copy
import os
import pathlib
import shutil
import time

import client

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

SMALL, MIDDLE, LARGE = ("small.tar.xz", 4 * KIB), ("middle.tar.xz", MIB), ("large.tar.xz", GIB)
MISS, SHARED, LINK = ("miss.tar.xz", 512 * MIB), ("shared.tar.xz", 256 * MIB), ("link.tar.xz", 40 * MIB)
LITTLE = ("little.tar.xz", 16 * KIB)
FILES = (SMALL, MIDDLE, LARGE, MISS, SHARED, LINK, LITTLE)

# How many times what a miss writes is touched before. With 1, rounds of one program took 0.35 or 1.4 s.
TOUCHED = 3

CACHES = ("ours", "cache", "squid", "original")


def make_files(directory):
    """Writes the files that are served, of random bytes."""
    directory.mkdir()
    for name, length in FILES:
        with open(directory / name, "wb") as out:
            while length:
                block = os.urandom(min(length, MIB))
                out.write(block)
                length -= len(block)


def contents(directory):
    """The files below DIRECTORY."""
    return {os.path.join(at, name) for at, _, names in os.walk(directory) for name in names}


class Bed:
    """The running servers, and the programs that load them."""

    def __init__(self, setting, tmpfs, rounds, seconds):
        self.setting = setting
        self.programs = setting.programs
        self.rounds = rounds
        self.seconds = seconds
        self.tmpfs = pathlib.Path(tmpfs)
        self.servers = {}
        self.stores = {}
        self.named = 0

    def start(self, column, place):
        """Starts a server that lasts for the whole run."""
        if column == "ours" and place == "disk":
            store = self.setting.files
        else:
            above = self.setting.work if place == "disk" else self.tmpfs
            store = above / f"store-{column}"
            store.mkdir()
        server = self.setting.start(column, store)
        self.servers[column, place] = server
        self.stores[column, place] = store
        return server

    def program(self, name):
        """The path of a client program."""
        if not self.setting.programs.get(name):
            raise client.ClientError(f"{name} is missing")
        return self.setting.programs[name]

    def stop(self):
        """Ends every server."""
        for server in self.servers.values():
            server.stop()
        self.servers.clear()

    def server(self, column, place="disk"):
        """The running server of a column; those that cache nothing run once."""
        return self.servers.get((column, place)) or self.servers[column, "disk"]

    @contextlib.contextmanager
    def fresh(self, column, connections=None):
        """A server over the same files that has done nothing yet, set up for so many clients."""
        setting = copy.copy(self.setting)
        setting.connections = connections or setting.connections
        server = setting.start(column, setting.files)
        try:
            yield server
        finally:
            server.stop()

    def verify(self, column, file, path=None, place="disk"):
        """Fails unless COLUMN answers with FILE's bytes."""
        path = path or "/" + file[0]
        client.verify(self.server(column, place).port, path, self.setting.files / file[0])

    def wrk(self, server, connections, kept=True, script=None, path="/" + SMALL[0]):
        """4 KiB hits for the run's seconds: answers per second, and CPU time for each."""
        before = server.cpu()
        hits = client.wrk(self.program("wrk"), server.port, path, connections, self.seconds, kept, script)
        return {"rate": hits.rate, "cpu": (server.cpu() - before) / hits.answers * 1e6}

    def bodies(self, server, file, clients):
        """FILE over and over by CLIENTS for the run's seconds: GiB per second, CPU s for each."""
        before = server.cpu()
        seen = client.load(self.program("load"), server.port, ["/" + file[0]], clients, file[1], self.seconds)
        size = seen.total / GIB
        return {"rate": size / seen.wall, "cpu": (server.cpu() - before) / size}

    def new_paths(self, file, count=1, under="any"):
        """Paths by which the origin knows FILE and no cache does."""
        self.named += 1
        return [f"/{under}/{self.named}/{i}-{file[0]}" for i in range(count)]

    def misses(self, column, place, file, paths, clients):
        """PATHS, which nobody has, once each: what load saw, and what it cost the server."""
        server = self.server(column, place)
        with self.emptied_after(column, place):
            self.touch_memory(file[1] * len(set(paths)))
            server.forget_peak()
            before = server.cpu()
            seen = client.load(self.program("load"), server.port, paths, clients, file[1])
            self.settle(column, place, paths)
            cpu = server.cpu() - before
            return {
                "wall": seen.wall,
                "rate": seen.answers / seen.wall,
                "cpu": cpu / (file[1] * len(set(paths)) / GIB),
                "each": cpu / len(set(paths)) * 1e6,
                "first": seen.first_median * 1e3,
                "worst": seen.first_worst * 1e3,
                "peak": server.memory("VmHWM"),
                "gets": self.origin_gets(set(paths)),
            }

    def touch_memory(self, size):
        """Has the kernel hold free memory at hand for SIZE bytes. A virtual machine's host takes back what is
        free (free page reporting); whoever writes there next pays a fault for each page, not his own doing.
        As much as is needed does not do: the kernel may hand out other pages than those just given back."""
        name = self.tmpfs / "touched"
        block = b"x" * MIB
        try:
            with open(name, "wb") as out:
                for _ in range(-(-TOUCHED * size // MIB)):
                    out.write(block)
        finally:
            name.unlink(missing_ok=True)

    def origin_gets(self, paths):
        """How many requests for PATHS the origin has logged."""
        log = self.setting.origin.log.parent / "access.log"
        with open(log, encoding="utf-8", errors="replace") as lines:
            return sum(1 for line in lines if line.strip() in paths)

    def settle(self, column, place, paths):
        """Waits, for 60 seconds at most, until our program has published PATHS, which it received."""
        store = self.stores.get((column, place))
        deadline = time.monotonic() + 60
        left = {path.lstrip("/") for path in paths} if column == "ours" else ()
        while left and time.monotonic() < deadline:
            left = {path for path in left if not (store / path).exists()}
            time.sleep(0.01 if left else 0)

    @contextlib.contextmanager
    def emptied_after(self, column, place):
        """Removes what a server stores meanwhile, and lets the disk come to rest."""
        store = self.stores.get((column, place))
        before = contents(store) if store else set()
        try:
            yield
        finally:
            for name in contents(store) - before if store else ():
                if "swap.state" not in name:
                    pathlib.Path(name).unlink(missing_ok=True)
            if store:
                shutil.rmtree(store / "any", ignore_errors=True)
                shutil.rmtree(store / "slow", ignore_errors=True)
            if place == "disk":
                os.sync()
