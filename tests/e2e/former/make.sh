#!/usr/bin/env bash
# The data folder of a release, with a small bill: tests/e2e/former/make.sh NUMBER CHECKOUT PYTHON
# CHECKOUT is a tree of that release (git archive), PYTHON has its dependencies. data-1 is of the state before replay, monitoring and deployment came (cc751c1).
# One partition and short logs keep it small; a former folder is never made anew, a later release gets a number of its own.
set -euo pipefail
number=$1 checkout=$(realpath "$2") python=$(realpath --no-symlinks "$3")
here=$(cd "$(dirname "$0")" && pwd)
export TAXIMETER_DATA TAXIMETER_PARTITIONS=1 PYTHONPATH=$checkout
TAXIMETER_DATA=$(mktemp --directory)
taximeter() { "$python" -m taximeter.cli "$@"; }
cd "$checkout"
taximeter up --detach
taximeter apply "$here/catalogue.yaml" "$here/acme.yaml" --author former
taximeter send "$here/usage.jsonl"
taximeter clock former --to 2025-10-21
until taximeter balance acme --json | grep --quiet '"applied": "480.00"'; do sleep 1; done
taximeter balance acme --json > "$here/balance.json"
taximeter alerts --json > "$here/alerts.json"
taximeter down
tar --create --xz --sort=name --owner=0 --group=0 --exclude=./run --exclude=./logs --directory "$TAXIMETER_DATA" --file "$here/data-$number.tar.xz" .
rm --recursive "$TAXIMETER_DATA"
