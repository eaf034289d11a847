"""Every command: its help, its example, and what it says of mistakes."""

import importlib
import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from advdim.__main__ import COMMANDS, main, parser
from advdim.runs.provenance import hardware
from advdim.stages import devices

ROOT = Path(__file__).parents[2]
QUICK = ("check", "tables", "schema", "reference", "status")


def arguments_of(example):
    """Return what a shell would give to the program, its output left out."""
    words = shlex.split(example.replace("\\\n", " "))
    assert words[0] == "advdim"
    return words[1 : words.index(">")] if ">" in words else words[1:]


@pytest.fixture(params=COMMANDS, ids=lambda command: command.name)
def command(request):
    return request.param


def test_the_console_command_is_the_module():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["advdim"].split(":")
    assert getattr(importlib.import_module(module), name) is main


def test_commands_are_those_that_are_promised():
    assert {command.name for command in COMMANDS} == {
        "check", "plan", "cell", "tables", "figures", "status", "schema", "reference"
    }  # fmt: skip


def test_help_shows_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command.name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    example = shown.split("example:\n  ")[1]
    assert arguments_of(example) == arguments_of(command.example)
    assert parser().parse_args(arguments_of(example)).run is command.run
    assert command.summary[1:30] in " ".join(shown.split())


def test_the_help_of_all_names_every_command_and_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command.name}" in shown
    assert parser().parse_args(arguments_of(shown.split("example:\n  ")[1].split("\n")[0]))


@pytest.mark.parametrize("name", QUICK)
def test_examples_run(name, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (command,) = (command for command in COMMANDS if command.name == name)
    assert main(arguments_of(command.example)) == 0
    said = capsys.readouterr()
    assert said.out
    assert not said.err


@pytest.mark.parametrize("name", ["check", "plan", "status", "figures"])
def test_a_mistake_in_the_file_is_one_sentence(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.yaml").write_text("experimants: {}\ndatasets: {}\nnetworks: {}\n")
    (tmp_path / "latin.yaml").write_bytes("# café\n".encode("latin-1"))
    codec = "'utf-8' codec can't decode byte 0xe9 in position 5: invalid continuation byte"
    for file, said in (
        (".", "Configuration '.' cannot be read: Is a directory."),
        ("latin.yaml", f"Configuration 'latin.yaml' is not UTF-8: {codec}."),
        ("wrong.yaml", "Config key 'experimants' is unknown; did you mean 'experiments'?"),
        ("none.yaml", "Configuration 'none.yaml' does not exist."),
    ):
        assert main([name, file]) == 2
        printed = capsys.readouterr()
        assert printed.err == f"advdim: {said}\n"
        assert printed.out == ""


def test_check_counts_networks_and_attacks(tmp_path, monkeypatch, capsys, raw_config):
    monkeypatch.chdir(tmp_path)
    for seeds, said in ((1, "7 networks and 4 attacks"), (2, "11 networks and 8 attacks")):
        raw_config["experiments"]["dimension"]["seeds"] = seeds
        Path("sweep.yaml").write_text(yaml.safe_dump(raw_config))
        assert main(["check", "sweep.yaml"]) == 0
        assert capsys.readouterr().out == f"sweep.yaml is valid: {said}.\n"


def test_a_reader_who_has_seen_enough_is_no_error():
    program = "import sys; from advdim.__main__ import main; sys.exit(main(['schema']))"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1


def test_one_network_by_hand_is_trained_on_the_device_of_the_sweep(
    raw_config, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    cell = shlex.split(
        "cell sweep.yaml --dataset digits --network strided4 --size 8 --method pgd_linf "
        "--epsilon 0.1 --seed 0 --output one"
    )

    def train(device):
        (tmp_path / "sweep.yaml").write_text(yaml.safe_dump({**raw_config, "device": device}))
        return main(cell)

    monkeypatch.setattr(devices, "visible_gpus", list)
    assert train("cuda") == 2
    assert "Config key 'device' is 'cuda', but no CUDA device" in capsys.readouterr().err
    assert not (tmp_path / "one").exists()
    assert train("auto") == 0
    assert json.loads((tmp_path / "one/run.json").read_text())["device"] == hardware("cpu")
