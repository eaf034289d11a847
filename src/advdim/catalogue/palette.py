"""Ten colours that people of any colour vision tell apart (Petroff, 2021, arXiv:2107.02270)."""

BLUE = "#3f90da"
ORANGE = "#ffa90e"
RED = "#bd1f01"
GREY = "#94a4a2"
PURPLE = "#832db6"
BROWN = "#a96b59"
DARK_ORANGE = "#e76300"
TAN = "#b9ac70"
DARK_GREY = "#717581"
LIGHT_BLUE = "#92dadb"

PALETTE = (BLUE, ORANGE, RED, GREY, PURPLE, BROWN, DARK_ORANGE, TAN, DARK_GREY, LIGHT_BLUE)
