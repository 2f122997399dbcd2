#!/bin/bash
# Runs the system checks, all or those named, and sums up. A check that this host cannot run
# is named with the remedy; with CHECK_SYSTEM=all that is a failure.
#
# usage: run.sh [NAME...]
set -uo pipefail
cd "$(dirname "$0")" || exit 1

if [ "$#" -eq 0 ]; then set -- openrc portage manifests apt pacman pip several https squid apache haproxy prometheus listen allow static redirect disks; fi
failed=
skipped=
for each in "$@"; do
	begun=$SECONDS
	"./$each.sh"
	case $? in
	0) echo "passed   $each, $((SECONDS - begun)) s" ;;
	77) skipped="$skipped $each" ;;
	*) failed="$failed $each" ;;
	esac
done
echo "passed: $(($# - $(wc -w <<<"$failed$skipped"))) of $#${skipped:+; skipped:$skipped}${failed:+; FAILED:$failed}, $SECONDS s"
[ -z "$failed" ]
