"""What can holdfast do? One verb per file: a request in, a result out, events on the way."""
