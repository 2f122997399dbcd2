"""The rows of the table, one function each: what is done, by whom, and what is to be reached."""

import dataclasses
import pathlib
import statistics
import typing

import client
import process
from bed import CACHES, GIB, KIB, LARGE, LINK, LITTLE, MIB, MIDDLE, MISS, SHARED, SMALL
from servers import LINK as LINK_RATE
from table import Line, at_least, at_most, under, within

FILE_SERVERS = ("ours", "bare", "static", "fresh", "cache", "squid")
ALL = (*FILE_SERVERS, "original")
MISSES = (*CACHES, "direct")


@dataclasses.dataclass
class Row:
    """One kind of work: MEASURE and VERIFY take a column's name."""

    work: str
    columns: tuple
    lines: tuple
    measure: typing.Callable  # to a figure for each metric of the lines
    verify: typing.Callable = lambda column: None
    rounds: typing.Optional[int] = None  # at most, where one round takes long
    times: int = 1  # as many rounds, where single ones scatter


def contract(bed):
    """Every row, in the order of the table."""
    yield small_hits(bed, 1, at_least(1.0, "static"))
    yield small_hits(bed, 2, at_least(1.5, "static"))
    for connections in (64, 512):
        yield small_hits(bed, connections, at_least(0.9, "static"), at_least(1.1, "fresh"), at_least(1.0, "cache"))
    yield new_connections(bed, 2)
    yield new_connections(bed, 32)
    yield large_hits(bed, LARGE, 1, f"{LARGE[1] // GIB} GiB hit, 1 client")
    yield large_hits(bed, LARGE, 4, f"{LARGE[1] // GIB} GiB hit, 4 clients")
    yield large_hits(bed, MIDDLE, 16, "1 MiB hits, 16 connections")
    for place in ("tmpfs", "disk"):
        yield large_miss(bed, place)
    for place, clients in (("tmpfs", 8), ("tmpfs", 1), ("disk", 8), ("disk", 1)):
        yield small_misses(bed, place, clients)
    for place in ("tmpfs", "disk"):
        yield shared_miss(bed, place)
    yield slow_reader_first(bed)
    yield after_start(bed)
    yield idle_connections(bed, 1000, under(6))
    yield idle_connections(bed, 5000, under(15))
    yield idle_connections(bed, max(5000, min(8000, most_connections(bed) - 64)))
    yield first_answer(bed)
    yield binary(bed)


def small_hits(bed, connections, *goals):
    """4 KiB hits on kept connections."""
    return Row(
        f"4 KiB hits, {connections} kept connection{'s' if connections > 1 else ''}",
        ALL if connections <= 2 else FILE_SERVERS,
        (Line("rate", "hits/s", goals), Line("cpu", "CPU µs a hit")),
        lambda column: bed.wrk(bed.server(column), connections),
        lambda column: warm(bed, column, SMALL),
    )


def new_connections(bed, connections):
    """4 KiB hits, each on a connection of its own."""
    return Row(
        f"4 KiB hits, a new connection each, {connections} at a time",
        ALL if connections <= 2 else FILE_SERVERS,
        (Line("rate", "hits/s", (at_least(0.95, "static"),)), Line("cpu", "CPU µs a hit")),
        lambda column: bed.wrk(bed.server(column), connections, kept=False),
        lambda column: warm(bed, column, SMALL),
    )


def large_hits(bed, file, clients, work):
    """Large files out of the cache."""
    return Row(
        work,
        ALL if clients == 1 else FILE_SERVERS,
        (
            Line("rate", "GiB/s", (at_least(1.0, "static"),)),
            Line("cpu", "CPU s/GiB", (at_most(1.0, "static"),)),
        ),
        lambda column: bed.bodies(bed.server(column), file, clients),
        lambda column: warm(bed, column, file),
        # One client's rate depends on the core that it runs on.
        times=8 if clients == 1 else 1,
    )


def warm(bed, column, file):
    """The second answer comes from the cache, and both are right."""
    bed.verify(column, file)
    before = bed.origin_gets({"/" + file[0]}) if bed.setting.origin else 0
    bed.verify(column, file)
    if bed.setting.origin and bed.origin_gets({"/" + file[0]}) != before:
        raise client.ClientError("not served from the cache")


def sampled_miss(bed, column, place, file):
    """A miss answered rightly, and the hit after it."""
    path = bed.new_paths(file)[0]
    with bed.emptied_after(column, place):
        bed.verify(column, file, path, place)
        bed.verify(column, file, path, place)
        bed.settle(column, place, [path])


def large_miss(bed, place):
    """One client, one large file that nobody has."""
    return Row(
        f"miss, {MISS[1] // MIB} MiB, cache on {place}",
        MISSES,
        (
            Line("wall", "s", (at_most(0.8, "cache"),)),
            Line("cpu", "CPU s/GiB", (at_most(1.0, "cache"),)),
            Line("first", "ms to the first byte", (within(1.0, "direct"),)),
            Line("peak", "MiB at most in use"),
        ),
        lambda column: bed.misses(column, place, MISS, bed.new_paths(MISS), 1),
        lambda column: sampled_miss(bed, column, place, MISS),
    )


