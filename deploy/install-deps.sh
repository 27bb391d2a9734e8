#!/bin/sh
# Installs the two programs that the sandbox starts, PostgreSQL (with pg_stat_statements) and redis-server, where they
# are missing, and those of pgbench, pgbouncer and npm that are named as arguments. Debian and Ubuntu only, as root or through sudo; elsewhere it prints the one command to run and fails.
# The services that the packages bring are neither started nor left enabled: the sandbox starts its own.
#
# Exit codes: 0 all are there, 1 they are not, 2 an argument is none of the three.
set -eu

# has_postgres looks where attack/sandbox/programs.go looks.
has_postgres() {
	for dir in "${ARQLOAD_POSTGRES_BIN:-}" /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
		/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /opt/local/lib/postgresql[0-9]*/bin; do
		if [ -n "$dir" ] && [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then return 0; fi
	done
	command -v initdb >/dev/null 2>&1 && command -v postgres >/dev/null 2>&1
}

has_redis() { command -v redis-server >/dev/null 2>&1; }

# has_extra looks where attack/sandbox/programs.go looks for what goes with PostgreSQL.
has_extra() {
	for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
		/usr/local/opt/postgresql@*/bin /opt/local/lib/postgresql[0-9]*/bin /usr/sbin; do
		if [ -x "$dir/$1" ]; then return 0; fi
	done
	command -v "$1" >/dev/null 2>&1
}

has_extras() {
	for program in "$@"; do
		if ! has_extra "$program"; then return 1; fi
	done
}

packages='' services=''
if ! has_postgres; then packages='postgresql' services='postgresql'; fi
if ! has_redis; then packages="${packages:+$packages }redis-server" services="$services redis-server"; fi
for program in "$@"; do
	case $program in
	pgbench) package=postgresql ;;
	pgbouncer | npm) package=$program ;;
	*)
		echo "install-deps: $program is none of pgbench, pgbouncer, npm" >&2
		exit 2
		;;
	esac
	case " $packages " in *" $package "*) continue ;; esac
	if has_extra "$program"; then continue; fi
	packages="${packages:+$packages }$package"
	if [ "$package" != npm ]; then services="$services $package"; fi
done
if [ -z "$packages" ]; then exit 0; fi

if ! command -v apt-get >/dev/null 2>&1; then
	extras=$(echo "$*" | sed 's/pgbench *//')
	if command -v dnf >/dev/null 2>&1; then
		advice="sudo dnf install -y postgresql-server postgresql-contrib redis $extras"
	elif command -v brew >/dev/null 2>&1; then
		advice="brew install postgresql@17 redis $extras"
	else
		advice="(with your package manager) install PostgreSQL with its contrib modules, and redis-server $extras"
	fi
	echo "install-deps: PostgreSQL and Redis are needed here${*:+, and $*}; run: $advice" >&2
	exit 1
fi

if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "install-deps: neither root nor sudo; run as root: apt-get install -y $packages" >&2
		exit 1
	fi
	exec sudo ${ARQLOAD_POSTGRES_BIN:+ARQLOAD_POSTGRES_BIN="$ARQLOAD_POSTGRES_BIN"} sh "$0" "$@"
fi

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=''
clean_up() {
	rm -f "$log"
	if [ -n "$made_policy" ]; then rm -f "$policy"; fi
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# Debian's own switch: 101 forbids the packages to start services. One that is there already is the administrator's.
if [ ! -e "$policy" ]; then
	made_policy=yes
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
install() {
	# shellcheck disable=SC2086 # the list of packages is meant to be split
	apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $packages >>"$log" 2>&1 </dev/null
}
echo "install-deps: apt-get install $packages" >&2
# The package lists may be absent or too old: they are fetched only if the first try fails.
if ! install && ! { apt-get update -qq >>"$log" 2>&1 && install; }; then
	cat "$log" >&2
	echo "install-deps: apt-get could not install $packages" >&2
	exit 1
fi

if [ -d /run/systemd/system ]; then
	for service in $services; do
		systemctl disable --now "$service" >/dev/null 2>&1 || echo "install-deps: $service is still enabled" >&2
	done
fi

if ! has_postgres || ! has_redis || ! has_extras "$@"; then
	echo "install-deps: installed $packages, but the programs are not where they are looked for" >&2
	exit 1
fi
