"""What measures and trains; it is not in the wheel."""