def small_misses(bed, place, clients):
    """Many small files that nobody has."""
    # Enough for the clock of CPU time, which ticks a hundred times a second.
    count = 8000 if place == "tmpfs" else 1000
    rate, cpu = ((at_least(1.0, "cache"),), (at_most(1.0, "cache"),)) if place == "tmpfs" else ((), ())
    return Row(
        f"{count} misses of {LITTLE[1] // KIB} KiB, {clients} client{'s' if clients > 1 else ''}, cache on {place}",
        MISSES,
        (Line("rate", "files/s", rate), Line("each", "CPU µs a file", cpu), Line("worst", "ms, the longest wait")),
        lambda column: bed.misses(column, place, LITTLE, bed.new_paths(LITTLE, count), clients),
        lambda column: sampled_miss(bed, column, place, LITTLE),
    )


def shared_miss(bed, place):
    """Fifty clients ask for one file at once that nobody has."""
    clients = 50
    return Row(
        f"{clients} clients, one missing {SHARED[1] // MIB} MiB file, cache on {place}",
        MISSES,
        (
            Line("wall", "s", (at_most(0.55, "cache"), at_most(1.0, "direct"))),
            Line("gets", "GETs at the origin", (under(1),)),
            Line("first", "ms to the first byte, median", (under(8),)),
            Line("worst", "ms to the first byte, the last client"),
            Line("peak", "MiB at most in use", (under(10),)),
        ),
        lambda column: bed.misses(column, place, SHARED, bed.new_paths(SHARED) * clients, clients),
        lambda column: sampled_miss(bed, column, place, SHARED),
    )


def slow_reader_first(bed):
    """A client at 2 MiB/s has begun when a fast one asks for the same missing file."""
    def measure(column):
        path = bed.new_paths(LINK, under="slow")[0]
        server = bed.server(column, "tmpfs")
        with bed.emptied_after(column, "tmpfs"):
            with client.slow_reader(server.port, path, 2 * MIB):
                seen = client.load(bed.program("load"), server.port, [path], 1, LINK[1])
            bed.settle(column, "tmpfs", [path])
        return {"wall": seen.wall}

    return Row(
        f"slow reader first, fast one second, {LINK[1] // MIB} MiB over {LINK_RATE // MIB} MiB/s",
        MISSES,
        (Line("wall", "s for the fast one", (at_most(1.1, "direct"),)),),
        measure,
        lambda column: sampled_miss(bed, column, "tmpfs", LINK),
        rounds=2,
    )


def after_start(bed):
    """What a server takes that has done nothing yet."""
    def measure(column):
        with bed.fresh(column) as server:
            return {"rss": server.memory("VmRSS")}

    return Row("memory after start", ("ours", "bare", "static"), (Line("rss", "MiB", (under(3),)),), measure)


def most_connections(bed):
    """What our program serves at once: it keeps three descriptors in hand for each connection."""
    return (bed.setting.descriptors - 64) // 3


def idle_connections(bed, count, *goals):
    """Connections that have had an answer and keep still, and 64 busy ones beside them."""
    def measure(column):
        path = "/" + SMALL[0]
        with bed.fresh(column, 10000) as server, client.idle(server.port, path, SMALL[1], count):
            resident = server.memory("VmRSS")
            return {"rss": resident, **bed.wrk(server, 64)}

    def verify(_column):
        if count + 64 > most_connections(bed):
            raise client.ClientError(f"{bed.setting.descriptors} descriptors are too few; raise ulimit -n")

    return Row(
        f"{count} idle connections",
        ("ours", "bare", "static"),
        (Line("rss", "MiB in use", goals), Line("rate", "hits/s of 64 others")),
        measure,
        verify,
        rounds=3,
    )


def first_answer(bed):
    """From exec to the first answer."""
    def once(column):
        home, port = bed.setting.home(column), process.free_port()
        command = getattr(bed.setting, "make_" + column)(home, port, bed.setting.files)
        started, took = client.first_answer(command, port, "/" + SMALL[0])
        started.terminate()
        started.wait()
        return took * 1e3

    return Row(
        "start to first answer",
        ("ours", "bare", "static"),
        (Line("start", "ms", (at_most(1.0, "static"),)),),
        lambda column: {"start": statistics.median(once(column) for _ in range(9))},
    )


def binary(bed):
    """The program's size, as built (stripped)."""
    return Row(
        "binary",
        ("ours",),
        (Line("size", "KiB", (under(960),)),),
        lambda _column: {"size": pathlib.Path(bed.programs["ours"]).stat().st_size / KIB},
        rounds=1,
    )
