"""One module a command of `python -m mgmr_lib`: add_arguments(parser) and main(args)."""
