"""A second reader of the wire, written from docs/protocol.md alone.

It imports nothing of the gateway: only PyNaCl, pyca/cryptography, hashlib and json. It is plain rather than
quick, follows the numbered steps of the page in their order, and is what a stranger may copy from. Numbers in
the docstrings are sections of that page.

`text`, `shapes` and `tree` need nothing but the standard library; `tests/attacks` runs them under any Python
that it finds.
"""
