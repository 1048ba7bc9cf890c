"""What takes a run forward: executor, gate, guards, lock and progress. It knows no step by name."""
