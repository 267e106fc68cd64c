"""What keeps a cell and its neighbours whole: protections, and the numbers at which they act."""
