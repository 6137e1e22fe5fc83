"""The networks that MGMR-Net and MFMB-Net are compared with. Each takes the same Batch and returns the same Output."""
