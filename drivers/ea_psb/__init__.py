"""EA-PSB bidirectional laboratory supplies."""
