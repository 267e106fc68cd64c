"""One wire each: how bytes reach an instrument and come back."""
