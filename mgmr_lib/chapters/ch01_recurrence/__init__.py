"""What notebook 01 (recurrence) needs beside the library."""
