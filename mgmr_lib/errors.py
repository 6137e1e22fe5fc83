"""The one kind of error that a user causes and can mend.

The command line prints such an error as one sentence and exits with code 2; nothing else is ever shown without a
traceback.
"""


class CourseError(ValueError):
    """Bad input or a broken set-up. The message is one sentence that names the file (or option) and the fix."""
