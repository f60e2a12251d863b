"""Values that every part of holdfast speaks in: ids, snapshots, plans, events, errors. Imports nothing."""
