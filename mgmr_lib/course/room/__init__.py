"""`course.py class`: a local page on which a teacher sees how far a room is, from laptops that chose to join.

catalogue.py   what can be told of: exercises, their recognised mistakes, bets; from the built notebooks
posts.py       what a laptop may send, read strictly
storage.py     SQLite: what was told survives a kill; counts for the page; CSV
limits.py      how often, and over how many connections
server.py      the web server (tornado), and page/ what the teacher's browser gets
joining.py     the learner's side: join, and posts in the background
"""
