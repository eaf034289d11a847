"""A configuration is read: values checked, defaults filled in, and what would fail refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from advdim.config.explain import ConfigError, explain
from advdim.config.problems import problems, trains_nothing
from advdim.config.sweep import Config


def load(raw: Mapping[str, Any]) -> Config:
    """Check a configuration and fill in its defaults.

    Raises ConfigError with one sentence per mistake: the key, the value, and what is allowed.
    """
    try:
        config = _with_strengths(Config.model_validate(dict(raw)))
    except ValidationError as error:
        raise ConfigError(explain(error, Config)) from None
    if found := problems(config):
        raise ConfigError("\n".join(found))
    return config


def _with_strengths(config: Config) -> Config:
    """Give strength 0 to the experiments without strengths whose networks are not trained."""
    experiments = {
        name: experiment.model_copy(update={"epsilons": ["0"]})
        if not (experiment.epsilons or experiment.epsilons_by_method)
        and trains_nothing(config, experiment)
        else experiment
        for name, experiment in config.experiments.items()
    }
    return config.model_copy(update={"experiments": experiments})


def schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration, for editors and documentation."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Config.model_json_schema(),
        "title": "advdim configuration",
    }
