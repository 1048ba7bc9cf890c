"""What must be there before the night: an image of the target, and backups."""
