#!/bin/sh
# Installs a build, and builds and runs a project that uses it: installed, and
# as a subdirectory.
#
#   install_test.sh BUILD_DIR SOURCE_DIR WORK_DIR [cmake arguments...]
set -u

if [ $# -lt 3 ]; then
  echo "usage: $0 BUILD_DIR SOURCE_DIR WORK_DIR [cmake arguments...]" >&2
  exit 1
fi
build=$1
source=$2
work=$3
shift 3

fail() {
  echo "install_test: $*" >&2
  exit 1
}

[ -f "$build/CMakeCache.txt" ] || fail "$build is no build directory"
[ -f "$source/CMakeLists.txt" ] || fail "$source is no source directory"
[ -n "$work" ] || fail "no directory to work in"

mkdir -p "$work" || fail "cannot create $work"
build=$(cd "$build" && pwd) || exit 1
source=$(cd "$source" && pwd) || exit 1
work=$(cd "$work" && pwd) || exit 1
consumer=$source/tests/install

# Prints a value of the cache of the build under test.
cached() {
  sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}

caf=$(cached CAF_DIR)
[ -n "$caf" ] || fail "$build does not know where CAF is"
set -- "-DCAF_DIR=$caf" "-Dfmt_DIR=$(cached fmt_DIR)" \
  "-DCMAKE_CXX_COMPILER=$(cached CMAKE_CXX_COMPILER)" \
  "-DCMAKE_CXX_FLAGS=$(cached CMAKE_CXX_FLAGS)" \
  "-DCMAKE_EXE_LINKER_FLAGS=$(cached CMAKE_EXE_LINKER_FLAGS)" \
  "-DCMAKE_SHARED_LINKER_FLAGS=$(cached CMAKE_SHARED_LINKER_FLAGS)" \
  -G "$(cached CMAKE_GENERATOR)" "$@"

# Configures, builds and runs the consumer: attempt NAME [cmake arguments...]
attempt() {
  name=$1
  shift
  dir=$work/$name
  log=$work/$name.log
  rm -rf "$dir"
  cmake -S "$consumer" -B "$dir" "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    fail "$name: the consumer cannot be configured"
  }
  cmake --build "$dir" >>"$log" 2>&1 || {
    cat "$log" >&2
    fail "$name: the consumer cannot be built"
  }
  "$dir/consumer" >>"$log" 2>&1 || {
    cat "$log" >&2
    fail "$name: the consumer fails"
  }
  echo "install_test: $name works"
}

prefix=$work/prefix
rm -rf "$prefix"
cmake --install "$build" --prefix "$prefix" >"$work/install.log" 2>&1 || {
  cat "$work/install.log" >&2
  fail "cannot install $build"
}

# Nothing that was installed may point back to where it was built.
if found=$(grep -rlF -e "$source" -e "$build" --include='*.cmake' \
  --include='*.hpp' "$prefix"); then
  fail "these refer to the source or build directory:
$found"
fi

attempt installed "-DCMAKE_PREFIX_PATH=$prefix" \
  "-DCMAKE_BUILD_TYPE=$(cached CMAKE_BUILD_TYPE)" "$@"
# The package that was taken must be the one just installed.
case $(sed -n 's/^director_DIR:[A-Z]*=//p' "$work/installed/CMakeCache.txt") in
  "$prefix"/*) ;;
  *) fail "installed: the consumer has found another libdirector" ;;
esac

attempt subdirectory "-DDIRECTOR_SOURCE=$source" -DCMAKE_BUILD_TYPE=Debug \
  "-DBUILD_SHARED_LIBS=$(cached BUILD_SHARED_LIBS)" \
  "-DDIRECTOR_TYPE_ID_BASE=$(cached DIRECTOR_TYPE_ID_BASE)" "$@"
