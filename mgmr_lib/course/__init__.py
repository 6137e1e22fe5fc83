"""What every notebook imports: bets, exercises, figures with captions, sentences with computed numbers.

from mgmr_lib.course import animate, check, exercise, explore, hint, outcome, predict, progress, say, show, use_style

`join` and `leave` are for a class whose teacher runs `python course.py class`.
"""

from mgmr_lib.course import answers, exercises, waiting
from mgmr_lib.course.animation import animate
from mgmr_lib.course.bets import outcome, predict
from mgmr_lib.course.display import say
from mgmr_lib.course.exercises import check, exercise, hint
from mgmr_lib.course.figures import show, use_style
from mgmr_lib.course.room.joining import join, leave
from mgmr_lib.course.score import progress
from mgmr_lib.course.widgets import explore

__all__ = [
    "animate",
    "check",
    "exercise",
    "explore",
    "hint",
    "join",
    "leave",
    "outcome",
    "predict",
    "progress",
    "say",
    "show",
    "use_style",
]

if answers.shell() is not None:  # in a notebook
    exercises.watch(answers.shell())
    waiting.watch(answers.shell())
