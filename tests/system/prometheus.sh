#!/bin/bash
# The real Prometheus scrapes a cache, with the configuration and the alerts that come with the program.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs prometheus promtool:prometheus python3
enter
begin

shipped=$top/contrib/prometheus
prometheus=http://127.0.0.1:9090

gives() { # PATH
	curl -sS -f --max-time 20 "$cache_url/$1" | cmp - "$work/mirror/$1"
}

# The one value that Prometheus answers.
value() { # EXPRESSION
	curl -sS --max-time 10 --data-urlencode "query=$1" "$prometheus/api/v1/query" |
		python3 -c 'import json, sys; print(*(each["value"][1] for each in json.load(sys.stdin)["data"]["result"]))'
}

is() { # VALUE EXPRESSION
	[ "$(value "$2")" = "$1" ]
}

metrics() {
	curl -sS -f --max-time 10 "$cache_url/.package-cache/metrics"
}

check_metrics() {
	metrics | promtool check metrics
}

# What is well with the rules that Prometheus has loaded.
rules() {
	curl -sS --max-time 10 "$prometheus/api/v1/rules" | grep -o '"health":"[a-z]*"' | sort | uniq -c
}

all_rules_are_well() {
	[ "$(rules | tr -s ' ')" = ' 4 "health":"ok"' ]
}

check "the alerts are right" promtool check rules "$shipped/package-cache.rules.yml"
check "each tells a cache that is ill from one that is well" promtool test rules "$here/prometheus/alerts.yml"
check "so is the configuration" promtool check config "$shipped/prometheus.yml"

# Nothing listens at the first source.
start_mirror 8080
start_cache --source http://127.0.0.1:8081 --source http://127.0.0.1:8080
cp "$shipped"/* "$work"
{
	printf 'global:\n  evaluation_interval: 1s\n'
	sed -e 's/cache.example:4000/127.0.0.1:4000/' -e 's/scrape_interval: 30s/scrape_interval: 1s/' "$shipped/prometheus.yml"
} >"$work/prometheus.yml"
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" \
	--web.listen-address=127.0.0.1:9090 2>"$logs/prometheus" &
monitor=$!
check "Prometheus starts with it" await 20 listens 9090
check "it scrapes the cache" await 20 is 1 'up{job="package-cache"}'

# Five files, of which the first request of each is a miss, over some seconds: three quarters come from the cache.
for each in 1 2 3 4 5; do head -c 100000 /dev/urandom >"$work/mirror/$each.tar"; done
five_files() {
	local each
	for each in 1 2 3 4 5; do gives "$each.tar" || return 1; done
}
check "five files come" five_files
for _ in 1 2 3; do
	sleep 3
	check "and again" five_files
done
hits='cache=~"hit|collapsed|revalidated|stale"'
check "the hit ratio is three quarters" await 10 is 0.75 \
	"sum(package_cache_requests_total{$hits}) / sum(package_cache_requests_total{cache!=\"none\"})"
check "so it is by bytes" await 10 is 0.75 \
	"sum(package_cache_sent_bytes_total{$hits}) / sum(package_cache_sent_bytes_total{cache!=\"none\"})"
check "clients got two million bytes" is 2000000 'sum(package_cache_sent_bytes_total{cache!="none"})'
check "the source sent a quarter of them" is 500000 'sum(package_cache_source_received_bytes_total)'
check "Prometheus has seen it grow" is 1 'sum(rate(package_cache_requests_total{cache="hit"}[15s])) > bool 0'
check "the dead source is down" is 0 'package_cache_source_up{source=~".*8081/?"}'
check "the other one is up" is 1 'package_cache_source_up{source=~".*8080/?"}'
check "the alert for the dead one waits for its ten minutes" await 10 is 1 \
	'count(ALERTS{alertname="PackageCacheSourceDown",alertstate="pending"})'
check "all rules can be evaluated" await 10 all_rules_are_well
check "promtool finds nothing wrong with the metrics" check_metrics
metrics >"$work/metrics"
check "the dashboard and the alerts ask for what is there, and for all of it" python3 -B "$here/prometheus/names.py" \
	"$work/metrics" "$top/contrib/grafana/package-cache.json" "$shipped/package-cache.rules.yml" \
	"$top/contrib/guides/monitoring.md" "$prometheus"
check "it goes on for a minute" await 90 is 1 'count_over_time(up{job="package-cache"}[5m]) >= bool 60'
check "Prometheus has lost no scrape" is 1 'min_over_time(up{job="package-cache"}[1m])'
echo "         $name: $(value 'count_over_time(up{job="package-cache"}[5m])') scrapes of $(wc -c <"$work/metrics") bytes, the last in $(value 'scrape_duration_seconds') s"
kill "$monitor"
wait "$monitor"
