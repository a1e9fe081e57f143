"""What makes the weights and the calibration that ship."""
