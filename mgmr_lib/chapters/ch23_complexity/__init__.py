"""What notebook 23 (complexity) needs beside the library."""
