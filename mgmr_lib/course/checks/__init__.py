"""The exercises of every notebook: `chNN.py` holds a list `EXERCISES` for notebook NN."""
