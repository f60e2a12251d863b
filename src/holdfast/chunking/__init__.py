"""Where to cut a stream of bytes into chunks, and how to write a chunk as a delta of another."""
