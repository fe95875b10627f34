#!/usr/bin/env bash
# A log line of 5,000 bytes in the journal, read with journalctl.
#
# One would guess that every output format of journalctl has the whole message, and that JSON, the
# format for programs, is the safest. With `-o json` the message of more than 4,096 bytes is `null`:
# the record is there, is valid JSON, and journalctl exits with 0. `-o cat` and the default text have
# the whole message. Only `--all` makes `-o json` write it (src/shared/logs-show.c, JSON_THRESHOLD).
#
# It matters here because `journalctl -o json | falconer …` loses exactly the longest alerts, those
# with a long command line. Falconer's hint for a record without its message names `--all`.
#
# systemd 252.39-1~deb12u2, the packages of Debian 12. Needs Debian 12 on amd64 and apt-get. It neither
# reads nor writes the journal of the machine.
set -euo pipefail

VERSION=252.39-1~deb12u2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod a+rwx .
apt-get download -q "systemd=$VERSION" "systemd-journal-remote=$VERSION" \
    "libsystemd-shared=$VERSION" >/dev/null 2>&1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(dirname "$(find root -name 'libsystemd-shared-*.so')")
export LD_LIBRARY_PATH

# Three entries in the journal's export format.
for size in 10 4000 5000; do
    printf '__REALTIME_TIMESTAMP=%s\n__MONOTONIC_TIMESTAMP=%s\n' $((1769767200000000 + size)) "$size"
    printf '_BOOT_ID=0123456789abcdef0123456789abcdef\n_HOSTNAME=node-1\n'
    printf 'SYSLOG_IDENTIFIER=falco\nMESSAGE=%s\n\n' "$(printf "%${size}s" '' | tr ' ' x)"
done >export
find root -name systemd-journal-remote -type f -exec {} -o test.journal - \; <export 2>/dev/null

# lengths FORMAT OPTION: how many of each message's bytes journalctl prints.
lengths() {
    root/bin/journalctl --file test.journal --no-pager --quiet -o "$@" |
        while IFS= read -r line; do
            case $line in
            *'"MESSAGE":null'*) echo null ;;
            *) printf '%s' "$line" | grep -o 'xx*' | awk '{ if (length > most) most = length } END { print most }' ;;
            esac
        done | paste -sd' '
}

# expect WHAT LENGTHS FORMAT OPTION
expect() {
    local seen
    seen=$(lengths "${@:3}")
    echo "-o ${*:3}: $seen"
    [[ $seen == "$2" ]] || {
        echo "this is not what was found: $1: $2" >&2
        exit 1
    }
}

root/bin/journalctl --version | head -1
expect 'JSON leaves out the long one' '10 4000 null' json
expect 'with --all JSON has it' '10 4000 5000' json --all
expect 'the message alone is whole' '10 4000 5000' cat
expect 'the default text is whole' '10 4000 5000' short
