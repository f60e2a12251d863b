"""One thing of the application with everything that belongs to it: which rows, why, in which order, and copies."""
