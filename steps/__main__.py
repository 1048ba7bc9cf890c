"""`python -m steps` is `gonogo`."""

from steps.cli.cli import main

if __name__ == "__main__":  # the gates' fork server loads this module again under another name
    main()
