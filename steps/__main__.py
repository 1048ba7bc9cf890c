"""`python -m steps` is `gonogo`."""

from steps.cli import main

main()
