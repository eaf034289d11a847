# make demo   the default sweep from nothing: environment, every stage and figure, and a report
# make figures   tables, figures and report of the published run again, without training or images
# make docs   the same, and the pages' numbers and pictures filled in from it
# make plan CONFIG=FILE GPU=a100   cells, jobs, hours here and on a GPU, disk, before it runs
# make test   everything that needs no cluster and no GPU
# make test-slurm   the workflow on a real one-node SLURM (root, Debian's packages)
# make test-versions   dry runs with the oldest Snakemake allowed and the newest
# make benchmark   steps and measuring beside plain research code, as ratios; half an hour
# make gpu   on a machine with a CUDA device: tests, speed, the same bits twice; ten minutes
# make lint   format, style, workflow and types
# make clean   removes .venv, .snakemake and results, the networks of every sweep in it included

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEVELOP := $(VENV)/.develop
CORES ?= all
# Python compiles what a job loads at its first use, and keeps it: pip would compile everything.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo figures docs plan test test-slurm test-versions benchmark gpu lint format schema conda clean

$(READY): envs/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile -r envs/requirements.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# What tests and linters need beside it.
$(DEVELOP): $(READY) envs/development.txt
	$(BIN)/pip install --quiet --no-compile --no-deps -r envs/development.txt
	@touch $@

demo: $(READY)
	$(BIN)/snakemake --cores $(CORES)
	@$(BIN)/snakemake --quiet --report results/workflow.html
	@echo "Open results/report.html: the answer, claims, figures, networks, settings. How each was made: results/workflow.html."

figures: $(READY)
	@$(BIN)/advdim figures config/presets/cifar10.yaml --cores $(CORES)

docs: figures
	$(BIN)/python -m docs.fill

CONFIG ?= config.yaml
GPU ?= a100
plan: $(READY)
	@$(BIN)/advdim plan $(CONFIG) --gpu $(GPU)

test: $(DEVELOP)
	$(BIN)/pytest -n auto --dist worksteal

test-slurm: $(DEVELOP)
	@tests/slurm/cluster.sh start
	@trap 'tests/slurm/cluster.sh stop' EXIT; $(BIN)/pytest -m slurm tests/slurm

test-versions: $(DEVELOP)
	@tests/workflow/versions.sh $(BIN)/python

benchmark: $(READY)
	@mkdir -p results/benchmarks
	$(BIN)/python benchmarks/training_step.py --figure results/benchmarks/training_step.png \
		> results/benchmarks/training_step.json
	@echo "Ratios in results/benchmarks: training_step.json, training_step.png."

gpu: $(DEVELOP)
	@$(BIN)/python benchmarks/gpu.py --output results/gpu

lint: $(DEVELOP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow examples
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/snakemake --lint

format: $(DEVELOP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile workflow examples

schema: $(READY)
	$(BIN)/advdim schema > workflow/schemas/config.schema.json
	$(BIN)/advdim reference > config/README.md

# Snakemake copies the file before conda reads it, so it holds the lock's lines themselves.
conda:
	sed -i '/^      - /d' envs/advdim.yaml
	sed 's/^/      - /' envs/requirements.txt >> envs/advdim.yaml

clean:
	rm -rf $(VENV) .snakemake results
