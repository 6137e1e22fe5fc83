"""What notebook 12 (alignment) needs beside the library."""
