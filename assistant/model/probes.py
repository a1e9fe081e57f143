"""What the packaged model's last layer makes of a conversation, read by linear probes: more than the word it would say.

Two read the state that the check of a draft leaves: is there an answer, and is the draft right? `probes.npz` was fitted
by `python -m lab fit-probes` to answers that were graded by reading. Another reads the state in which an answer begins:
is it yes or no? `opening_probe.npz` was fitted by `python -m lab fit-opening` to reports that the writer did not learn
from.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

PROBES = Path(__file__).with_name("probes.npz")
OPENING_PROBE = Path(__file__).with_name("opening_probe.npz")
FILES = (PROBES, OPENING_PROBE)
MOST = 15.0
"""Log-odds beyond which a probe is cut off: it is no surer than that."""

State = npt.NDArray[np.float32]
"""What the model's last layer makes of all that was read: 1,536 numbers of the packaged one."""


def signals(state: State, file: Path = PROBES) -> dict[str, float]:
    """Return log-odds, each within `MOST`: the passages answer the question, and the draft is right."""
    weights, intercepts = fitted(file)
    answers, right = np.clip(weights @ state + intercepts, -MOST, MOST)
    return {"answers": float(answers), "right": float(right)}


def opens_with_yes(state: State, file: Path = OPENING_PROBE) -> float:
    """Return the log-odds that the answer to a yes-or-no question that begins in this state opens with "Yes"."""
    weights, intercepts = fitted(file)
    return float((weights @ state + intercepts)[0])


@cache
def fitted(file: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the weights, (probes, width of the state), and the intercepts, (probes,)."""
    with np.load(file) as kept:
        return kept["weights"].astype(np.float64), kept["intercepts"].astype(np.float64)
