"""How fast, how large and how steady: commands that measure, print what they find, and pass no judgement."""
