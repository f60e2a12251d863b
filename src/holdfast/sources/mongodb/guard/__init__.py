"""What anybody deletes from a MongoDB database, out of its change stream with pre-images."""
