"""What notebook 17 (macro fusion) needs beside the library."""
