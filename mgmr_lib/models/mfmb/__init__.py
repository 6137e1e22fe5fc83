"""MFMB-Net (macro and micro fusion): the network of the second paper, and its published code's reading."""
