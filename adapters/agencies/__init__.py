"""What each agency is shown, in its own words: one profile a file, named after the agency's role.

``adapters.agencies.police`` holds ``PROFILE``, which presents what the police of an area could open. A
profile leaves out or rephrases and never adds: what it was not given it cannot show. An organisation uses
the profile of its agency type (St Giles: ``voluntary_sector``). ``_base`` is the form they share, ``_lines``
and ``_record`` the sentences, ``_reading`` the careful look into a view where anything may be missing.
"""
