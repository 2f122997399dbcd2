"""The clients: what sends requests, and how answers are verified.

wrk counts small hits; load.c fetches whole bodies; idle and slow clients are plain sockets here.
Every function fails (ClientError) rather than give a figure for answers that were not right.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import re
import socket
import subprocess
import threading
import time

HOST = "127.0.0.1"
PATIENCE = 300  # seconds that any one measurement may take


class ClientError(Exception):
    """Answers were wrong or missing; there is no figure."""


def get(port, path):
    """The status, length and SHA-256 of one answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    digest, length = hashlib.sha256(), 0
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        while block := answer.read(1 << 20):
            digest.update(block)
            length += len(block)
    finally:
        connection.close()
    return answer.status, length, digest.hexdigest()


def verify(port, path, file):
    """Fetches PATH and compares it with FILE, byte for byte by their digests."""
    with open(file, "rb") as content:
        expected = 200, file.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()
    try:
        got = get(port, path)
    except (OSError, http.client.HTTPException) as error:
        raise ClientError(f"{path}: {error!r}") from error
    if got != expected:
        raise ClientError(f"{path}: got {got}, expected {expected}")


@dataclasses.dataclass
class Hits:
    """What wrk saw."""

    rate: float  # answers per second
    answers: int


def wrk(program, port, path, connections, seconds, kept=True, script=None):
    """Asks for PATH over and over; with KEPT false each request has a new connection."""
    command = [program, "-t", str(min(connections, 2)), "-c", str(connections), "-d", f"{seconds}s"]
    if not kept:
        command += ["-H", "Connection: close"]
    if script:
        command += ["-s", str(script)]
    command.append(f"http://{HOST}:{port}{path}")
    out = run(command)
    for trouble in ("Socket errors", "Non-2xx"):
        found = re.search(rf"{trouble}.*", out)
        if found and re.search(r"[1-9]", found.group().replace("Non-2xx or 3xx", "")):
            raise ClientError(f"wrk: {found.group()}")
    rate = re.search(r"Requests/sec: *([\d.]+)", out)
    answers = re.search(r"(\d+) requests in", out)
    if not rate or not answers or answers.group(1) == "0":
        raise ClientError(f"wrk: {out[-200:]}")
    return Hits(float(rate.group(1)), int(answers.group(1)))


@dataclasses.dataclass
class Bodies:
    """What load.c saw; times in seconds."""

    wall: float
    answers: int
    total: int  # bytes
    first_median: float
    first_worst: float


def load(program, port, paths, clients, length, seconds=0):
    """Fetches PATHS, once each or, with SECONDS, over and over for that long."""
    command = [program, str(port), str(clients), str(seconds), str(length)]
    wall, answers, total, median, worst = run(command, "\n".join(paths)).split()
    return Bodies(float(wall), int(answers), int(total), float(median), float(worst))


def run(command, text=None):
    """The output of a client program."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            input=text, capture_output=True, text=True, timeout=PATIENCE, check=True,
        )
    except subprocess.CalledProcessError as error:
        raise ClientError((error.stderr or error.stdout).strip()[-200:]) from error
    except subprocess.TimeoutExpired as error:
        raise ClientError(f"not done after {PATIENCE} s") from error
    return done.stdout


def ask(port, path, receive_buffer=None):
    """A connection on which PATH has been asked for."""
    s = socket.socket()
    s.settimeout(60)
    try:
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.connect((HOST, port))
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode())
    except OSError as error:
        s.close()
        raise ClientError(f"{path}: {error}") from error
    return s


@contextlib.contextmanager
def idle(port, path, length, count):
    """COUNT connections that have each had one answer and now keep still."""
    held = []
    try:
        for _ in range(count):
            s = ask(port, path)
            held.append(s)
            read_answer(s, length)
        yield held
        lost = sum(1 for s in held if not alive(s))
        if lost:
            raise ClientError(f"{lost} of {count} idle connections were closed")
    finally:
        for s in held:
            s.close()


def read_answer(s, length):
    """Reads one answer with a body of LENGTH bytes."""
    got = b""
    while b"\r\n\r\n" not in got or len(got) - got.index(b"\r\n\r\n") - 4 < length:
        try:
            block = s.recv(65536)
        except OSError as error:
            raise ClientError(f"no answer: {error}") from error
        if not block:
            raise ClientError("connection closed before the answer's end")
        got += block


def alive(s):
    """Whether the server has left the idle connection S open."""
    s.setblocking(False)
    try:
        return s.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def slow_reader(port, path, rate):
    """A client that has had the first byte of PATH and reads on at RATE bytes per second."""
    stop = threading.Event()
    s = ask(port, path, receive_buffer=64 << 10)
    try:
        s.recv(1)
    except OSError as error:
        s.close()
        raise ClientError(f"{path}: {error}") from error

    def read():
        with contextlib.suppress(OSError):
            while not stop.is_set() and s.recv(rate // 20):
                time.sleep(0.05)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield
    finally:
        stop.set()
        reader.join(60)
        s.close()


def first_answer(command, port, path):
    """Starts COMMAND and asks it for PATH. Returns the process and the seconds to its answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench.example\r\n\r\n".encode()
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while time.perf_counter() - began < 20:
        with socket.socket() as s:
            s.settimeout(20)
            try:
                s.connect((HOST, port))
                s.sendall(request)
                answered = s.recv(65536)
            except OSError:
                continue
            took = time.perf_counter() - began
            if answered.startswith(b"HTTP/1.1 200"):
                return process, took
    process.kill()
    process.wait()
    raise ClientError(f"{command[0]}: no answer after start")
