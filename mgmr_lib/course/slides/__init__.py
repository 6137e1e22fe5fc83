"""Slide decks and printed hand-outs, made of the stored notebooks; nothing is executed, and nothing is typed twice.

build.py      writes the decks that notebooks/src/decks.yml names, a hand-out and solutions for each notebook, a list
reading.py    one stored notebook as sections of blocks: a paragraph, an equation, a figure, a bet, an exercise
rooms.py      which sections a deck shows, and in which of the teacher's routes: both follow from the minute plans
wording.py    what a slide keeps of a paragraph
deck.py       sections -> slides
deck_page.py  slides -> one file
handout.py    sections -> A4 pages
markup.py     Markdown, formulas and code as HTML that asks no other host
static/       the style of both, and the script that turns slides
"""
