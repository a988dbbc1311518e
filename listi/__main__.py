"""`python -m listi` is the `listi` command."""

from .cli import main

raise SystemExit(main())
