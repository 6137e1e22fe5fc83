"""One folder per notebook: its exercises, figures and small experiments; shared/ holds what several notebooks use."""
