"""`python -m assistant`; see `cli.py`."""

from assistant.cli import app

app(prog_name="python -m assistant")
