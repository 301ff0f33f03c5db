#!/bin/sh
# Installs the Debian packages named in the given lists, if any is missing.
# Usage: scripts/setup.sh LIST...
set -eu

names=$(sed -e 's/#.*//' "$@" | awk 'NF { print $1 }')
missing=
for name in $names; do
  state=$(dpkg-query --show --showformat='${db:Status-Status}' "$name" 2>/dev/null) || state=none
  [ "$state" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup: these packages are missing and neither root nor sudo is at hand:$missing" >&2
    exit 1
  }
  as_root=sudo
fi

echo "setup: installing$missing"
# Somebody else (unattended upgrades) may hold a lock of the package system: dpkg's is waited for by apt itself, that of the
# package lists is not.
tries=60
until message=$($as_root env LC_ALL=C apt-get update -qq 2>&1); do
  case $message in
    *"Could not get lock"*) ;;
    *) echo "$message" >&2; exit 1 ;;
  esac
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "$message" >&2; exit 1; }
  echo "setup: waiting for the package lists' lock"
  sleep 5
done
# shellcheck disable=SC2086  # words on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 $missing >/dev/null
