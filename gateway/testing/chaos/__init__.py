"""Faults on purpose: whole nodes as processes, everything around them that breaks, and the oracles after.

Duty: seeded histories of faults and load (:mod:`.schedule`), what goes wrong (:mod:`.faults`), who takes part
(:mod:`.world`), and what must hold in the end (:mod:`.oracles`). docs/faults.md is its page. It leaves out
the product: nothing here is part of a node, and nothing of a node knows of it.

Example::

    with PrivateHub(folder / "broker") as hub:
        outcome = await run(draw(seed=7, kinds=FAULTS), folder / "7", hub)
        assert outcome.good, outcome.wrong
"""
