"""What the operating system gives: child processes, crash-safe files, the clock."""
