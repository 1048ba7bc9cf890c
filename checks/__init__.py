"""What must be true: read-only checks, one file per subject."""
