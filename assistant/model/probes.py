"""What a check leaves the model in, read by two linear probes: is there an answer, and is the draft right?

What the packaged model's last layer makes of passages, question, draft and check tells more than the word that it would
say. `probes.npz` was fitted by `python -m lab fit-probes` to answers that were graded by reading. Knows no engine.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

PROBES = Path(__file__).with_name("probes.npz")
MOST = 15.0
"""Log-odds beyond which a probe tells no more."""

State = npt.NDArray[np.float32]
"""What the model's last layer makes of all that was read: 1,536 numbers of the packaged one."""


def signals(state: State) -> dict[str, float]:
    """Return the log-odds that the passages answer the question, and that the draft is right, each within `MOST`."""
    weights, intercepts = _probes(PROBES)
    answers, right = np.clip(weights @ state + intercepts, -MOST, MOST)
    return {"answers": float(answers), "right": float(right)}


@cache
def _probes(file: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the weights, (2, width of the state), and the intercepts, (2,): of an answer, then of the draft."""
    with np.load(file) as fitted:
        return fitted["weights"].astype(np.float64), fitted["intercepts"].astype(np.float64)
