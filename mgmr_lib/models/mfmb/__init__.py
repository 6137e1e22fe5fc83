"""MFMB-Net (macro and micro fusion): the network of the second paper, its published code's reading, EQUATIONS.md."""
