"""What notebook 20 (train both) needs beside the library."""
