from advdim.config import load
from advdim.files import write_json
from advdim.planning import plan, starts
from advdim.planning.costs import WRONG_SHARE
from advdim.planning.plan import make_plan
from advdim.planning.timing import StepTimes
from advdim.results import all_results, code_hash, config_hash, inputs_of
from advdim.sweep import experiments_by_cell


def record(config, result, **changed):
    """Return what stands in the record of a finished training of 90 seconds."""
    return {
        "status": "done",
        "because": None,
        "revision": 0,
        "device": "a processor",
        "seconds": 90.0,
        "config_hash": config_hash(config, result),
        "code_hash": code_hash(config, result),
        "inputs": inputs_of(config, result),
        "content": "",
        **changed,
    }


def test_a_plan_counts_and_names_stale_cells(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)
    trained = [result for result in all_results(config) if result.stage == "train"]
    for result, code in ((trained[0], code_hash(config, trained[0])), (trained[1], "older")):
        write_json(result.record(config), record(config, result, code_hash=code))
    text = make_plan(config)
    assert "4 attacks on cells: 0 done, 4 to run." in text
    assert "on one a100, by 19% of its 19.5 TFLOPS in float32" in text
    assert "7 cells: 2 done, 5 to train." in text
    assert "Done so far on a processor: 2 cells, 3 minutes." in text
    assert text.endswith(
        f"1 cell was trained by older code and is kept:\n  {trained[1].cell.directory}"
    )
    assert "  maxpool4 at 16 pixels: 2 cells, " in text
    assert "of one worker with 1 thread on " in text


def test_a_plan_adds_the_starts_of_its_jobs_a_few_at_once(raw_config, tmp_path, monkeypatch):
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)
    for stage in starts.SECONDS_TO_START:
        monkeypatch.setitem(starts.SECONDS_TO_START, stage, 1000.0)
    monkeypatch.setattr(starts, "processors", lambda: 4)
    jobs = starts.jobs_of(config, all_results(config)).total()
    lines = make_plan(config).splitlines()
    hours = 1000 * jobs / 3600
    (line,) = [line for line in lines if line.startswith("  starting ")]
    assert line == (
        f"  starting {jobs} jobs, each a process of its own: {hours:.1f} hours of one worker"
    )
    (line,) = [line for line in lines if line.endswith("compute comes on top.")]
    assert line.startswith(f"About {hours / 4:.1f} hours from start to end here, 4 at once on ")


def test_one_of_a_kind_is_singular(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    dimension = raw_config["experiments"]["dimension"]
    dimension |= {"sizes": [8], "epsilons": [0], "bounds": False, "figures": []}
    raw_config |= {"experiments": {"dimension": dimension}, "initialisation": {}}
    text = make_plan(load(raw_config))
    assert text.startswith("1 cell: 0 done, 1 to train.\n1 attack on a cell: 0 done, 1 to run.\n")
    assert "  maxpool4 at 8 pixels: 1 cell, " in text
    assert "on top" not in text


def test_changed_settings_are_to_be_trained_again(raw_config, tmp_path):
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)
    result = next(result for result in all_results(config) if result.stage == "train")
    write_json(result.record(config), record(config, result, config_hash="other"))
    assert plan._recorded(config) == ({}, [])


def test_seconds_follow_from_the_protocol(raw_config):
    config = load(raw_config)
    cell = next(iter(experiments_by_cell(config)))
    # 96 images less a tenth for validation, 3 epochs; 4 measurements of 16 images in 2 splits, of
    # which a share takes the two steps of the attack once more, beside four passes.
    seconds = plan._seconds(config, cell, StepTimes(training=1.0, measuring=100.0))
    twice = 1 + WRONG_SHARE * 2 / 4
    assert abs(seconds - (96 * 0.9 * 3 + 4 * 32 * 100 * twice)) < 1e-6


def test_a_faster_gpu_takes_less_time(raw_config):
    raw_config["networks"]["strided4"]["width"] = 4096
    config = load(raw_config)
    cells = list(experiments_by_cell(config))
    lines = {gpu: plan._on_gpu(config, gpu, cells, []) for gpu in ("t4", "h100")}
    seconds = {gpu: float(line.split()[0].replace(",", "")) for gpu, line in lines.items()}
    assert all(line.split()[1] == "s" for line in lines.values()), lines
    # 8.1 against 67 TFLOPS, and the same overhead.
    assert 2 < seconds["t4"] / seconds["h100"] < 67 / 8.1


def test_a_network_that_failed_before_it_was_trained_is_to_train(raw_config, tmp_path):
    """As one is recorded whose pixels could not be prepared: it ran on no device."""
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)
    result = next(result for result in all_results(config) if result.stage == "train")
    failed = record(config, result, status="failed", because="pixels")
    del failed["device"], failed["seconds"]
    write_json(result.record(config), failed)
    assert "7 cells: 0 done, 7 to train." in make_plan(config)


def test_networks_are_timed_on_images_as_the_dataset_has_them(raw_config, tmp_path, monkeypatch):
    (tmp_path / "only_grey.py").write_text(
        "import torch\n"
        "class OnlyGrey(torch.nn.Linear):\n"
        "    def __init__(self, channels, size, classes):\n"
        "        assert channels == 1\n"
        "        super().__init__(size * size, classes)\n"
        "    def forward(self, inputs):\n"
        "        return super().forward(inputs.flatten(1))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    raw_config["results"] = str(tmp_path)
    raw_config["networks"]["grey"] = {"kind": "module", "module": "only_grey:OnlyGrey"}
    raw_config["experiments"] = {
        "e": {"dataset": "digits", "network": "grey", "sizes": [8], "epsilons": [0]}
    }
    raw_config["initialisation"] = {}
    assert "  grey at 8 pixels: 1 cell, " in make_plan(load(raw_config))
