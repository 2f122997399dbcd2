"""The row of the build: optional, since it takes a while and needs cargo."""

import os
import pathlib
import subprocess
import tempfile
import time

import client
from rows import Row
from table import Line, under


def rows():
    """The row, if it is asked for."""
    if os.environ.get("BENCH_BUILD"):
        yield clean_build()


def clean_build():
    """A release build from nothing; without crates, cargo fetches nothing."""
    project = pathlib.Path(__file__).resolve().parents[2]

    def measure(_column):
        with tempfile.TemporaryDirectory(prefix="package-cache-bench.") as target:
            environment = {**os.environ, "CARGO_TARGET_DIR": target}
            command = [os.environ.get("CARGO", "cargo"), "build", "--release", "--locked", "--offline"]
            began = time.monotonic()
            done = subprocess.run(command, cwd=project, env=environment, capture_output=True, check=False)
            if done.returncode:
                raise client.ClientError(done.stderr.decode(errors="replace").strip()[-200:])
            return {"wall": time.monotonic() - began}

    return Row("clean release build", ("ours",), (Line("wall", "s", (under(15),)),), measure, rounds=1)
