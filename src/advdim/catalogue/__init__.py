"""What there is, by name: methods, attacks, bounds, networks, figures.

An entry holds everything that is said of one elsewhere: the function, its settings, label, colour,
marker, cost, caption. Importing the catalogue imports none of the functions, and no torch.
"""
