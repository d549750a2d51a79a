"""How well score maps point at findings: beside maps that no model made, and finding by finding."""
