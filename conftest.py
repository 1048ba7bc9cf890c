"""Wiring only: the plugin, which registers the states as markers."""

pytest_plugins = ["fixtures.plugin"]
