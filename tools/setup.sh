# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the scripts of this folder share: installing packages and building. To be sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints how long something takes, until it is killed.
tick() {
    local start=$SECONDS pause=30 never
    if [ -t 1 ]; then
        pause=2
    fi
    # Not sleep: as a process of its own it would outlive this one.
    exec {never}<> <(:)
    while ! read -rt "$pause" -u "$never"; do
        if [ -t 1 ]; then
            printf '  %d s\r' $((SECONDS - start))
        else
            printf '  still at it after %d s\n' $((SECONDS - start))
        fi
    done
}

# Runs a command quietly. What it printed is shown only when it fails.
quietly() {
    local log ticker status=0
    log=$(mktemp)
    tick &
    ticker=$!
    "$@" >"$log" 2>&1 </dev/null || status=$?
    kill "$ticker" 2>/dev/null
    wait "$ticker" 2>/dev/null || :
    if [ "$status" -ne 0 ]; then
        cat "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}

# packages_of GROUP...: the packages of these groups, one on a line.
packages_of() {
    local group
    for group in "$@"; do
        sed -n "/^\[$group\]\$/,/^\[/{/^[^#[]/p}" "$root/tools/packages"
    done
}

# packages_missing GROUP...: those that are not installed.
packages_missing() {
    local package
    for package in $(packages_of "$@"); do
        # A package may also be provided by another one (pkg-config by pkgconf).
        if ! dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' 2>/dev/null |
            grep -Eq "^installed (.* )?$package([ ,(]|\$)"; then
            printf '%s\n' "$package"
        fi
    done
}

policy_file=/usr/sbin/policy-rc.d
policy_mark='# made by dynmem while it installs packages'
policy_ours=

# Forbids packages to start services while they are installed. A policy of the machine stays in its place:
# where it allows starts, ours covers it, seen by apt-get alone.
policy_begin() {
    if [ ! -e "$policy_file" ] || grep -qsF "$policy_mark" "$policy_file"; then
        policy_ours=$policy_file
        trap policy_end EXIT
        printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy_file"
        chmod 755 "$policy_file"
    fi
}

policy_end() {
    if [ -n "$policy_ours" ]; then
        rm -f "$policy_ours"
        policy_ours=
    fi
}

apt() {
    local cover=
    if [ -z "$policy_ours" ]; then
        cover=$(mktemp)
        printf '#!/bin/sh\nexit 101\n' >"$cover"
        chmod 755 "$cover"
    fi
    local status=0
    # shellcheck disable=SC2016 # expanded by the inner shell
    quietly env DEBIAN_FRONTEND=noninteractive unshare --mount --propagation private sh -c '
        cover=$1; policy=$2; shift 2
        [ -z "$cover" ] || mount --bind "$cover" "$policy" || exit 1
        exec apt-get -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"' sh "$cover" "$policy_file" "$@" ||
        status=$?
    if [ -n "$cover" ]; then
        rm -f "$cover"
    fi
    return "$status"
}

# install_packages GROUP...: installs what is missing of these groups and starts no service.
install_packages() {
    local missing
    missing=$(packages_missing "$@")
    if [ -z "$missing" ]; then
        return 0
    fi
    command -v apt-get >/dev/null || die "there is no apt-get here; install these yourself:" "${missing//$'\n'/ }"
    [ "$(id -u)" = 0 ] || die "run as root, so that these can be installed:" "${missing//$'\n'/ }"
    say "installing with apt-get: ${missing//$'\n'/ }"
    # In a subshell, so that its trap is its own.
    (
        trap 'exit 130' INT TERM
        policy_begin
        apt update || exit 1
        # shellcheck disable=SC2086 # a list
        apt install -y --no-install-recommends $missing || exit 1
    ) || die "the packages could not be installed"
}

# libraries_of PACKAGE...: the libraries that these packages need, and those that these need, that are not installed.
libraries_of() {
    local left=$* found="" package more
    while [ -n "$left" ]; do
        # shellcheck disable=SC2086 # a list
        more=$(apt-cache depends --important $left | sed -n 's/^ *|\{0,1\}\(Pre\)\{0,1\}Depends: \(lib.*\)/\2/p' | sort -u)
        left=""
        for package in $more; do
            case " $found " in *" $package "*) continue ;; esac
            if ! dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed'; then
                found="$found $package"
                left="$left $package"
            fi
        done
    done
    printf '%s\n' "$found"
}

# unpack_packages [--libraries] DIRECTORY GROUP...: puts the files of these packages below DIRECTORY and installs nothing;
# with --libraries those of the libraries that they need, too.
unpack_packages() {
    local libraries="" directory package missing=""
    if [ "$1" = --libraries ]; then
        libraries=yes
        shift
    fi
    directory=$1
    shift
    for package in $(packages_of "$@"); do
        [ -e "$directory/$package.unpacked" ] || missing="$missing $package"
    done
    if [ -z "$missing" ]; then
        return 0
    fi
    command -v apt-get >/dev/null || return 0 # the tests that need them say so
    say "unpacking below ${directory#"$root"/}:$missing"
    mkdir -p "$directory"
    quietly apt-get -q update || die "the lists of packages could not be updated"
    if [ -n "$libraries" ]; then
        # shellcheck disable=SC2086 # a list
        missing="$missing $(libraries_of $missing)"
    fi
    for package in $missing; do
        rm -f "$directory/$package"_*.deb
        (cd "$directory" && quietly apt-get -q download "$package") || die "$package could not be downloaded"
        dpkg -x "$directory/$package"_*.deb "$directory" || die "$package could not be unpacked"
        rm "$directory/$package"_*.deb
        touch "$directory/$package.unpacked"
    done
}

# build DIRECTORY [MESON OPTION]...: sets up the build folder and builds it. CC is taken from the environment.
build() {
    local directory=$1
    shift
    if [ ! -e "$directory/build.ninja" ]; then
        quietly meson setup "$directory" "$root" "$@" || die "meson setup failed"
    fi
    say "building in ${directory#"$root"/}"
    quietly ninja -C "$directory" || die "the build failed"
}
