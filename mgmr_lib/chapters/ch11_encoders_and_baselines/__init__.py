"""What notebook 11 (encoders and baselines) needs beside the library."""
