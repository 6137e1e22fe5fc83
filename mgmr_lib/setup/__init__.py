"""What `course.py` does before anything is installed: only the standard library may be imported here.

machine.py        which Python and computer can run the course, and whether there is an NVIDIA GPU
torch_choice.py   which of torch's builds is taken, decided before anything is downloaded
environment.py    .venv: made, mended, filled once and then left alone
installer.py      one run of uv or pip, and faults.py: what its failure means, in one sentence
sizes.py          what each set-up takes, as measured (sizes.json); README's paragraph comes from it
packed.py         a folder of wheels and data, for computers without a network (open --from)
cloud.py          the course in Colab's and Kaggle's notebooks
commands.py       the commands of course.py
"""
