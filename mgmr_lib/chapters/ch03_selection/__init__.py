"""What notebook 03 (selection) needs beside the library."""
