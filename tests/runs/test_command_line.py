"""The command that makes just the failed results again has the options of the one that ran."""

import pytest

from advdim.runs.command_line import same_options


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("-c4 --configfile a.yaml", "-c4 --configfile a.yaml"),
        ("-c 4 results/report.html", "-c 4"),
        ("-j8 --profile=profiles/slurm table", "-j8 --profile=profiles/slurm"),
        (
            "--cores=2 --config device=cpu seeds=3 --keep-going x",
            "--cores=2 --config device=cpu seeds=3",
        ),
        ("-n -call -R train", "-call"),
        ("--sdm conda --cores all", "--sdm conda --cores all"),
        ("--sdm conda apptainer -n", "--sdm conda apptainer"),
        ("--use-conda --conda-prefix here all", "--use-conda --conda-prefix here"),
        ("--configfile=a.yaml all", "--configfile=a.yaml"),
        ("--configfile a.yaml -- all", "--configfile a.yaml"),
    ],
)
def test_options_stay_and_targets_go(given, kept):
    assert same_options(["snakemake", *given.split()]) == f"snakemake {kept}"
