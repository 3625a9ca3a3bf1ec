"""When to stop, and deciding on a new picture: policies, certificates, decisions."""
