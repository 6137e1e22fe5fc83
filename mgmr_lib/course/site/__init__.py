"""`python course.py site`: the course as static pages, made from the notebooks' stored outputs; nothing is executed.

build.py       gathers the pages in a temporary folder and calls Sphinx (myst-nb reads notebooks, furo is the theme)
notebooks.py   one built notebook as the site shows it: figures, bets, folded solutions
bets.py        a stored bet as a form, and its outcome
links.py       where a link of the repository leads on the site
extension.py   what Sphinx lacks: formulas as MathML
static/        the style of figures and bets, and the script that keeps an outcome out of sight until one has bet
"""
