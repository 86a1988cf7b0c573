#!/usr/bin/env bash
# Installs what is missing, builds everything, and runs all tests. Works
# offline and without root once everything is there.
#
# usage: scripts/test.sh [PRESET] [OPTION...]
#
# The preset is release unless given, for example asan or debug. The options
# are those of ctest.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset=release
case ${1:-} in
  '' | -*) ;;
  *)
    preset=$1
    shift
    ;;
esac

build "$preset"
say "running the tests of build/$preset"
ctest --preset "$preset" --output-on-failure "$@"
