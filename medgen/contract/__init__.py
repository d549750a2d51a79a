"""What a backend promises: the base class, and what it may be able to do besides scoring."""
