"""Test with a copy of production data."""
