"""The cases of :class:`gateway.testing.store_suite.StoreSuite`, by concern."""
