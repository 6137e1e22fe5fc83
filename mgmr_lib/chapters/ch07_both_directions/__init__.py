"""What notebook 07 (both directions) needs beside the library."""
