"""The environment in which gates begin."""

from fixtures import environment
from steps.engine.suite import clean_environment


def test_a_gate_begins_with_the_operators_environment_so_that_it_finds_the_plans_secrets(monkeypatch):
    """It takes out for itself what would bend its connections: what the plan names by `env` must be found there, too."""
    monkeypatch.setattr(environment, "_taken", {})
    monkeypatch.setenv("PGPASSWORD", "a secret of the plan")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--lf")
    environment.clean()
    begun = clean_environment()
    assert begun["PGPASSWORD"] == "a secret of the plan"
    assert "PYTEST_ADDOPTS" not in begun
