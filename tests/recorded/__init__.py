"""Recorded gates of demonstrations: for each check a go and a no-go, judged again by tests/unit/checks/test_recorded.py."""
