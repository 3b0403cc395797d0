"""Translators between dialects, one file a pair: CLIENT_UPSTREAM.py. Sans-io, and no usage is billed from them."""
