"""What notebook 16 (hybrid attention) needs beside the library."""
