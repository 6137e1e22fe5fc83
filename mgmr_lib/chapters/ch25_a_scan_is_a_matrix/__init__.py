"""What notebook 25 (a scan is a matrix) needs beside the library."""
