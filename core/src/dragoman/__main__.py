"""`python -m dragoman`."""

from dragoman.core.cli import main

main()
