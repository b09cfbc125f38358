#!/bin/sh
# Makes what a package has beside the program: manual, completions, units and a
# crontab. All of it is printed by the program itself, so that it cannot differ.
#
#   packaging/assets.sh target/release/ledger target/packaging
#
# Everything below the second argument is made anew.
set -eu

binary=$1
out=$2

rm -rf "$out"
mkdir -p "$out/completions" "$out/units" "$out/cron"

"$binary" -q man "$out/man"
for shell in bash zsh fish; do
    "$binary" completions "$shell" >"$out/completions/ledger.$shell"
done

# Where the package puts the program, and where its jobs find .env and the ledger.
env -u DATABASE_URL "$binary" -q schedule --systemd --user ledger \
    --binary /usr/bin/ledger --directory /var/lib/ledger --output "$out/units"
env -u DATABASE_URL "$binary" -q schedule --cron --user ledger \
    --binary /usr/bin/ledger --directory /var/lib/ledger --output "$out/cron"
