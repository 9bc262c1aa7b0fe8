"""How an agency is spoken to: one channel a file, one agency profile a file in ``adapters.agencies``.

The configuration names an adapter (``webhook``, or ``package.module:Class``) and nothing else does, so a new
one touches no other file. A name without a colon is a module here that holds a class ``Adapter``; modules
that begin with an underscore are shared parts, not adapters.

Adapters see ``gateway.ports``, ``gateway.errors`` and ``schemas``, and hold plaintext only while they hand it
over: never in a log, an error or a repr.
"""
