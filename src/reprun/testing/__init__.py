"""Results under verdict in any test suite, with no workflow around them: a plugin of pytest."""
