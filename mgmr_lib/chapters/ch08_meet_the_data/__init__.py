"""What notebook 08 (meet the data) needs beside the library."""
