"""What runs by itself: work in threads, each a run in the journal; schedules; health; alerts."""
