"""What notebook 00 (start here) needs beside the library."""
