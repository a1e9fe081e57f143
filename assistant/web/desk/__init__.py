"""The editors' desk: what they see there, and what they do."""
