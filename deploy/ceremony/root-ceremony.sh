#!/bin/sh
# A holder of a root key looks at the next root and signs it, on a machine without network. docs/keys.md has the whole procedure.
#
#   root-ceremony.sh --root next.root.json --previous 3.root.json --key my.key [--passphrase-file FILE] [--yes]
#
# --first instead of --previous: the first root of all, which changes nothing.
# FLOTILLA names the program; default: flotilla in PATH, else bin/flotilla of this checkout.
# --yes signs without asking, and does not mind a network: for tests.

set -eu
umask 077

usage='usage: root-ceremony.sh --root FILE (--previous FILE | --first) --key FILE [--passphrase-file FILE] [--yes]'

fail() {
  printf 'root-ceremony: %s\n' "$*" >&2
  exit 1
}

usage() {
  printf '%s\n' "$usage" >&2
  exit 2
}

root='' previous='' first='' key='' passphrase='' yes=''
while [ $# -gt 0 ]; do
  case $1 in
    --yes) yes=1 && shift && continue ;;
    --first) first=1 && shift && continue ;;
    --help) printf '%s\n' "$usage" && exit 0 ;;
    --root | --previous | --key | --passphrase-file) [ $# -ge 2 ] || usage ;;
    *) usage ;;
  esac
  case $1 in
    --root) root=$2 ;;
    --previous) previous=$2 ;;
    --key) key=$2 ;;
    --passphrase-file) passphrase=$2 ;;
  esac
  shift 2
done
if [ -z "$root" ] || [ -z "$key" ]; then usage; fi
# Of every later root the holder must see what it changes.
if [ -z "$previous$first" ] || { [ -n "$previous" ] && [ -n "$first" ]; }; then usage; fi

for file in "$root" ${previous:+"$previous"} "$key" ${passphrase:+"$passphrase"}; do
  [ -f "$file" ] || fail "there is no file $file"
  [ -r "$file" ] || fail "$file cannot be read by this user"
done
[ -w "$root" ] || fail "$root cannot be written: copy it to a folder of your own first"

for secret in "$key" ${passphrase:+"$passphrase"}; do
  # Group and others have no letter in "-rw-------".
  case $(ls -ldn -- "$secret") in
    ????------*) ;;
    *) fail "$secret can be read by others: chmod 600 it, and ask yourself who has" ;;
  esac
done

# A route other than that of loopback: something is plugged in.
if [ -z "$yes" ] && [ -r /proc/net/route ] && [ "$(wc -l </proc/net/route)" -gt 1 ]; then
  fail 'this machine has a network: pull the cable and switch off the radio first'
fi

if [ -z "${FLOTILLA:-}" ]; then
  FLOTILLA=$(command -v flotilla) || FLOTILLA=$(dirname -- "$0")/../../bin/flotilla
fi
[ -x "$FLOTILLA" ] || fail "there is no program $FLOTILLA: set FLOTILLA to its path"

fingerprint() {
  sum=$(sha256sum -- "$1") || fail "sha256sum does not work here"
  printf '%-10s %s\n           sha256 %s\n' "$2" "$1" "${sum%% *}"
}

printf 'Before signing. Compare these with what the other holders see, by voice:\n'
fingerprint "$root" 'next root'
[ -z "$previous" ] || fingerprint "$previous" 'before'
printf '\n'

set -- keys sign "$root" --key "$key"
[ -z "$previous" ] || set -- "$@" --previous "$previous"
[ -z "$passphrase" ] || set -- "$@" --passphrase-file "$passphrase"
[ -z "$yes" ] || set -- "$@" --yes
"$FLOTILLA" "$@" || fail 'nothing was signed'

printf '\nSigned. This file goes back, and may be seen by anybody:\n'
fingerprint "$root" 'next root'
