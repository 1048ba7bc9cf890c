"""Set up the new environment: key, firewall, machine, login."""
