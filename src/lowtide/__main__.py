"""``python -m lowtide`` is the command line."""

from lowtide.cli.main import main

main()
