#!/usr/bin/env bash
# Installs what director needs to build on Debian 12: compiler, CMake, fmt,
# Catch2, OpenSSL and CAF. Does nothing when everything is there.
#
# CAF is taken from CAF_ROOT or the system if a suitable one is found there.
# Otherwise it is built once, from Debian's source package in "experimental",
# into DIRECTOR_CAF_PREFIX (default: ~/.cache/director/caf) and kept.
#
# usage: scripts/setup.sh [--print-caf-dir]
#
# With --print-caf-dir, the standard output is only the folder of CAF's CMake
# files, for use as CAF_DIR; all else goes to the standard error.
set -euo pipefail

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/director
prefix=${DIRECTOR_CAF_PREFIX:-$cache/caf}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    return 1
  fi
}

# -- Debian packages ----------------------------------------------------------

missing=()
need() { # need PACKAGE TEST...: notes PACKAGE unless TEST succeeds
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
has_file() { compgen -G "$1" >/dev/null; }

collect_missing() {
  missing=()
  need g++ command -v c++
  need cmake command -v cmake
  need ninja-build command -v ninja
  need git command -v git
  need pkg-config command -v pkg-config
  need libfmt-dev pkg-config --exists fmt
  need openssl command -v openssl
  need libssl-dev pkg-config --exists openssl
  need catch2 has_file '/usr/*/cmake/Catch2/Catch2Config.cmake'
  if [ "${DIRECTOR_NEED_FORMAT:-0}" = 1 ]; then
    need clang-format command -v clang-format
    need python3 command -v python3
  fi
  return 0
}

install_packages() {
  command -v apt-get >/dev/null \
    || die "install these by hand, this is no Debian: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  as_root apt-get update -q \
    || die "not root and no sudo; ask an administrator for: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# -- CAF ----------------------------------------------------------------------

# Asks CMake, in the way the project itself does, whether CAF_ROOT or the
# system has a suitable CAF.
caf_dir=
caf_is_found() {
  local probe
  probe=$(mktemp -d)
  printf '%s\n' 'cmake_minimum_required(VERSION 3.22)' \
    'project(probe CXX)' \
    "include($root/cmake/DirectorFindCaf.cmake)" \
    'director_find_caf()' >"$probe/CMakeLists.txt"
  local found=1
  if cmake -S "$probe" -B "$probe/build" >"$probe/log" 2>&1; then
    found=0
    grep -o 'using CAF .*' "$probe/log" | sed 's/^/setup: /'
    caf_dir=$(sed -n 's/^CAF_DIR:[A-Z]*=//p' "$probe/build/CMakeCache.txt")
  fi
  rm -rf "$probe"
  return $found
}

# Downloads CAF's release as Debian packages it, without touching the system's
# list of sources.
fetch_caf() {
  local dir=$1 uri
  # shellcheck disable=SC2016 # apt-get expands it
  uri=$(apt-get indextargets --format '$(REPO_URI)' \
          'Created-By: Packages' 'Origin: Debian' 'Label: Debian' \
          | sort -u | head -n 1)
  # shellcheck disable=SC2016
  [ -n "$uri" ] || uri=$(apt-get indextargets --format '$(REPO_URI)' \
          | sort -u | grep '/debian/*$' | head -n 1)
  [ -n "$uri" ] || die "no Debian archive configured; set CAF_ROOT instead"
  mkdir -p "$dir/lists/partial" "$dir/parts" "$dir/src"
  printf 'deb-src [signed-by=%s] %s experimental main\n' \
    /usr/share/keyrings/debian-archive-keyring.gpg "$uri" >"$dir/sources.list"
  local opts=(-q -o Dir::Etc::sourcelist="$dir/sources.list"
              -o Dir::Etc::sourceparts="$dir/parts"
              -o Dir::State::lists="$dir/lists"
              -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
              -o APT::Sandbox::User=root)
  apt-get "${opts[@]}" update
  (cd "$dir/src" \
    && apt-get "${opts[@]}" source --download-only --tar-only actor-framework)
}

build_caf() {
  local work log
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/caf-build.XXXXXX")
  log=$work/log
  trap 'rm -rf "'"$work"'"' EXIT
  say "fetching CAF's source package"
  fetch_caf "$work" >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "no CAF"; }
  mkdir "$work/caf"
  tar -xf "$work"/src/*.tar.* -C "$work/caf" --strip-components=1
  say "building CAF into $prefix (some minutes, once)"
  {
    cmake -S "$work/caf" -B "$work/build" -G Ninja \
      -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix.part" \
      -DCMAKE_INSTALL_LIBDIR=lib \
      -DCAF_ENABLE_TESTING=OFF -DCAF_ENABLE_TOOLS=OFF \
      -DCAF_ENABLE_EXAMPLES=OFF \
    && cmake --build "$work/build" --parallel "$(nproc)" \
    && rm -rf "$prefix.part" && cmake --install "$work/build"
  } >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "CAF did not build"; }
  rm -rf "$prefix"
  mv "$prefix.part" "$prefix"
}

# -- main ---------------------------------------------------------------------

case ${1:-} in
  '') exec 3>/dev/null ;;
  --print-caf-dir) exec 3>&1 1>&2 ;;
  *) die "unknown option $1" ;;
esac

collect_missing
if [ ${#missing[@]} -gt 0 ]; then
  install_packages
fi
if ! caf_is_found; then
  [ -z "${CAF_ROOT:-}" ] || die "no suitable CAF in CAF_ROOT=$CAF_ROOT"
  export CAF_ROOT=$prefix
  if [ -z "$(find "$prefix" -name CAFConfig.cmake 2>/dev/null)" ]; then
    build_caf
  fi
  caf_is_found \
    || die "the CAF in $prefix does not work; remove it and try again"
  say "to use it without the scripts: export CAF_ROOT=$prefix"
fi
printf '%s\n' "$caf_dir" >&3
