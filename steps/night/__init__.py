"""The notice, what is prepared, the cutover and the acceptance."""
