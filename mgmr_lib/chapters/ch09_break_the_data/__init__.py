"""What notebook 09 (break the data) needs beside the library."""
