"""Question files, runs of them, and what their answers are worth: figures, reports, grades by people, audits."""
