"""The servers that are compared: how each is set up and started.

    ours      the program
    bare      bare.c, the limit for a thread per connection
    static    nginx as a file server over the same files, which it keeps open for a minute
    fresh     the same without keeping them open, so that a replaced file is served at once, as ours is
    cache     nginx as a cache (proxy_cache)
    squid     squid as an accelerator in front of the origin
    original  package-cache 0.2, in Python
    direct    the origin itself: nginx over the same files

`ours`, `static`, `fresh` and `bare` serve `files` as it is. The caches fill themselves from the origin.
A path /any/WORD/NUMBER-NAME is the origin's file NAME, so that each miss can have a name of its own;
/slow/WORD/NUMBER-NAME is the same at 20 MiB/s a connection.
"""

import os
import pathlib
import pwd
import tempfile

import process

LINK = 20 * 1024 * 1024  # bytes per second of the origin's slow link

NGINX = """
daemon off;
worker_processes 2;
worker_rlimit_nofile {descriptors};
error_log {home}/error.log crit;
pid {home}/pid;
{user}
events {{ worker_connections {connections}; }}
http {{
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    default_type application/octet-stream;
    client_body_temp_path {home}/body;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    proxy_temp_path {home}/proxy;
    {http}
}}
"""

OPEN_FILES = """
    open_file_cache max=4096 inactive=60s;
    open_file_cache_valid 60s;
"""

STATIC = """
    access_log off;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {files}; }}
"""

ORIGIN = """
    log_format path $uri;
    access_log {home}/access.log path;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {files};
        location ~ ^/any/[^/]+/\\d+-(.*)$ {{ alias {files}/$1; }}
        location ~ ^/slow/[^/]+/\\d+-(.*)$ {{ limit_rate {link}; alias {files}/$1; }}
    }}
"""

CACHE = """
    access_log off;
    proxy_cache_path {store} levels=1:2 keys_zone=bench:64m inactive=7d max_size=200g use_temp_path=off;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache bench;
            proxy_cache_valid 200 7d;
            proxy_cache_lock on;
            proxy_cache_lock_timeout 120s;
            proxy_cache_lock_age 120s;
            proxy_buffers 16 64k;
            proxy_buffer_size 16k;
            proxy_busy_buffers_size 256k;
        }}
    }}
"""

SQUID = """
http_port 127.0.0.1:{port} accel defaultsite=origin.example no-vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query originserver no-digest
acl all_clients src all
http_access allow all_clients
never_direct allow all
cache_dir ufs {store} 8000 16 256
maximum_object_size 4 GB
cache_mem 64 MB
collapsed_forwarding on
refresh_pattern . 10080 100% 43200
access_log none
cache_log {home}/cache.log
cache_store_log none
pid_filename {home}/pid
coredump_dir {home}
netdb_filename none
pinger_enable off
icp_port 0
shutdown_lifetime 0 seconds
max_filedescriptors {descriptors}
visible_hostname bench.example
"""


class Setting:
    """Where servers are made: programs, the served files, the origin, descriptors to be had."""

    def __init__(self, programs, work, descriptors):
        self.programs = programs
        self.work = pathlib.Path(work)
        self.files = self.work / "files"
        self.descriptors = descriptors
        # How many clients a server is set up for; what nginx takes at its start grows with it.
        self.connections = 2048
        self.origin = None

    def home(self, name):
        """A new directory for one server's own files."""
        home = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.work))
        home.chmod(0o755)
        return home

    def nginx(self, home, http, **values):
        """The command of an nginx with the http block HTTP."""
        values.update(home=home, files=self.files, link=LINK)
        text = NGINX.format(
            home=home,
            descriptors=self.descriptors,
            connections=self.connections,
            user="user root;" if os.geteuid() == 0 else "",
            http=http.format(**values),
        )
        (home / "nginx.conf").write_text(text)
        return [self.programs["nginx"], "-e", f"{home}/error.log", "-c", f"{home}/nginx.conf"]

    def start(self, column, store):
        """Starts the server of COLUMN, which keeps what it caches in the directory STORE."""
        home, port = self.home(column), process.free_port()
        command = getattr(self, "make_" + column)(home, port, store)
        return process.Server(command, port, home / "output").await_port()

    def make_ours(self, _home, port, store):
        source = ["--source", f"http://127.0.0.1:{self.origin.port}"] if self.origin else []
        return [self.programs["ours"], "--host", "127.0.0.1", "--port", str(port), "--cache",
                str(store), "--max-connections", str(self.connections), *source]

    def make_bare(self, _home, port, _store):
        return [self.programs["bare"], str(port), str(self.files)]

    def make_static(self, home, port, _store):
        return self.nginx(home, OPEN_FILES + STATIC, port=port)

    def make_fresh(self, home, port, _store):
        return self.nginx(home, STATIC, port=port)

    def make_direct(self, home, port, _store):
        return self.nginx(home, ORIGIN, port=port)

    def make_cache(self, home, port, store):
        return self.nginx(home, OPEN_FILES + CACHE, port=port, store=store, origin=self.origin.port)

    def make_original(self, _home, port, store):
        return [self.programs["original"], "--host", "127.0.0.1", "--port", str(port), "--cache",
                str(store), "--source", f"http://127.0.0.1:{self.origin.port}"]

    def make_squid(self, home, port, store):
        text = SQUID.format(home=home, port=port, store=store, origin=self.origin.port,
                            descriptors=self.descriptors)
        (home / "squid.conf").write_text(text)
        if os.geteuid() == 0:
            # squid gives up root; only the account it is built for can follow it.
            proxy = pwd.getpwnam("proxy" if "proxy" in users() else "squid")
            for directory in (home, store):
                os.chown(directory, proxy.pw_uid, proxy.pw_gid)
        # The service name tells apart what several of them keep in shared memory.
        command = [self.programs["squid"], "-N", "-n", f"bench{port}", "-f", f"{home}/squid.conf"]
        # -z makes the directories of the cache and leaves.
        process.subprocess.run([*command, "-z"], capture_output=True, timeout=60, check=True)
        return command


def users():
    """The names of this system's accounts."""
    return [entry.pw_name for entry in pwd.getpwall()]
