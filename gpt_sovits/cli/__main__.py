"""`python -m gpt_sovits.cli`."""

from gpt_sovits.cli import main

main()
