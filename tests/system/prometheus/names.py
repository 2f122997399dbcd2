"""Every metric that the dashboard, the alerts and the guide name is there, and every question of the dashboard is answered.

usage: names.py METRICS DASHBOARD RULES GUIDE PROMETHEUS

METRICS is a file with the metrics as they were scraped, PROMETHEUS the URL of a running Prometheus.
"""

import json
import re
import sys
import urllib.parse
import urllib.request

# The promise: names and labels.
METRICS = """
    build_info{version} start_time_seconds requests_total{cache} responses_total{code} sent_bytes_total{cache}
    first_byte_seconds{cache} connections connections_limit connections_total source_requests_total{source}
    source_failures_total{source,reason} source_received_bytes_total{source} source_up{source} transfers
    transfer_readers transfers_total{result} transfers_resumed_total store_failures_total verified_total{result}
    free_bytes min_free_bytes log_messages_total{level}
"""
PREFIX = "package_cache_"
SUFFIXES = "_(bucket|sum|count)$"


def promised():
    """Name to labels."""
    pairs = re.findall(r"(\w+)(?:\{([\w,]+)\})?", METRICS)
    return {PREFIX + name: set(filter(None, labels.split(","))) for name, labels in pairs}


def scraped(path):
    """The same, of the metrics in a file."""
    seen = {}
    for line in open(path, encoding="utf-8"):
        if line.startswith("# TYPE "):
            seen[line.split()[2]] = set()
        elif not line.startswith("#"):
            name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
            name = name if name in seen else re.sub(SUFFIXES, "", name)
            seen[name] |= set(re.findall(r'(\w+)="', labels or "")) - {"le"}
    return seen


def questions(dashboard):
    """The expressions of a dashboard, its variables filled in."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expr = target["expr"]
            for variable in ("$job", "$instance"):
                expr = expr.replace(variable, ".*")
            yield panel["title"], re.sub(r"\$__(rate_interval|range)", "15s", expr)


def answer(prometheus, expr):
    """How many series answer an expression. A wrong one raises an HTTPError."""
    query = urllib.parse.urlencode({"query": expr})
    with urllib.request.urlopen(f"{prometheus}/api/v1/query?{query}", timeout=10) as reply:
        return len(json.load(reply)["data"]["result"])


def main(metrics, dashboard, rules, guide, prometheus):
    wrong = []
    known, seen = promised(), scraped(metrics)
    for name in sorted(known.keys() | seen.keys()):
        if known.get(name) != seen.get(name):
            wrong.append(f"{name}: promised {known.get(name)}, scraped {seen.get(name)}")
    dashboard = json.load(open(dashboard, encoding="utf-8"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    if dashboard["schemaVersion"] < 36 or len(set(ids)) != len(ids):
        wrong.append("the dashboard: schemaVersion, or two panels of one id")
    asked = list(questions(dashboard))
    guide = open(guide, encoding="utf-8").read()
    shown = [("alerts", open(rules, encoding="utf-8").read()), *asked]
    named = set()
    for where, text in [("guide", guide), *shown]:
        for name in re.findall(PREFIX + r"\w+", text):
            if name not in known and re.sub(SUFFIXES, "", name) not in known and name != PREFIX:
                wrong.append(f"{where}: no metric {name}")
    for _, text in shown:
        named |= {re.sub(SUFFIXES, "", name) for name in re.findall(PREFIX + r"\w+", text)}
    wrong += [f"neither the dashboard nor an alert shows {name}" for name in sorted(known.keys() - named)]
    bare = (name.removeprefix(PREFIX) for name in sorted(known))
    wrong += [f"the guide does not explain {name}" for name in bare if f"`{name}`" not in guide]
    for title, expr in asked:
        # A comparison answers only what it finds.
        if not answer(prometheus, expr) and " > 0" not in expr:
            wrong.append(f"{title}: nothing answers {expr}")
    print(len(known), "metrics,", len(asked), "questions")
    return "\n".join(wrong) or None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
