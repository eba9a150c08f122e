"""Ready-made ends: what sources read from and stages write to."""
