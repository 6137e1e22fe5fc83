"""What a profile sets beside the defaults, as rows: each applies where everything that it names fits, later ones over
earlier ones. "full" takes the papers' sizes, which differ between corpora; "tuned" is "laptop" with what an equal
search chose for each network; "long" is "laptop" with every frame of voice and face."""

from dataclasses import dataclass

from mgmr_lib.training.tuned import tuned_settings

PROFILES = ("fast", "laptop", "tuned", "long", "full")
BUILT_ON = {"tuned": ("laptop",), "long": ("laptop", "long")}  # whose rows a profile takes beside or before its own
FAMILIES = ("mosi", "mosei", "sims")
PATTERNS = ("frames", "bursts", "modality")  # how steps go missing: data/missing.py


@dataclass(frozen=True)
class Row:
    """Settings, of the run or of its network, for a profile, models, a family of corpora and a reading (None: any)."""

    settings: dict
    profile: str | None = None
    models: tuple[str, ...] | None = None
    family: str | None = None
    reading: str | None = None

    def fits(self, profile: str, model: str, family: str, reading: str | None) -> bool:
        """Whether this row applies."""
        return (
            self.profile in (None, profile)
            and (self.models is None or model in self.models)
            and self.family in (None, family)
            and self.reading in (None, reading)
        )


_WIDTH_ALONE = ("fc_t", "fc_a", "fc_v", "concat", "early_lstm", "late_lstm")
_MFMB = ("mfmb",)
_MISA, _SELF_MM, _MMIM, _TETFN = ("misa",), ("self_mm",), ("mmim",), ("tetfn",)
_HYPER, _EMT, _TF_MAMBA = ("almt", "lnln"), ("emt",), ("tf_mamba",)

