"""What notebook 21 (missing rates) needs beside the library."""
