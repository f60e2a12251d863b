"""Keys and sealing: bytes in, authenticated ciphertext out. Knows nothing of packs or storage."""
