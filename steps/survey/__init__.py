"""Walk through the current environment."""
