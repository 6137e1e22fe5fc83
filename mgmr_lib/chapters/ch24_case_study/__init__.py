"""What notebook 24 (case study) needs beside the library."""
