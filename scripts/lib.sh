# Shared by the scripts next to it; source it.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }

# build PRESET [OPTION...]: installs what is missing, configures the preset,
# and builds it with these options of `cmake --build`.
build() {
  local preset=$1 dir=$root/build/$1 caf_dir used_dir
  shift
  caf_dir=$("$root/scripts/setup.sh" --print-caf-dir)
  if [ -f "$dir/CMakeCache.txt" ]; then
    used_dir=$(sed -n 's/^CAF_DIR:[A-Z]*=//p' "$dir/CMakeCache.txt")
    if [ "$used_dir" != "$caf_dir" ]; then
      say "build/$preset was for another CAF; starting it anew"
      rm -rf "$dir/CMakeCache.txt" "$dir/CMakeFiles"
    fi
  fi
  cd "$root" || exit
  say "configuring build/$preset"
  cmake --preset "$preset" -DCAF_DIR="$caf_dir"
  say "building"
  cmake --build --preset "$preset" "$@"
}
