"""Typed configuration of a sweep: validated at start, explained in sentences, schema generated."""

from advdim.config.explain import ConfigError
from advdim.config.reading import load, schema
from advdim.config.sweep import Config, Experiment

__all__ = ["Config", "ConfigError", "Experiment", "load", "schema"]
