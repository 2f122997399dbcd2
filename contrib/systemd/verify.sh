#!/bin/sh
# Has systemd-analyze read the units as they would be installed, with a program that exists.
set -eu

here=$(dirname "$0")
work=$(mktemp -d "${TMPDIR:-/tmp}/package-cache-units.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

printf '#!/bin/sh\n' >"$work/package-cache"
chmod 0755 "$work/package-cache"
for unit in package-cache package-cache-cull; do
	sed "s|@BINDIR@|$work|g" "$here/$unit.service.in" >"$work/$unit.service"
done
cp "$here/package-cache-cull.timer" "$work"
# --man=no: the manual need not be installed.
said=$(systemd-analyze verify --man=no "$work"/*.service "$work"/*.timer 2>&1) || :
# Anything said is a mistake: it exits with 0 after most of them.
if [ -n "$said" ]; then
	printf '%s\n' "$said" >&2
	exit 1
fi
