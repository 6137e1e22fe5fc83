"""What notebook 10 (metrics and traps) needs beside the library."""
