"""`wst up`: everything in one process tree, started in order, restarted when a part dies, ended as one."""
