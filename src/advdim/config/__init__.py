"""Typed configuration of a sweep: validated at start, explained in sentences, schema generated."""

from advdim.config.explain import ConfigError
from advdim.config.sweep import Config, Experiment, load, schema

__all__ = ["Config", "ConfigError", "Experiment", "load", "schema"]
