"""Channels in parallel on one cell, joined to one: a cycler over the drivers of one or more devices."""
