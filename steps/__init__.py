"""What changes machines: the ordered list of steps, one small module per subject, and the thin executor."""
