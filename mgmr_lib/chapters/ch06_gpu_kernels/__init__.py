"""What notebook 06 (gpu kernels) needs beside the library."""
