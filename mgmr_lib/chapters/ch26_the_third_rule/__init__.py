"""What notebook 26 (the third rule) needs beside the library."""
