#!/usr/bin/env bash
# The tour of examples/failover.cpp with real processes: node foo starts a
# service that prints a line every second, bar and baz join and see it, foo is
# killed, and one of the others prints on. Then that one leaves in order and
# hands the service to the last one. Prints how long each took.
#
# Needs no root and no certain ports. Ends with 1 if something does not happen
# within FAILOVER_PATIENCE seconds (20).
#
# usage: examples/failover.sh [FOLDER]
#
# FOLDER holds the program; without it, build/release/examples does, and what is
# missing there is installed and built.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

folder=${1:-}
if [ -z "$folder" ]; then
  folder=$root/build/release/examples
  [ -x "$folder/failover" ] || build release --target failover
fi
[ -x "$folder/failover" ] || {
  say "there is no program in $folder" >&2
  exit 1
}

patience=${FAILOVER_PATIENCE:-20}
work=$(mktemp -d)
declare -A pids=() inputs=()

cleanup() {
  local pid
  # Lists only children of this script that have not ended.
  for pid in $(jobs -pr); do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
  local log
  say "error: $*" >&2
  for log in "$work"/*.out "$work"/*.err; do
    [ ! -s "$log" ] || sed "s/^/$(basename "$log") | /" "$log" >&2
  done
  exit 1
}

now_ms() { printf '%s' "$((${EPOCHREALTIME//[!0-9]/} / 1000))"; }

# await WHAT COMMAND...: waits until the command succeeds
await() {
  local what=$1 deadline=$((SECONDS + patience))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || die "waited $patience s in vain for: $what"
    sleep 0.01
  done
}

said() { grep -q -- "$2" "$work/$1.out"; } # said NODE PATTERN

# begin NODE [PORT]: starts a node that looks for others at the port
begin() {
  local name=$1 input
  shift
  mkfifo "$work/$name.in"
  # Only the script may hold the other end, or closing it would end nobody.
  (
    for input in "${inputs[@]}"; do
      exec {input}>&-
    done
    exec "$folder/failover" "$name" 0 "$@" \
      <"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err"
  ) &
  pids[$name]=$!
  exec {input}>"$work/$name.in"
  inputs[$name]=$input
  await "node $name" said "$name" 'Enter shows'
}

port_of() {
  sed -n "s/^node $1  127\.0\.0\.1:\([0-9]*\)  .*(this one).*/\1/p;T;q" \
    "$work/$1.out"
}

# leave NODE: ends its input, which makes it leave, and checks how it ends
leave() {
  local input=${inputs[$1]} pid=${pids[$1]} status=0
  exec {input}>&-
  unset "inputs[$1]"
  await "end of $1" ended "$pid"
  wait "$pid" || status=$?
  unset "pids[$1]"
  [ "$status" = 0 ] || die "$1 has ended with status $status"
}

ended() { ! grep -qx "$1" <<<"$(jobs -pr)"; }

sees_all() { # sees_all NODE: asks it for the cluster
  printf '\n' >&"${inputs[$1]}"
  [ "$(tail -n 4 "$work/$1.out" | grep -c '^node .* up')" = 3 ]
}

runner() { # tells which of the nodes prints
  local name
  for name in "$@"; do
    if said "$name" 'the service lives, line 1$'; then
      printf '%s' "$name"
      return
    fi
  done
  return 1
}

has_moved() { runner "$@" >/dev/null; }

# show NODE: what the service has printed there
show() { sed -n "s/^[0-9]* the service/  $1 | &/p" "$work/$1.out"; }

# elapsed NODE SINCE: time until the first line there
elapsed() {
  local line
  line=$(grep -m 1 'the service lives, line 1$' "$work/$1.out")
  printf '%s ms' "$((${line%% *} - $2))"
}

begin foo
say "foo runs the service"
begin bar "$(port_of foo)"
begin baz "$(port_of bar)"
await "bar to see the service" said bar '^service .* on foo$'
await "baz to see the service" said baz '^service .* on foo$'
for node in foo bar baz; do
  await "all nodes at $node" sees_all "$node"
done
say "bar and baz have joined; baz sees"
tail -n 4 "$work/baz.out" | sed 's/^/  /'
await "three lines" said foo 'the service lives, line 3$'
show foo

victim=${pids[foo]}
killed=$(now_ms)
kill -KILL "$victim"
wait "$victim" 2>/dev/null || true
unset "pids[foo]"
await "the service to go on" has_moved bar baz
first=$(runner bar baz)
say "foo was killed; $first prints $(elapsed "$first" "$killed") later"
await "two more lines" said "$first" 'the service lives, line 2$'
show "$first"

last=baz
[ "$first" != baz ] || last=bar
left=$(now_ms)
leave "$first"
await "the service to go on" has_moved "$last"
say "$first has left; $last prints $(elapsed "$last" "$left") after it began to"
await "two more lines" said "$last" 'the service lives, line 2$'
show "$last"
leave "$last"
say "$last has left, too"
