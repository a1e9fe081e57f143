"""Serve the chat on this machine: `python app.py`, the same as `python -m assistant serve`."""

from assistant.cli import app

if __name__ == "__main__":
    app(["serve"], prog_name="python app.py")
