"""Whether a question asks for an article as a whole, in whatever words: told from its vector by a linear probe.

`whole.npz` was fitted by `python -m lab fit-whole`. It sees the question alone, so it cannot tell whether a name in it
is that of the whole article's subject; `overview.py` can.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from assistant.model.probes import fitted

PROBE = Path(__file__).with_name("whole.npz")


def asks_for_whole(vector: npt.NDArray[np.float32]) -> bool:
    """Whether that is likelier than not of a question with this vector, which the packaged embedding model made."""
    weights, intercepts = fitted(PROBE)
    return bool((weights @ vector + intercepts)[0] > 0)
