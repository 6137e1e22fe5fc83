"""MGMR-Net (Mamba-guided reconstruction and fusion): the network of the first paper, a file per part."""
