"""A Hioki BT3562A battery tester, as it answers on its serial line or socket."""
