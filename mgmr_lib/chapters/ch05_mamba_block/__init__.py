"""What notebook 05 (mamba block) needs beside the library."""
