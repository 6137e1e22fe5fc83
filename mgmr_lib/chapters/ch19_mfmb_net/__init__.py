"""What notebook 19 (mfmb net) needs beside the library."""
