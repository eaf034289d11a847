#!/usr/bin/env bash
# Dry runs with the oldest Snakemake that pyproject.toml allows and with the newest there is, each in
# an environment of its own: versions.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
oldest=$(sed -n 's/.*"snakemake[^>]*>=\(.*\)",/\1/p' pyproject.toml)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for wanted in "snakemake==$oldest" snakemake; do
    "$1" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --upgrade "$wanted" pandas pydantic pyyaml pyarrow
    mkdir "$folder/work"
    (cd "$folder/work" && PYTHONPATH=$root/src "$folder/venv/bin/python" -m snakemake \
        --snakefile "$root/Snakefile" --configfile "$root/config.yaml" -n --quiet rules) \
        >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
    echo "Snakemake $("$folder/venv/bin/python" -m snakemake --version): $(awk '$1 == "total" { jobs = $2 } END { print jobs }' "$folder/log") jobs planned"
    rm -rf "$folder/venv" "$folder/work"
done
