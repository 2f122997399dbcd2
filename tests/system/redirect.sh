#!/bin/bash
# The recipes of the firewall guide, taken from its text, on a router in a network of namespaces:
# a switch that joins client, cache and the router's eth1, and a mirror beyond the router.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs iptables nft:nftables nsenter:util-linux setpriv:util-linux wget
guide=$top/contrib/guides/firewall.md
enter
begin

# Runs COMMAND on HOST, one of client, cache, router, mirror.
on() { # HOST COMMAND...
	local host=$1
	shift
	nsenter --net="/run/netns/$host" "$@"
}

plug() { # HOST INTERFACE ADDRESS SWITCH
	local cable=$1-$2
	ip link add "$cable" type veth peer name "$2" netns "$1"
	ip link set "$cable" master "$4" up
	on "$1" ip address add "$3" dev "$2"
	on "$1" ip link set "$2" up
	on "$1" ip link set lo up
}

# The first code block of the guide's section HEADING.
recipe() { # HEADING
	awk -v heading="## $1" '
		$0 == heading { found = 1; next }
		found && /^    / { block = 1; sub(/^    /, ""); print; next }
		found && (/^## / || block && NF) { exit }' "$guide" >"$work/recipe"
	[ -s "$work/recipe" ]
}

# Runs the recipe on HOST, with an answer to its name lookup.
apply() { # HOST
	# shellcheck disable=SC2016
	on "$1" bash -euc 'dig() { printf "%s\n" alias.example. 192.0.2.1 192.0.2.2; }
		SOURCE_IP=192.0.2.1
		. "$0"' "$work/recipe"
}

withdraw() { # HOST: as the guide tells for iptables
	sed -i 's/ -A / -D /' "$work/recipe"
	apply "$1"
}

no_rules() { # HOST
	{
		on "$1" iptables -t nat -S
		on "$1" nft list ruleset
	} >"$work/rules"
	not grep -iE '^-A|dnat|redirect' "$work/rules"
}

downloads() { # HOST URL
	on "$1" wget -nv -t 1 -T 20 -O "$work/fetched" "$2" && cmp "$work/fetched" "$work/mirror/${2##*/}"
}

# The mirror's only request for FILE came from ADDRESS.
asked_by() { # ADDRESS FILE
	asked_once "^GET /$2 200" && grep -E "^GET /$2 200 - $1\$" "$logs/mirror.log"
}

new_file() { # NAME
	head -c 100000 /dev/urandom >"$work/mirror/$1"
}

# The facts that hold while the rules are there, and after.
redirected() { # HOW HOST ADDRESS: of the cache that HOST is sent to
	new_file "$1-first"
	new_file "$1-second"
	check "$1: the untouched client downloads from the mirror's address" downloads "$2" "http://192.0.2.1/$1-first"
	check "$1: it was the cache that asked the mirror" asked_by "$3" "$1-first"
	check "$1: the client downloads it again" downloads "$2" "http://192.0.2.1/$1-first"
	check "$1: from the cache, the mirror was not asked" asked_by "$3" "$1-first"
	check "$1: no request of the cache came back to it" not grep ' 508 ' "$logs/cache.log"
}

direct() { # HOW HOST ADDRESS: of HOST itself
	new_file "$1-direct"
	check "$1: no rule is left" no_rules "$2"
	check "$1: the client downloads from the mirror" downloads client "http://192.0.2.1/$1-direct"
	check "$1: without the cache" asked_by "$3" "$1-direct"
}

chmod 0711 "$work"
cp "$program" "$work/package-cache"
mkdir -m 0777 "$work/cache" "$work/own"
sed '/^package-cache:/d; $a package-cache:x:64000:64000::/:/sbin/nologin' /etc/passwd >"$work/passwd"
mount --bind "$work/passwd" /etc/passwd
mkdir /run/netns
for each in client cache router mirror; do ip netns add "$each"; done
for each in lan wan; do
	ip link add "$each" type bridge
	ip link set "$each" up
done
plug client eth0 192.168.0.20/24 lan
plug cache eth0 192.168.0.11/24 lan
plug router eth1 192.168.0.1/24 lan
plug router eth0 192.0.2.254/24 wan
plug mirror eth0 192.0.2.1/24 wan
on mirror ip address add 192.0.2.2/24 dev eth0
on mirror ip route add default via 192.0.2.254
for each in client cache; do on "$each" ip route add default via 192.168.0.1; done
on router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'

start_mirror 80 '' on mirror
on cache "$work/package-cache" --cache "$work/cache" --host 0.0.0.0 -v --source http://192.0.2.1 2>"$logs/cache.log" &
check "the cache listens" await 10 grep 'listening on' "$logs/cache.log"
direct before client 192.168.0.20

check "the guide has the iptables recipe" recipe iptables
check "iptables: the router takes it" apply router
redirected iptables client 192.168.0.11
new_file iptables-other
check "iptables: the second address is redirected too" downloads client http://192.0.2.2/iptables-other
check "iptables: to the cache" asked_by 192.168.0.11 iptables-other
new_file iptables-own
check "iptables: what the cache's own host fetches is not caught" downloads cache http://192.0.2.1/iptables-own
check "iptables: it reached the mirror, not the cache" not grep iptables-own "$logs/cache.log"
check "iptables: the rules are removed by -D" withdraw router
direct iptables router 192.168.0.20

check "the guide has the nftables recipe" recipe nftables
check "nftables: the router takes it" apply router
redirected nftables client 192.168.0.11
new_file nftables-other
check "nftables: the second address is redirected too" downloads client http://192.0.2.2/nftables-other
check "nftables: to the cache" asked_by 192.168.0.11 nftables-other
new_file nftables-own
check "nftables: what the cache's own host fetches is not caught" downloads cache http://192.0.2.1/nftables-own
check "nftables: it reached the mirror, not the cache" not grep nftables-own "$logs/cache.log"
# shellcheck disable=SC2016
removal=$(sed -n 's/^To remove it all: `\(.*\)`\.$/\1/p' "$guide")
# shellcheck disable=SC2086
check "nftables: the table is removed by: $removal" on router $removal
direct nftables router 192.168.0.20

# A single host: the daemon is known by its user.
on client setpriv --reuid 64000 --regid 64000 --clear-groups \
	"$work/package-cache" --cache "$work/own" --host 127.0.0.1 -v --source http://192.0.2.1 2>"$logs/own.log" &
check "a cache listens on the client itself" await 10 grep 'listening on' "$logs/own.log"
check "the guide has the recipe for a single host" recipe 'A single host'
check "single host: it takes it" apply client
redirected single client 192.168.0.20
check "single host: it was its own cache" await 10 grep -E 'GET /single-first.* (HIT|COLLAPSED)' "$logs/own.log"
check "single host: no request of the cache came back to it" not grep ' 508 ' "$logs/own.log"
check "single host: the rule is removed by -D" withdraw client
direct single client 192.168.0.20
