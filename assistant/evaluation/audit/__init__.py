"""An audit of integrity: what altered quotations, false claims and subtly false questions are met with."""
