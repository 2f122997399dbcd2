#!/bin/bash
# Mirrors over https: a real nginx with certificates of a CA of our own, the real openssl, and squid as the proxy.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs openssl squid pgrep:procps
enter
begin

# The key, and the certificate signed by ISSUER for NAMES with these further lines.
certify() { # NAME ISSUER NAMES DATES [LINE]
	cat >"$work/$1.conf" <<-END
		[ca]
		default_ca = d
		[d]
		database = $work/index
		new_certs_dir = $work
		default_md = sha256
		policy = p
		x509_extensions = x
		rand_serial = yes
		unique_subject = no
		[p]
		commonName = supplied
		[x]
		basicConstraints = critical, ${5:-CA:false}
		subjectAltName = $3
	END
	local dates
	read -ra dates <<<"$4"
	: >"$work/index"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1.key" -subj "/CN=$1" \
		-out "$work/$1.request"
	local by=(-cert "$work/$2.pem" -keyfile "$work/$2.key")
	[ "$1" != "$2" ] || by=(-selfsign -keyfile "$work/$1.key")
	openssl ca -batch -notext -config "$work/$1.conf" "${by[@]}" -in "$work/$1.request" -out "$work/$1.pem" \
		-startdate "${dates[0]}" -enddate "${dates[1]}"
}

gives() { # PATH
	curl -sS -f --max-time 20 "$cache_url/$1" | cmp - "$work/mirror/$1"
}

all_give() { # PATH CLIENTS
	seq "$2" | xargs -P "$2" -I{} curl -sS -f --max-time 60 -o "$work/got{}" "$cache_url/$1" || return 1
	sha256sum "$work"/got* "$work/mirror/$1" | cut -d ' ' -f 1 | sort | uniq | wc -l | grep -qx 1
}

answers() { # PATH STATUS
	[ "$(curl -s --max-time 20 -o /dev/null -w '%{http_code}' "$cache_url/$1")" = "$2" ]
}

warns() { # TEXT
	await 10 grep -qF "$1" "$logs/cache.log"
}

run() { # COUNT
	[ "$(pgrep -c -f 's_client -quiet' || :)" -eq "$1" ]
}

helpers() { # COUNT
	await 20 run "$1"
}

connections() { # COUNT
	[ "$(cut -d ' ' -f 1 "$logs/tls.log" | sort -u | wc -l)" -eq "$1" ]
}

stop_cache() {
	kill "$cache_pid"
	wait "$cache_pid"
}

now="20200101000000Z 20990101000000Z"
{
	certify root root DNS:root.example "$now" CA:true
	certify middle root DNS:middle.example "$now" CA:true
	certify mirror middle DNS:mirror.example,IP:127.0.0.1 "$now"
	certify old middle DNS:old.example "20200101000000Z 20210101000000Z"
} 2>"$logs/certificates"
cat "$work/mirror.pem" "$work/middle.pem" >"$work/chain.pem"
cat "$work/old.pem" "$work/middle.pem" >"$work/old-chain.pem"
printf '127.0.0.1 localhost mirror.example old.example other.example plain.example\n' >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
cat >"$work/tls.conf" <<-END
	user root; pid $work/tls.pid; error_log $logs/tls-error.log; worker_processes 1;
	events {}
	http {
		default_type application/octet-stream;
		log_format asked '\$connection \$request_method \$uri \$status \$http_host';
		access_log $logs/tls.log asked;
		root $work/mirror;
		ssl_certificate $work/chain.pem;
		ssl_certificate_key $work/mirror.key;
		server { listen 127.0.0.1:443 ssl default_server; server_name mirror.example; }
		server {
			listen 127.0.0.1:443 ssl; server_name old.example;
			ssl_certificate $work/old-chain.pem;
			ssl_certificate_key $work/old.key;
		}
		server { listen 127.0.0.1:80; return 301 https://mirror.example\$request_uri; }
	}
END
mkdir "$work/mirror/pub"
for each in $(seq 40); do head -c $((each * 5000)) /dev/urandom >"$work/mirror/pub/$each.tar"; done
for each in big two three; do head -c 20000000 /dev/urandom >"$work/mirror/pub/$each.tar"; done
nginx -c "$work/tls.conf"
await 10 listens 443
export SSL_CERT_FILE=$work/root.pem

start_cache --source https://mirror.example
for each in $(seq 40); do gives "pub/$each.tar" || break; done >"$logs/files" 2>&1
check "forty files come over https" test "$each" -eq 40
check "by one connection" connections 1
check "and are stored" cmp "$work/cache/pub/40.tar" "$work/mirror/pub/40.tar"
check "one helper is kept" helpers 1
check "fifty clients of one file get it" all_give pub/big.tar 50
check "and the mirror was asked once" test "$(grep -c 'GET /pub/big.tar' "$logs/tls.log")" -eq 1
check "after 15 seconds no helper is left" helpers 0
stop_cache
check "nothing was warned of" not grep warning "$logs/cache.log"

start_cache --source https://127.0.0.1/pub --source old=https://old.example --source other=https://other.example \
	--source plain=http://plain.example/pub
check "an address is checked as an address" answers 1.tar 200
check "a certificate that is over is refused" answers old/1.tar 502
check "and the log says why" warns 'certificate refused: certificate has expired'
check "so is one for another name" answers other/1.tar 502
check "and the log says why" warns 'certificate refused: hostname mismatch'
check "a redirect from http to https is followed" answers plain/two.tar 200
check "and stored" await 10 cmp "$work/cache/plain/two.tar" "$work/mirror/pub/two.tar"
stop_cache
check "no helper outlives the cache" helpers 0

SSL_CERT_FILE=/dev/null start_cache --source https://mirror.example/nowhere
check "an issuer that nobody trusts is refused" answers 2.tar 502
check "and the log says why" warns 'certificate refused: unable to get local issuer certificate'
stop_cache

chmod 0711 "$work"
mkdir -m 0777 "$work/squid"
cat >"$work/squid.conf" <<-END
	http_port 127.0.0.1:3128
	acl ssl_ports port 443
	http_access allow CONNECT ssl_ports
	http_access deny all
	cache_effective_user proxy
	pid_filename $work/squid/pid
	access_log stdio:$work/squid/access.log
	cache_log $work/squid/cache.log
	coredump_dir $work/squid
	hosts_file /etc/hosts
END
squid -N -f "$work/squid.conf" >"$logs/squid" 2>&1 &
await 20 listens 3128
rm -r "$work/cache"
https_proxy=http://127.0.0.1:3128 start_cache --source https://mirror.example
check "https goes through the proxy" gives pub/three.tar
stop_cache
check "by a tunnel" await 10 grep 'CONNECT mirror.example:443' "$work/squid/access.log"

static=${STATIC:-$top/target/static/package-cache}
if [ -x "$static" ]; then
	rm -r "$work/cache"
	program=$static
	start_cache --source https://mirror.example
	check "the static build speaks it too" gives pub/three.tar
	stop_cache
	check "and leaves no helper" helpers 0
fi
