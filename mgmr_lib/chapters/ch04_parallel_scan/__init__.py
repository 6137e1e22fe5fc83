"""What notebook 04 (parallel scan) needs beside the library."""
