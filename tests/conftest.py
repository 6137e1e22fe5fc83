"""Options of the test suite."""


def pytest_addoption(parser):
    parser.addoption(
        "--mutants",
        choices=("some", "full"),
        default="some",
        help="how often the check of an exercise meets each mutant: 20 draws (some) or 200 (full)",
    )
