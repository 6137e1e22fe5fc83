"""What notebook 22 (ablations) needs beside the library."""
