#!/usr/bin/env bash
# Runs director-bench and the same workloads on OTP's supervisor and Elixir's
# DynamicSupervisor, and prints all results side by side.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
peers=$root/benchmarks/peers
bench=
children=10000
repeat=5
table=list,ets
workload=
out=$root/build/bench-results

usage() {
  cat <<'USAGE'
usage: scripts/bench.sh [options]

Runs director-bench, then its peers on OTP and Elixir if those are installed,
and prints one table: a row per workload, a column per system. All else that
is printed goes to stderr.

  --bench PATH     the director-bench to run; without it, the one in
                   build/bench is taken, and built if it is missing
  --children N     number of children (default: 10000)
  --table LIST     tables of the directors, separated by commas
                   (default: list,ets)
  --repeat N       how often to measure each workload (default: 5)
  --workload LIST  workloads to run, separated by commas (default: all)
  --out DIR        where to write the results as JSON
                   (default: build/bench-results)
  -h, --help       print this text

The peers give up measurements that take longer than two minutes.
USAGE
}

say() { printf 'bench: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --bench | --children | --table | --repeat | --workload | --out)
      [ $# -ge 2 ] || die "$1 needs a value; see --help"
      declare "${1#--}=$2"
      shift 2
      ;;
    *) die "unknown option $1; see --help" ;;
  esac
done

build_bench() {
  # shellcheck source=scripts/lib.sh
  (source "$root/scripts/lib.sh" && build bench)
}

if [ -z "$bench" ]; then
  bench=$root/build/bench/benchmarks/director-bench
  [ -x "$bench" ] || build_bench
fi
[ -x "$bench" ] || die "no director-bench at $bench"
bench=$(realpath "$bench")

mkdir -p "$out"
options=(--children "$children" --repeat "$repeat")
[ -z "$workload" ] || options+=(--workload "$workload")
results=()

run() { # run NAME COMMAND...: results go to NAME.json
  local name=$1 file=$out/$1.json
  shift
  rm -f "$file"
  say "running $name"
  "$@" "${options[@]}" --json "$file" >&2 || die "$name failed"
  results+=("$file")
}

run director "$bench" --table "$table"
if command -v escript >/dev/null; then
  run otp escript "$peers/otp_bench.erl"
else
  say "skipping OTP: no escript found; on Debian, install erlang-base"
fi
if command -v elixir >/dev/null; then
  # By default there can be no more than 262144 processes.
  run elixir elixir --erl "+P 2000000" "$peers/elixir_bench.exs"
else
  say "skipping Elixir: no elixir found; on Debian, install elixir"
fi

if command -v python3 >/dev/null; then
  python3 "$peers/compare.py" --merged "$out/all.json" "${results[@]}"
else
  say "no table, as there is no python3; the results are in $out"
fi