ROWS = (
    # Settings of the run.
    Row(
        {
            "pool_audio": 15,
            "pool_vision": 20,
            "epochs": 3,
            "max_clips": 256,
            "batch_size": 16,
            "lr": 2e-3,
            "valid_rates": (0.0, 0.5),
            "ema": 0.9,
        },
        "fast",
    ),
    Row(
        {"pool_audio": 32, "pool_vision": 40, "epochs": 12, "patience": 8, "ema": 0.99, "weight_decay": 0.01}, "laptop"
    ),
    # Epochs and batches stay laptop's: with every frame of classroom-mosi, `experiment plan` measured at most 3 minutes
    # of one core for a training of MGMR-Net, 7 for MFMB-Net, 15 for its Mamba twin, whose steps need most: 1.4 GB.
    Row({"pool_audio": 1, "pool_vision": 1}, "long"),
    Row({"text_encoder": "bert-base-uncased", "encoder_lr": 1e-5, "batch_size": 32}, "full"),
    Row({"batch_size": 16}, "full", family="sims"),
    # MGMR-Net; "full" is its Table 2.
    Row({"d_model": 32, "d_state": 4, "expand": 1}, "fast", ("mgmr",)),
    Row({"d_model": 64, "d_state": 8, "expand": 1, "dropout": 0.3, "input_dropout": 0.2}, "laptop", ("mgmr",)),
    Row({"d_state": 12, "expand": 4, "depth_align": 1, "depth_fuse": 1}, "full", ("mgmr",), "mosi"),
    Row({"d_state": 12, "expand": 4, "depth_align": 2, "depth_fuse": 2}, "full", ("mgmr",), "mosei"),
    Row({"d_state": 16, "expand": 2, "depth_align": 1, "depth_fuse": 2}, "full", ("mgmr",), "sims"),
    # MFMB-Net. It learns a small corpus by heart within some epochs; chosen on the valid split, like most sizes. Its
    # objective (Eq. 17's classes, two-hot), hub and micro stream were chosen on 1500 more clips, made like the corpus's
    # of sentences that none of its splits holds.
    Row({"d_state": 4, "expand": 1}, "fast", _MFMB),
    Row({"d_model": 32, "heads": 4, "ffn": 64, "d_lstm": 16, "d_mix": 32}, "fast", _MFMB, reading="paper"),
    Row(
        {"d_model": 20, "heads": 4, "depth": 1, "depth_cross": 1, "steps": 16, "macro_depth": 1, "gru_depth": 1},
        "fast",
        _MFMB,
        reading="code",
    ),
    Row(
        {"epochs": 8, "classes": 7, "class_targets": "two-hot", "dropout": 0.3, "hub": 4, "d_state": 8, "expand": 1},
        "laptop",
        _MFMB,
    ),
    Row({"class_step": 1 / 3}, "laptop", _MFMB, "sims"),  # seven classes from -1 to 1
    Row(
        {"d_model": 128, "input_dropout": 0.2, "d_lstm": 16, "d_mix": 8, "d_fine": 1}, "laptop", _MFMB, reading="paper"
    ),
    Row({"depth": 1, "depth_cross": 1, "gru_depth": 1, "macro_depth": 2}, "laptop", _MFMB, reading="code"),
    # "full" is its section "Experiments"; the loss weights, and what differs on SIMS, are its published code's.
    Row({"lr": 2e-3, "patience": 6, "batch_size": 24}, "full", _MFMB),
    Row({"alpha_text": 5.0, "alpha_audio": 2.0, "alpha_vision": 20.0, "dropout": 0.2}, "full", _MFMB, reading="code"),
    Row(
        {"alpha_text": 1.0, "alpha_audio": 0.01, "alpha_vision": 1e-4, "batch_size": 16, "depth_cross": 2},
        "full",
        _MFMB,
        "sims",
        "code",
    ),
    # Its layers over time are as long as the corpus's longest sequences, in every profile.
    Row({"text_length": 50}, None, _MFMB, "mosi"),
    Row({"text_length": 50}, None, _MFMB, "mosei"),
    Row({"text_length": 39}, None, _MFMB, "sims"),
    Row({"steps_audio": 375, "steps_vision": 500}, None, _MFMB, "mosi", "code"),
    Row({"steps_audio": 500, "steps_vision": 500}, None, _MFMB, "mosei", "code"),
    Row({"steps_audio": 400, "steps_vision": 55}, None, _MFMB, "sims", "code"),
    # Baselines.
    Row({"d_model": 32}, "fast", _WIDTH_ALONE),
    Row({"d_model": 64, "dropout": 0.2}, "laptop", _WIDTH_ALONE),
    Row({"d_text": 16, "d_audio": 8, "d_vision": 8, "d_fused": 32}, "fast", ("tfn",)),
    Row({"d_text": 32, "d_audio": 16, "d_vision": 16, "d_fused": 64, "dropout": 0.2}, "laptop", ("tfn",)),
    Row({"d_text": 32, "d_audio": 16, "d_vision": 16, "d_fused": 32}, "fast", ("lmf",)),
    Row({"d_text": 64, "d_audio": 32, "d_vision": 32, "dropout": 0.2}, "laptop", ("lmf",)),
    Row({"d_model": 16, "heads": 4, "depth": 1, "depth_self": 1, "attention_dropout": 0.0}, "fast", ("mult",)),
    Row(
        {"d_model": 32, "heads": 4, "depth": 2, "depth_self": 1, "dropout": 0.2, "attention_dropout": 0.0},
        "laptop",
        ("mult",),
    ),
    Row(
        {"d_model": 12, "heads": 4, "depth": 1, "depth_gru": 1, "d_head": 32, "attention_dropout": 0.0},
        "fast",
        ("tfr",),
    ),
    Row({"depth": 1, "depth_gru": 1, "d_head": 64, "attention_dropout": 0.0}, "laptop", ("tfr",)),
    # Baselines whose losses ask for more than the label; "full" as in MMSA, or as in their own repositories.
    Row({"d_model": 32, "ffn": 128, "dropout": 0.1}, "fast", _MISA),
    Row({"d_model": 64, "ffn": 256, "dropout": 0.2}, "laptop", _MISA),
    Row({"lr": 1e-4, "encoder_lr": 1e-4, "weight_decay": 0.0, "batch_size": 64, "patience": 6}, "full", _MISA),
    Row({"batch_size": 16}, "full", _MISA, "mosei"),
    Row({"head_fused": 32, "head_text": 16, "lstm_vision": 16, "d_vision": 16}, "fast", _SELF_MM),
    Row({"head_fused": 64, "dropout": 0.2}, "laptop", _SELF_MM),
    Row({"d_model": 32, "lstm_audio": 8, "lstm_vision": 8}, "fast", _MMIM),
    Row({"d_model": 64, "dropout": 0.2}, "laptop", _MMIM),
    Row({"encoder_lr": 5e-5, "summary": "cls"}, "full", _SELF_MM + _MMIM),
    Row({"rate_audio": 5.0, "rate_vision": 5.0}, "full", _SELF_MM),
    Row({"rate_vision": 0.1}, "full", _SELF_MM, "mosei"),
    Row({"weight_decay": 1e-4}, "full", _MMIM),
    Row({"d_model": 16, "heads": 4, "depth": 1, "depth_self": 1, "lstm_vision": 16, "head_fused": 32}, "fast", _TETFN),
    Row({"d_model": 32, "heads": 4, "depth": 1, "depth_self": 1, "lstm_vision": 32, "dropout": 0.2}, "laptop", _TETFN),
    Row({"lr": 3e-4, "encoder_lr": 3e-5, "weight_decay": 0.01, "batch_size": 64, "rate_audio": 5 / 3}, "full", _TETFN),
    Row(
        {
            "lr": 1e-4,
            "batch_size": 32,
            "rate_audio": 10.0,
            "rate_vision": 50.0,
            "lstm_audio": 32,
            "lstm_vision": 32,
            "head_text": 64,
            "kernel_vision": 1,
        },
        "full",
        _TETFN,
        "mosei",
    ),
    Row(
        {
            "lr": 3e-3,
            "weight_decay": 1e-3,
            "rate_audio": 1.0,
            "rate_vision": 1 / 6,
            "kernel_text": 3,
            "kernel_audio": 5,
            "kernel_vision": 1,
            "head_text": 64,
            "head_audio": 16,
            "head_vision": 32,
        },
        "full",
        _TETFN,
        "sims",
    ),
    Row({"limit": 1.0}, None, _SELF_MM + _TETFN, "sims"),
    Row({"d_model": 32, "depth": 1}, "fast", ("cenet",)),
    Row({"d_model": 64, "depth": 1, "dropout": 0.3}, "laptop", ("cenet",)),
    Row({"summary": "cls", "batch_size": 64, "clip_norm": 2.0, "weight_decay": 1e-4}, "full", ("cenet",)),
    Row({"weight_decay": 0.0, "encoder_lr": 2e-6, "batch_size": 32}, "full", ("cenet",), "sims"),
    Row({"d_model": 32, "heads": 4, "head_width": 0, "ffn": 32, "depth": 1, "depth_fuse": 1}, "fast", _HYPER),
    Row({"d_model": 64, "heads": 4, "head_width": 0, "ffn": 64, "depth": 1, "dropout": 0.2}, "laptop", _HYPER),
    Row({"lr": 1e-4, "encoder_lr": 1e-4, "weight_decay": 1e-4, "batch_size": 64, "epochs": 200}, "full", _HYPER),
    Row({"depth_fuse": 4}, "full", _HYPER, "mosei"),
    Row({"depth_fuse": 4}, "full", _HYPER, "sims"),
    Row({"adversarial": 0.6}, None, ("lnln",), "sims"),
    Row({"d_model": 32, "depth": 1, "expansion": 2, "lstm_audio": 16, "lstm_vision": 16, "d_head": 32}, "fast", _EMT),
    Row({"d_model": 64, "depth": 2, "expansion": 2, "lstm_vision": 32, "d_head": 64}, "laptop", _EMT),
    Row({"summary": "cls", "encoder_lr": 5e-5}, "full", _EMT),
    Row({"lr": 1e-4, "encoder_lr": 2e-5, "depth": 2, "d_head": 128, "dropout": 0.0}, "full", _EMT, "mosei"),
    Row({"encoder_lr": 2e-5, "d_model": 32, "depth": 4, "dropout": 0.0, "attraction": 0.5}, "full", _EMT, "sims"),
    Row({"lstm_audio": 16, "lstm_vision": 32, "batch_size": 16}, "full", _EMT, "mosei"),
    Row({"lstm_audio": 16, "lstm_vision": 32, "batch_size": 32}, "full", _EMT, "sims"),
    Row({"alpha_text": 0.5, "alpha_audio": 0.5, "alpha_vision": 0.5}, "full", _EMT, "sims"),
    Row({"d_model": 32, "heads": 4, "head_width": 0, "d_state": 4, "expand": 1}, "fast", _TF_MAMBA),
    Row({"d_model": 64, "heads": 4, "head_width": 0, "d_state": 8, "expand": 1, "dropout": 0.2}, "laptop", _TF_MAMBA),
    Row({"lr": 1e-4, "encoder_lr": 1e-4, "weight_decay": 1e-4, "batch_size": 64, "epochs": 200}, "full", _TF_MAMBA),
    Row({"d_state": 16, "depth_query": 2, "dropout": 0.2}, "full", _TF_MAMBA, "mosei"),
    Row({"d_state": 16, "expand": 2, "depth_query": 2, "dropout": 0.2}, "full", _TF_MAMBA, "sims"),
    Row({"alpha_text": 0.7}, None, _TF_MAMBA, "mosi"),
    Row({"alpha_text": 0.3}, None, _TF_MAMBA, "mosei"),
    Row({"alpha_text": 1.0, "text_length": 39}, None, _TF_MAMBA, "sims"),
)


def profile_settings(profile: str, model: str, family: str, reading: str | None) -> dict:
    """The settings of all rows that fit, later over earlier. A published code's reading was not searched: "tuned" is
    "laptop" for it."""
    settings: dict = {}
    for row in ROWS:
        if any(row.fits(p, model, family, reading) for p in BUILT_ON.get(profile, (profile,))):
            settings |= row.settings
    searched = profile == "tuned" and reading != "code"
    return settings | tuned_settings(model) if searched else settings
