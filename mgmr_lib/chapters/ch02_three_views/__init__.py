"""What notebook 02 (three views) needs beside the library."""
