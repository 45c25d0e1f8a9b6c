"""The wire: messages, encoding, decoding and the ADS protocol as state machines, for both ends. No sockets here."""
