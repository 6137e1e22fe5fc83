"""How a scan is computed: the oracle in Python, the chunked and native CPU engines, Triton, mamba_ssm on CUDA."""
