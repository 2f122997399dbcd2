#!/bin/bash
# --allow, with clients that have addresses of their own: a namespace beside that of the cache, joined by a cable,
# with IPv4 and IPv6 addresses of which some are allowed. A dual-stack socket sees IPv4 as mapped addresses.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs ip:iproute2 nsenter:util-linux python3
enter
begin

on_client() { # COMMAND...
	nsenter --net=/run/netns/client "$@"
}

# Asks for PATH from the client's address FROM; the body is in $work/body, the status is printed.
ask() { # FROM TO PATH
	on_client curl -sS --max-time 10 --interface "$1" -o "$work/body" -w '%{http_code}' "http://$2:4000$3"
}

served() { # FROM TO
	[ "$(ask "$1" "$2" /stored.tar)" = 200 ] && cmp "$work/body" "$work/cache/stored.tar"
}

refused() { # FROM TO: with the address in the text
	[ "$(ask "$1" "$2" /stored.tar)" = 403 ] && grep -F "$1 is none of the clients" "$work/body"
}

threads() {
	find "/proc/$cache_pid/task" -mindepth 1 -maxdepth 1 | wc -l
}

descriptors() {
	find "/proc/$cache_pid/fd" -mindepth 1 | wc -l
}

rested() {
	[ "$(descriptors)" -le "$((DESCRIPTORS + 2))" ]
}

stop_cache() {
	kill "$cache_pid"
	await 10 not test -d "/proc/$cache_pid"
}

# Connections that are kept full all the time, 500 refused a second beside hits on them, for SECONDS.
storm() { # SECONDS
	on_client python3 - "$1" "$cache_pid" <<-'END'
		import os, socket, sys, threading, time
		seconds, pid = int(sys.argv[1]), sys.argv[2]
		cache, head = ("10.1.0.1", 4000), b"GET /stored.tar HTTP/1.1\r\nHost: x\r\n\r\n"
		most_threads = most_descriptors = 0

		def connect(address):
		    return socket.create_connection(cache, 10, (address, 0))

		def hit(connection):
		    begun = time.monotonic()
		    connection.sendall(head)
		    answer = b""
		    while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < 4096:
		        piece = connection.recv(65536)
		        assert piece, f"closed after {answer!r}"
		        answer += piece
		    assert answer.startswith(b"HTTP/1.1 200 "), answer
		    return time.monotonic() - begun

		# One place is left, which the one who is let in below takes.
		kept = [connect("10.1.0.2") for _ in range(15)]
		for connection in kept:
		    hit(connection)
		refusals, waits, resets = [], [], []

		def refuse(late):
		    connection = connect("10.1.0.3")
		    if late:
		        time.sleep(0.02)
		    try:
		        connection.sendall(head)
		        answer = b""
		        while piece := connection.recv(65536):
		            answer += piece
		        assert answer.startswith(b"HTTP/1.1 403 ") and b"10.1.0.3" in answer, answer
		        refusals.append(answer)
		    except OSError as why:
		        resets.append(str(why))
		    finally:
		        connection.close()

		def besiege(worker):
		    for number in range(seconds * 50):
		        begun = time.monotonic()
		        refuse(number % 10 == worker)
		        time.sleep(max(0, 0.02 - (time.monotonic() - begun)))

		workers = [threading.Thread(target=besiege, args=(worker,)) for worker in range(10)]
		begun = time.monotonic()
		for worker in workers:
		    worker.start()
		while any(worker.is_alive() for worker in workers):
		    waits += [hit(connection) for connection in kept]
		    most_threads = max(most_threads, len(os.listdir(f"/proc/{pid}/task")))
		    most_descriptors = max(most_descriptors, len(os.listdir(f"/proc/{pid}/fd")))
		    time.sleep(0.01)
		took = time.monotonic() - begun
		waits.sort()
		hit(connect("10.1.0.2"))
		rate = len(refusals) / took
		print(f"{len(refusals)} refused, {rate:.0f} a second, {len(resets)} reset; {len(waits)} hits beside them,"
		      f" median {waits[len(waits) // 2] * 1000:.2f} ms, longest {waits[-1] * 1000:.1f} ms;"
		      f" at most {most_threads} threads, {most_descriptors} descriptors")
		assert not resets, resets[:3]
		# A busy host is slower than asked for.
		assert rate > 200 and waits[-1] < 3
		assert most_threads <= int(os.environ["THREADS"]) + 2, most_threads
		assert most_descriptors <= 15 * 2 + 32 + int(os.environ["DESCRIPTORS"]) + 2, most_descriptors
	END
}

mkdir /run/netns "$work/cache"
head -c 4096 /dev/urandom >"$work/cache/stored.tar"
ip netns add client
ip link add lan type veth peer name eth0 netns client
ip address add 10.1.0.1/24 dev lan
ip address add fd00:1::1/64 dev lan nodad
ip link set lan up
on_client ip link set lo up
for each in 10.1.0.2/24 10.1.0.3/24; do on_client ip address add "$each" dev eth0; done
for each in fd00:1::2/64 fd00:1::3/64; do on_client ip address add "$each" dev eth0 nodad; done
on_client ip link set eth0 up
start_mirror 8080
touch "$work/mirror/new.tar"

start_cache --host :: --source http://127.0.0.1:8080 --allow 10.1.0.2 --allow fd00:1::2/127
check "an IPv4 address that is named is served" await 10 served 10.1.0.2 10.1.0.1
check "an IPv6 address that is named is served" served fd00:1::2 '[fd00:1::1]'
check "so is one of the network that is named" served fd00:1::3 '[fd00:1::1]'
check "another IPv4 address is refused" refused 10.1.0.3 10.1.0.1
check "the host itself is served over IPv4" curl -sS -f -o /dev/null "$cache_url/stored.tar"
check "and over IPv6" curl -sS -f -o /dev/null 'http://[::1]:4000/stored.tar'
check "but not by an address that others reach" not curl -sS -f -o /dev/null http://10.1.0.1:4000/stored.tar
check "a miss of a refused client is refused" test "$(ask 10.1.0.3 10.1.0.1 /new.tar)" = 403
check "and asks nobody" test "$(asked '^GET /new.tar')" -eq 0
for _ in 1 2 3; do refused 10.1.0.3 10.1.0.1 >>"$logs/commands"; done
check "an address is a line in the log once a minute" test "$(grep -c '10.1.0.3 was refused' "$logs/cache.log")" -eq 1
stop_cache

start_cache --host :: --source http://127.0.0.1:8080 --allow ::/0
check "::/0 is every IPv6 address" await 10 served fd00:1::3 '[fd00:1::1]'
check "and no IPv4 address" refused 10.1.0.2 10.1.0.1
stop_cache

start_cache --host :: --source http://127.0.0.1:8080 --allow 0.0.0.0/0
check "0.0.0.0/0 is every IPv4 address" await 10 served 10.1.0.3 10.1.0.1
check "and no IPv6 address" refused fd00:1::3 '[fd00:1::1]'
stop_cache

start_cache --host 0.0.0.0 --max-connections 16 --allow 10.1.0.2
check "the cache listens" await 10 served 10.1.0.2 10.1.0.1
THREADS=$(threads) DESCRIPTORS=$(descriptors)
export THREADS DESCRIPTORS
check "500 refused a second harm no hit, take no thread and evict nobody" storm 5
tail -n 1 "$logs/commands"
check "the refused connections are closed soon" await 10 rested
