"""The editors' desk: what readers asked, where the operator has it kept, and what editors do about it."""
