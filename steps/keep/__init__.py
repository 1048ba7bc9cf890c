"""What must be there before the cutover: an image of the target, and backups."""
