"""Show sentences with computed numbers in a notebook."""


def markdown(text: str) -> None:
    """Show `text` as Markdown in a notebook, and print it elsewhere."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        get_ipython = None
    if get_ipython is None or get_ipython() is None:
        print(text)
    else:
        display({"text/markdown": text, "text/plain": text}, raw=True)


def say(text: str) -> None:
    """Prose with numbers that this notebook computed: say(f"The pole lies at {pole:.2f}.")."""
    markdown(text)
