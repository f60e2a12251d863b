"""Applications: how to read one at a single instant, and how to bring it back.

Sources never see how backups are stored.
"""
