"""The kinds of steps, a module each: what can be written in one, what becomes of it, what is refused."""
