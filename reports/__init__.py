"""What people read afterwards, made from a run's stored evidence alone."""
