"""A server's processes: starting and ending them, what CPU time and memory they take.

A server may be several processes (nginx: a master and its workers); every figure is the sum over
the process that was started and all its descendants. No process is ever ended by name.
"""

import os
import pathlib
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    """A TCP port on the loopback interface that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stat_fields(pid):
    """The fields of /proc/PID/stat after the command's name, the first being the state."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def tree(pid):
    """The process ids of PID and its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        fields = stat_fields(entry) if entry.isdigit() else None
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


class Server:
    """A running server on a port of its own."""

    def __init__(self, command, port, log):
        self.port = port
        self.log = log
        with open(log, "ab") as out:
            # A session of its own: Ctrl-C reaches the benchmark alone, which then ends the servers.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def await_port(self):
        """Waits until the server accepts connections, for 20 seconds at most."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.01)
        self.stop()
        tail = pathlib.Path(self.log).read_text(errors="replace")[-500:]
        raise RuntimeError(f"{self.process.args[0]} did not start: {tail}")

    def stop(self):
        """Ends the server; whatever is left of it after 15 seconds is killed."""
        family = tree(self.pid)
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            for pid in family:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    pass
            self.process.wait()

    def cpu(self):
        """CPU seconds used so far, ended threads and reaped children included."""
        ticks = 0
        for pid in tree(self.pid):
            fields = stat_fields(pid)
            if fields:
                ticks += sum(int(field) for field in fields[11:15])
        return ticks / TICK

    def memory(self, field):
        """VmRSS or VmHWM in MiB. What processes share is counted in each."""
        total = 0
        for pid in tree(self.pid):
            try:
                text = pathlib.Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            for line in text.splitlines():
                if line.startswith(field + ":"):
                    total += int(line.split()[1])
        return total / 1024

    def forget_peak(self):
        """Makes VmHWM start again from what is in use now."""
        for pid in tree(self.pid):
            try:
                pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
            except OSError:
                pass
