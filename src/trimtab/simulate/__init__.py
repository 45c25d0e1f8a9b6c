"""What a policy would do to a fleet: the production `balance` code in virtual time."""
