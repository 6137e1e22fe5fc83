"""What every notebook imports: exercises, figures with captions, sentences with computed numbers.

    from mgmr_lib.course import check, exercise, hint, progress, say, show, use_style
"""

from mgmr_lib.course.display import say
from mgmr_lib.course.exercises import check, exercise, hint
from mgmr_lib.course.figures import show, use_style
from mgmr_lib.course.score import progress

__all__ = ["check", "exercise", "hint", "progress", "say", "show", "use_style"]
