"""Install what the application needs, and the application."""
