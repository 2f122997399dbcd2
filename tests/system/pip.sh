#!/bin/bash
# The real pip behind the cache, with a static simple index: its pages are relayed, so that
# they are always those of the mirror; its files are stored.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
needs python3
python3 -m pip --version >/dev/null 2>&1 || skip "no pip: apt-get install python3-pip"
enter
begin

# A wheel of VERSION of the tool, and the index page with every version so far.
publish() { # VERSION
	mkdir -p "$work/mirror/files" "$work/mirror/simple/tool"
	python3 - "$1" "$work/mirror" <<-'END'
		import hashlib, os, sys, zipfile
		version, mirror = sys.argv[1:]
		info = f"tool-{version}.dist-info/"
		path = f"{mirror}/files/tool-{version}-py3-none-any.whl"
		with zipfile.ZipFile(path, "w") as wheel:
		    wheel.writestr("tool.py", f"version = {version!r}\ndata = {os.urandom(50000)!r}\n")
		    wheel.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: tool\nVersion: {version}\n")
		    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
		    wheel.writestr(info + "RECORD", "")
		with open(f"{mirror}/simple/tool/index.html", "w") as page:
		    for name in sorted(os.listdir(f"{mirror}/files")):
		        digest = hashlib.sha256(open(f"{mirror}/files/{name}", "rb").read()).hexdigest()
		        page.write(f'<a href="../../files/{name}#sha256={digest}">{name}</a><br>\n')
	END
}

pip_downloads() { # HOST VERSION: the newest one there is
	rm -rf "${work:?}/$1"
	python3 -m pip --isolated --disable-pip-version-check --no-cache-dir download --no-deps \
		--retries 0 --timeout 20 --index-url "$cache_url/simple/" -d "$work/$1" tool &&
		cmp "$work/$1/tool-$2-py3-none-any.whl" "$work/mirror/files/tool-$2-py3-none-any.whl"
}

publish 1.0
start_mirror 8080
start_cache --source http://127.0.0.1:8080
check "pip downloads and verifies a wheel" pip_downloads first 1.0
check "the wheel is stored" await 10 cmp "$work/cache/files/tool-1.0-py3-none-any.whl" "$work/mirror/files/tool-1.0-py3-none-any.whl"
check "a second host downloads it" pip_downloads second 1.0
check "the mirror was asked for the wheel once" asked_once '^GET /files/tool-1.0-py3-none-any.whl'
check "the index page was relayed to each" test "$(asked '^GET /simple/tool/')" -eq 2
check "the index page is not stored" not test -e "$work/cache/simple"
publish 2.0
check "a new version is seen at once" pip_downloads first 2.0
