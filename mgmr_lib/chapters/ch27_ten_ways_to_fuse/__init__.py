"""What notebook 27 (ten ways to fuse) needs beside the library."""
