"""The journal: what ran, when, with what result. A convenience: losing it loses no backup and no audit trail."""
