"""What notebook 14 (reconstruction) needs beside the library."""
