"""`python -m trimtab.cli`."""

from . import main

main()
