#!/bin/sh
# Installs PostgreSQL's server from the system's packages, for the tests of the store that is kept in it. They start
# servers of their own in temporary folders; the one that the package may start by itself is not used.
set -eu

if command -v apt-get >/dev/null; then
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql
elif command -v dnf >/dev/null; then
  dnf install --assumeyes postgresql-server
elif command -v apk >/dev/null; then
  apk add postgresql
elif command -v brew >/dev/null; then
  brew install postgresql
else
  echo "expected apt-get, dnf, apk or brew; with another one, install the package that has initdb" >&2
  exit 1
fi
