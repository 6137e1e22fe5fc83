"""The small tested library behind the course."""

from mgmr_lib import moved

moved.install()  # old import paths of learners' copies, for one release
