"""The ordinary case of the usage fold, many samples at once, in numpy: the same values and outputs as the fold in `core` gives.

`core` stays the judge: what is not plainly ordinary is folded there, and a test compares the two over all that happens.
"""
