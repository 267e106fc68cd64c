"""Where names become objects: configuration, wiring, and the sessions that run control on a world."""
