"""Speed, memory and space of holdfast, measured side by side with the tools a user would pick instead."""
